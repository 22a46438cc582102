"""Too little memory for the trainer, by prlimit; and a job that cannot fit."""

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from .bench import EVERY_STEP, ROWS, Bench
from .full_disk import Embedding
from .points import SHORT
from .server import Server, few

# Where the trainer has the room, it says so and works; where not, its job ends with a word that names memory.
MEBIBYTES = (500, 700, 400, 460, 540, 600, 800, 1200)
WRAPPER = """#!/bin/sh
exec prlimit --as={bytes} '{real}' "$@"
"""
NAMES_MEMORY = ("memory", "メモリ")


def memory(bench: Bench) -> None:
    """`count` limits; after each a job without one succeeds."""
    expected = bench.unbroken(ROWS, SHORT)
    outcomes = {}
    for number in range(bench.count):
        size = MEBIBYTES[number % len(MEBIBYTES)]
        where = f"seed {bench.seed}, --as {size} MiB"
        outcomes[size] = limited(bench, number, size, expected, where)
        bench.tally.points += 1
    bench.details["outcomes"] = outcomes
    bench.details["too_large"] = too_large(bench)


def limited(bench: Bench, number: int, size: int, expected: dict, where: str) -> str:
    from .bench import bits
    folder = bench.folder / f"memory-{number}"
    data = bench.data(f"memory-{number}")
    program, wrapper = folder / "shamisen", folder / "wrapper"
    subprocess.run(["cp", bench.binary, program], check=True)
    with Server(program, data, *EVERY_STEP).started() as server:
        wrapper.write_text(WRAPPER.format(bytes=size << 20, real=bench.binary))
        wrapper.chmod(0o755)
        wrapper.rename(program)
        embedding = Embedding(server)
        job = server.finished(server.post_job(few(ROWS), SHORT).body["id"], 120)
        code = (job.get("error") or {}).get("code")
        if job.get("status") == "succeeded":
            # Half as many pairs at a time are added up in another order, and the job says so.
            smaller = told_smaller(data, job["id"])
            bench.tally.check(smaller or bits(data, job["model"]) == expected, "unexpected", f"{where}: other weights")
        elif job.get("status") == "failed":
            words = json.dumps(job["error"])
            bench.tally.check(any(word in words for word in NAMES_MEMORY), "unexpected", f"{where}: the error does not name memory: {words}")
        else:
            bench.tally.fault("stuck", f"{where}: the job is {job.get('status')} after 120 s")
        bench.tally.check(embedding.end() == 0, "unexpected", f"{where}: {embedding.bad} requests to /embed failed meanwhile")
        # Room again: the next job has its turn.
        free = folder / "free"
        subprocess.run(["cp", bench.binary, free], check=True)
        os.rename(free, program)
        after = server.finished(server.post_job(few(20), {"epochs": 1, "early_stopping": None}).body["id"], 60)
        bench.tally.check(after.get("status") == "succeeded", "stuck", f"{where}: the next job is {after.get('status')}")
        bench.tally.recovered += after.get("status") == "succeeded"
        bench.tally.replies(server, where)
        server.stop()
    return code or job.get("status")


def told_smaller(data: Path, job: str) -> bool:
    with closing(sqlite3.connect(data / "shamisen.db")) as database:
        told = "select count(*) from job_event where job_id = ? and data like '%pairs are computed at a time%'"
        return database.execute(told, (job,)).fetchone()[0] > 0


def too_large(bench: Bench) -> dict:
    """A batch of all rows at once, beside a limit of the whole process tree: the server lives."""
    with bench.server("too-large").started() as server:
        plan = server.request("POST", "/jobs?dry_run=true", json.dumps(
            {"pairs": [{"base": f"text {place}", "ref": "x " * 200, "score": place % 2} for place in range(3000)],
             "config": {"batch_size": 3000}}).encode(), {"content-type": "application/json"}, timeout=300)
        bench.tally.check(plan.status in (200, 400, 413, 422), "unexpected", f"a dry run of a large batch: {plan.status} {plan.raw[:300]}")
        bench.tally.check(server.vector("tiny")[0] == 200, "unexpected", "the server does not embed after a large plan")
        bench.tally.replies(server, "a large plan")
        return {"status": plan.status, "words": plan.raw[:200].decode(errors="replace")}
