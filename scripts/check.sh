#!/bin/sh
# Says what is missing before anything is downloaded or built. Prints nothing when all is there.
missing=0
need() { # need "what was looked for" "why" "how to get it"
    missing=1
    printf 'shamisen: %s is missing.\n  needed to: %s\n  get it:    %s\n' "$1" "$2" "$3" >&2
}
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) need "a supported platform (found $(uname -s) $(uname -m))" "run libtorch" \
           "use Linux on x86-64 or aarch64 with glibc 2.28 or newer" ;;
esac
command -v cargo >/dev/null 2>&1 || need "Rust (cargo)" "build the server" "install Rust 1.95 or newer with rustup"
command -v c++ >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 \
    || need "a C++17 compiler (c++)" "build the bindings to libtorch" "on Debian or Ubuntu: apt-get install build-essential"
if ! command -v python3 >/dev/null 2>&1; then
    need "Python 3 (python3)" "fetch libtorch and the base model" "on Debian or Ubuntu: apt-get install python3 python3-pip python3-venv"
else
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' \
        || need "Python 3.9 or newer (found $(python3 --version 2>&1))" "fetch libtorch and the base model" "install a newer python3"
    python3 -m pip --version >/dev/null 2>&1 \
        || need "pip (python3 -m pip)" "fetch libtorch and the base model" "on Debian or Ubuntu: apt-get install python3-pip"
    python3 -c 'import venv, ensurepip' >/dev/null 2>&1 \
        || need "venv (python3 -m venv)" "compare with Python peers in the benchmarks" "on Debian or Ubuntu: apt-get install python3-venv"
fi
[ "$missing" -eq 0 ] || { echo "shamisen: install the above and run the same command again; nothing was changed." >&2; exit 1; }
# Nothing of the program needs it: tests that kill processes at exact system calls and cut the power do, and say where they cannot.
if ! command -v strace >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        { apt-get install -y -qq strace || { apt-get update -qq && apt-get install -y -qq strace; }; } >/dev/null 2>&1 || true
    fi
    command -v strace >/dev/null 2>&1 || echo "shamisen: strace is missing; some tests will be skipped. On Debian or Ubuntu: apt-get install strace" >&2
fi
