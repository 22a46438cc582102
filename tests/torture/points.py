"""SIGKILL at exact system calls, by strace: the N-th that writes, in the trainer or in any thread of the server."""

import shutil
import subprocess
import time
import uuid
from pathlib import Path

from .bench import EVERY_STEP, ROWS, Bench
from .checker import audit, job_is_well
from .server import Server, few

CALLS = ("openat", "mkdir", "write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "unlinkat", "rmdir")
SHORT = {"epochs": 4, "early_stopping": None, "learning_rate": 1e-3}

# Stands where the program was: the server starts its trainers with it. A plan is used once.
WRAPPER = """#!/bin/sh
if mv '{folder}/plan' '{folder}/plan.used' 2>/dev/null; then
    exec strace -D -f -qq -o '{folder}/trace.'$$ $(cat '{folder}/plan.used') '{real}' "$@"
fi
exec '{real}' "$@"
"""


def missing() -> str:
    """Why strace cannot be used here; nothing where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"strace may not trace: {tried.stderr.strip()}"


class Wrapped:
    """A server whose trainers run under what a plan says."""

    def __init__(self, bench: Bench, name: str, *arguments: str, **more):
        self.folder = bench.folder / name
        self.data = bench.data(name)
        program = self.folder / "shamisen"
        shutil.copy2(bench.binary, program)
        self.server = Server(program, self.data, *(arguments or EVERY_STEP), **more)
        self.server.started()
        # The server knows the program by its path, which from now on is the wrapper's.
        wrapper = self.folder / "wrapper"
        wrapper.write_text(WRAPPER.format(folder=self.folder, real=bench.binary))
        wrapper.chmod(0o755)
        wrapper.rename(program)

    def plan(self, words: str) -> None:
        draft = self.folder / "plan.draft"
        draft.write_text(words)
        draft.rename(self.folder / "plan")

    def traces(self) -> list:
        return sorted(self.folder.glob("trace.*"), key=lambda path: path.stat().st_mtime)


def trainer_points(bench: Bench) -> list:
    """Every call of the trainer's that touches the data folder, as (call, number), in the order in which it makes them."""
    wrapped = Wrapped(bench, "counting")
    with wrapped.server as server:
        wrapped.plan(f"-y -e trace={','.join(CALLS)} -e signal=none")
        job = server.post_job(few(ROWS), SHORT).body["id"]
        if server.finished(job).get("status") != "succeeded":
            raise RuntimeError(f"a traced job did not succeed: {server.finished(job)}")
        server.stop()
    counts, points = {}, []
    for line in wrapped.traces()[-1].read_text(errors="replace").splitlines():
        thread, _, said = line.partition(" ")
        call = said.strip().split("(")[0]
        if call in CALLS and "resumed" not in said.split("(")[0]:
            counts[thread, call] = counts.get((thread, call), 0) + 1
            # The calls that tell the server what happens count as well: a line may be cut there.
            if str(wrapped.data) in said or call == "write" and "pipe:" in said:
                points.append((call, counts[thread, call]))
    return sorted(set(points))


def points(bench: Bench) -> None:
    """`count` points, half of them in the trainer."""
    reason = missing()
    if reason:
        bench.details["skipped"] = reason
        return
    expected = bench.unbroken(ROWS, SHORT)
    known = trainer_points(bench)
    bench.details["trainer_points_known"] = len(known)
    in_trainer = bench.count // 2
    of_trainer(bench, expected, [bench.random.choice(known) for _ in range(in_trainer)] if in_trainer > len(known)
               else bench.random.sample(known, in_trainer))
    of_server(bench, expected, bench.count - in_trainer)


def of_trainer(bench: Bench, expected: dict, chosen: list) -> None:
    wrapped = Wrapped(bench, "trainer")
    fired, acknowledged = {}, []
    with wrapped.server as server:
        for place, (call, number) in enumerate(chosen):
            wrapped.plan(f"-e trace={call} -e inject={call}:signal=SIGKILL:when={number}")
            where = f"seed {bench.seed}, trainer, {call} {number}"
            posted = server.post_job(few(ROWS), SHORT, uuid.uuid4().hex)
            acknowledged.append(posted.body.get("id"))
            if job_is_well(bench.tally, bench, server, posted.body.get("id"), expected, where):
                hit = server.get(f"/jobs/{acknowledged[-1]}").body.get("attempt", 1) > 1
                bench.tally.points += hit
                bench.tally.recovered += hit
                fired[call] = fired.get(call, 0) + hit
        bench.tally.replies(server, f"seed {bench.seed}, trainer")
        server.stop()
    with Server(bench.binary, wrapped.data).started() as server:
        server.stop()
    audit(bench.tally, wrapped.data, f"seed {bench.seed}, trainer", acknowledged)
    bench.details["trainer_fired"] = fired


def of_server(bench: Bench, expected: dict, count: int) -> None:
    """The server is traced from its start, or from when it is ready on."""
    data = bench.data("server")
    fired, keys, done, missed = {}, {}, [], 0
    while sum(fired.values()) < count and missed < 2 * count + 20:
        call = bench.random.choice([call for call in CALLS for _ in range(3 if call in ("pwrite64", "fdatasync") else 1)])
        number = bench.random.randint(1, 60 if call in ("pwrite64", "openat", "write") else 12)
        where = f"seed {bench.seed}, server, {call} {number}"
        # Let go of what becomes another program: a trainer must not be killed in the server's place.
        inject = ["-f", "-b", "execve", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
        from_start = bench.random.random() < 0.25
        server = Server(bench.binary, data, *EVERY_STEP, command=["strace", "-D", *inject] if from_start else ())
        server.start()
        tracer = None
        if server.up() and not from_start:
            tracer = subprocess.Popen(["strace", *inject, "-p", str(server.pid)], stderr=subprocess.DEVNULL)
            time.sleep(0.2)
        key = uuid.uuid4().hex
        keys[key] = None
        wait_for_death(server, key, keys)
        hit = not server.alive()
        server.kill()
        if tracer is not None:
            tracer.kill()
            tracer.wait()
        if hit:
            bench.tally.points += 1
            fired[call] = fired.get(call, 0) + 1
        missed += not hit
        if (sum(fired.values()) % 10 == 0 and hit) or not hit:
            settle(bench, data, keys, done, expected, where)
    settle(bench, data, keys, done, expected, f"seed {bench.seed}, server, the end")
    with Server(bench.binary, data).started() as server:
        server.stop()
    audit(bench.tally, data, f"seed {bench.seed}, server", done)
    bench.details |= {"server_fired": fired, "server_not_reached": missed, "server_jobs": len(done)}


def wait_for_death(server: Server, key: str, keys: dict) -> None:
    """Works with the server until it is dead or there is nothing more to do."""
    try:
        reply = server.post_job(few(ROWS), SHORT, key, timeout=20)
        if reply.status not in (200, 202):
            return
        keys[key] = reply.body["id"]
        end = time.monotonic() + 20
        while server.alive() and time.monotonic() < end:
            if server.get(f"/jobs/{keys[key]}", timeout=10).body.get("status") == "succeeded":
                return
            time.sleep(0.1)
    except OSError:
        # It may be a moment before the tracer has ended, too.
        end = time.monotonic() + 5
        while server.alive() and time.monotonic() < end:
            time.sleep(0.02)


def settle(bench: Bench, data: Path, keys: dict, done: list, expected: dict, where: str) -> None:
    """Undisturbed, the server finishes every job; one whose answer was cut off is posted again with its key."""
    with Server(bench.binary, data, *EVERY_STEP) as server:
        if not server.start().up():
            return bench.tally.fault("unexpected", f"{where}: the server does not start: {server.tail()}")
        for key, job in keys.items():
            again = server.post_job(few(ROWS), SHORT, key).body.get("id")
            bench.tally.check(job in (None, again), "duplicated" if again else "lost", f"{where}: {key} was {job} and is {again}")
            keys[key] = job or again
        for job in keys.values():
            if job_is_well(bench.tally, bench, server, job, expected, where):
                bench.tally.recovered += server.get(f"/jobs/{job}").body.get("attempt", 1) > 1
        bench.tally.replies(server, where)
        server.stop()
    done += keys.values()
    keys.clear()
