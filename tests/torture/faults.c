/* Stands before libc (LD_PRELOAD) and fails calls on files below one folder, as a disk does that is full or broken.
 *
 * A control file of eight 64-bit numbers is mapped and read at each call, so that faults begin and end while the
 * program runs: [0] armed, [1] which call, [2] errno, [3] the first call that fails, [4] how many fail, [5] calls
 * seen, [6] calls failed, [7] 1 for servers, 2 for trainers. The program itself is as it was built. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, PWRITE, FSYNC, FDATASYNC, RENAME, MKDIR };

static volatile int64_t *control;
static const char *folder;
static size_t length;
static int64_t role = 1;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    folder = getenv("FAULTS_FOLDER");
    if (!path || !folder) return;
    length = strlen(folder);
    char line[8192];
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t size = read(file, line, sizeof line);
    close(file);
    if (size > 0 && memmem(line, size, "\0train\0", 7)) role = 2;
    file = open(path, O_RDWR);
    if (file < 0) return;
    void *mapped = mmap(NULL, 64, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) control = mapped;
}

static int fails(int64_t call, const char *path) {
    if (!control || !control[0] || control[1] != call || control[7] != role) return 0;
    if (!path || strncmp(path, folder, length)) return 0;
    /* What SQLite's connections share is no file on the disk. */
    size_t end = strlen(path);
    if (end > 4 && !strcmp(path + end - 4, "-shm")) return 0;
    int64_t seen = __sync_add_and_fetch(&control[5], 1);
    if (seen < control[3] || seen >= control[3] + control[4]) return 0;
    __sync_add_and_fetch(&control[6], 1);
    errno = (int)control[2];
    return 1;
}

static int fails_at(int64_t call, int file) {
    if (!control || !control[0] || control[1] != call) return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return fails(call, path);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define OPENS(name)                                                         \
    int name(const char *path, int flags, ...) {                            \
        REAL(name);                                                         \
        va_list list; va_start(list, flags);                                \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;   \
        va_end(list);                                                       \
        return fails(OPEN, path) ? -1 : real(path, flags, mode);            \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                      \
    int name(int at, const char *path, int flags, ...) {                    \
        REAL(name);                                                         \
        va_list list; va_start(list, flags);                                \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;   \
        va_end(list);                                                       \
        return fails(OPEN, path) ? -1 : real(at, path, flags, mode);        \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

ssize_t write(int file, const void *bytes, size_t size) {
    REAL(write);
    return fails_at(WRITE, file) ? -1 : real(file, bytes, size);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(writev);
    return fails_at(WRITE, file) ? -1 : real(file, parts, count);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
    REAL(pwrite);
    return fails_at(PWRITE, file) ? -1 : real(file, bytes, size, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
    REAL(pwrite64);
    return fails_at(PWRITE, file) ? -1 : real(file, bytes, size, at);
}
int fsync(int file) {
    REAL(fsync);
    return fails_at(FSYNC, file) ? -1 : real(file);
}
int fdatasync(int file) {
    REAL(fdatasync);
    return fails_at(FDATASYNC, file) ? -1 : real(file);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    return fails(RENAME, from) ? -1 : real(from, to);
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return fails(MKDIR, path) ? -1 : real(path, mode);
}
