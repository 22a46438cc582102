"""ENOSPC and EIO at every kind of call that writes, in the server and in the trainer: once, and for a while.

A library that stands before libc (`faults.c`) fails the N-th call on a file of the data folder; strace could not tell
a file's write from one that only wakes a thread.
"""

import errno
import mmap
import os
import shutil
import struct
import subprocess
import time
import uuid
from pathlib import Path

from .bench import EVERY_STEP, ROWS, Bench
from .checker import audit, job_is_well
from .points import SHORT
from .server import Server, few

CALLS = {"openat": 1, "write": 2, "pwrite64": 3, "fsync": 4, "fdatasync": 5, "rename": 6, "mkdir": 7}
# How often a job of this size makes each, about; a point beyond is not reached and not counted.
REACH = {"server": {"openat": 60, "write": 4, "pwrite64": 120, "fsync": 3, "fdatasync": 60, "rename": 2, "mkdir": 3},
         "trainer": {"openat": 60, "write": 60, "pwrite64": 0, "fsync": 60, "fdatasync": 0, "rename": 12, "mkdir": 14}}
ROLES = {"server": 1, "trainer": 2}
FOR_A_WHILE = 1 << 40


class Faults:
    """The library and its control file."""

    def __init__(self, folder: Path, data: Path):
        self.library, path = folder / "faults.so", folder / "control"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.library, Path(__file__).parent / "faults.c", "-ldl"], check=True)
        path.write_bytes(bytes(64))
        with open(path, "r+b") as file:
            self.control = mmap.mmap(file.fileno(), 64)
        self.env = {"LD_PRELOAD": str(self.library), "FAULTS_CONTROL": str(path), "FAULTS_FOLDER": str(data)}

    def arm(self, role: str, call: str, error: int, first: int, times: int) -> None:
        self.control[:] = struct.pack("<8q", 0, CALLS[call], error, first, times, 0, 0, ROLES[role])
        self.control[:8] = struct.pack("<q", 1)

    def end(self) -> int:
        """Ends the faults; how many there were."""
        self.control[:8] = struct.pack("<q", 0)
        return struct.unpack("<q", self.control[48:56])[0]


def io_errors(bench: Bench) -> None:
    """`count` points that were reached, three of five in the server."""
    if shutil.which("cc") is None:
        bench.details["skipped"] = "there is no C compiler (cc)"
        return
    expected = bench.unbroken(ROWS, SHORT)
    (bench.folder / "errors").mkdir()
    data = bench.data("errors")
    faults = Faults(bench.folder / "errors", data)
    server = Server(bench.binary, data, *EVERY_STEP, env=faults.env).started()
    fired, tried, jobs = {}, 0, []
    with server:
        while bench.tally.points < bench.count and tried < 3 * bench.count + 20:
            tried += 1
            role = bench.random.choice(["server", "server", "server", "trainer", "trainer"])
            call = bench.random.choice([call for call, reach in REACH[role].items() if reach])
            error = bench.random.choice([errno.ENOSPC, errno.EIO])
            times = bench.random.choice([1, FOR_A_WHILE])
            number = bench.random.randint(1, REACH[role][call])
            how = f"{call} {number} {errno.errorcode[error]} {'once' if times == 1 else 'for a while'}"
            where = f"seed {bench.seed}, {role}, {how}"
            faults.arm(role, call, error, number, times)
            job = post(server, bench)
            if job is None:
                faults.end()
            wait_until(lambda: server.get(f"/jobs/{job}").body.get("status") in ("succeeded", "failed"), 3) if job else None
            hits = faults.end()
            if not server.alive():
                bench.tally.fault("unexpected", f"{where}: the server ended: {server.tail()}")
                server.started()
            if hits:
                bench.tally.points += 1
                fired[f"{role} {call}"] = fired.get(f"{role} {call}", 0) + 1
            job = job or post(server, bench)
            if job is None:
                bench.tally.fault("stuck", f"{where}: no job is taken after the fault")
                server.kill()
                server.started()
                continue
            if job_is_well(bench.tally, bench, server, job, expected, where):
                bench.tally.recovered += bool(hits)
                jobs.append(job)
            else:
                # What one fault left behind is not to be counted again.
                server.kill()
                server.started()
            bench.tally.replies(server, where)
        server.stop()
    with Server(bench.binary, data).started() as last:
        last.stop()
    audit(bench.tally, data, f"seed {bench.seed}", jobs)
    bench.details |= {"fired": fired, "tried": tried}


def post(server: Server, bench: Bench):
    """A job's id, or none where it is refused."""
    try:
        reply = server.post_job(few(ROWS), SHORT, uuid.uuid4().hex, timeout=40)
    except OSError as error:
        bench.tally.fault("unexpected", f"POST /jobs: {error}")
        return None
    return reply.body["id"] if reply.status in (200, 202) else None


def wait_until(is_so, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if is_so():
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False
