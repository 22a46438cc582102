"""The database is locked by another process, damaged, lost or replaced, or a row is changed by hand."""

import shutil
import sqlite3
import threading
import time

from .bench import CONFIG, EVERY_STEP, ROWS, Bench
from .checker import job_is_well
from .io_errors import wait_until
from .server import Server, few

LOCKED = (3, 20, 40)
KINDS = ("locked", "flipped", "flipped", "flipped", "vanished", "replaced", "running_by_hand", "unreadable_row")


def database(bench: Bench) -> None:
    """`count` rounds over all kinds."""
    expected = bench.unbroken()
    seen = {}
    for number in range(bench.count):
        kind = KINDS[number % len(KINDS)]
        where = f"seed {bench.seed}, {number}: {kind}"
        seen.setdefault(kind, []).append(globals()[kind](bench, number, expected, where))
        bench.tally.points += 1
    bench.details |= seen


def locked(bench: Bench, number: int, expected: dict, where: str):
    seconds = LOCKED[number // len(KINDS) % len(LOCKED)]
    with bench.server(f"locked-{number}").started() as server:
        job = server.post_job(few(ROWS), CONFIG).body["id"]
        server.wait_for(f"/jobs/{job}", lambda body: body.get("status") == "running")
        other = sqlite3.connect(server.data / "shamisen.db", isolation_level=None, timeout=30, check_same_thread=False)
        other.execute("begin immediate")
        # It is let go in time, also while a request waits.
        letting_go = threading.Timer(seconds, other.rollback)
        letting_go.start()
        end, statuses = time.monotonic() + seconds, set()
        while time.monotonic() < end:
            statuses.add(server.post_job(few(30), CONFIG, "while-locked").status)
            if server.vector("tiny")[0] != 200:
                bench.tally.fault("unexpected", f"{where}: /embed failed while the database was locked")
            time.sleep(0.5)
        letting_go.join()
        other.close()
        if job_is_well(bench.tally, bench, server, job, expected, f"{where} for {seconds} s"):
            bench.tally.recovered += 1
        again = server.post_job(few(30), CONFIG, "while-locked")
        if bench.tally.check(again.status in (200, 202), "stuck", f"{where}: no job is taken afterwards: {again.status}"):
            job_is_well(bench.tally, bench, server, again.body["id"], None, where)
        bench.tally.replies(server, f"{where} for {seconds} s")
        return {"seconds": seconds, "statuses": sorted(statuses)}


def with_a_job(bench: Bench, name: str) -> tuple:
    """A data folder whose server was stopped, and its job."""
    server = bench.server(name).started()
    with server:
        job = server.post_job(few(20), {"epochs": 1, "early_stopping": None}).body["id"]
        server.finished(job)
        server.stop()
    return server.data, job


def flipped(bench: Bench, number: int, _expected: dict, where: str):
    """Bytes of the file are changed: the server says so and does not start, or answers all that can be read and tells what cannot."""
    data, job = with_a_job(bench, f"flipped-{number}")
    path = data / "shamisen.db"
    content = bytearray(path.read_bytes())
    for _ in range(bench.random.choice([1, 4, 64])):
        # Half of them where every page has its own description.
        place = bench.random.randrange(len(content) // 4096) * 4096 + bench.random.choice([bench.random.randrange(16), bench.random.randrange(4096)])
        content[place] ^= 1 << bench.random.randrange(8)
    path.write_bytes(content)
    with Server(bench.binary, data, *EVERY_STEP) as server:
        if not server.start().up(30):
            words = server.tail(800).lower()
            bench.tally.check("panicked" not in words and ("database" in words or "damaged" in words or "models" in words),
                              "unexpected", f"{where}: it does not start and does not say why: {words}")
            return "refused at the start"
        for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/events", "/datasets", "/models", "/v1/models", "/v1/files", "/v1/fine_tuning/jobs", "/aliases", "/keys"):
            server.get(path)
        server.vector("tiny")
        bench.tally.check(server.alive(), "unexpected", f"{where}: the server ended: {server.tail()}")
        # A damage that is told by its own code is what is promised; lists give all that can be read.
        told = [said for said in server.server_errors if "'row_not_readable'" in said and f"/jobs/{job}" in said or "'database_damaged'" in said]
        server.server_errors = [said for said in server.server_errors if said not in told]
        bench.tally.replies(server, where)
        return "served, damage told" if told else "served"


def vanished(bench: Bench, number: int, _expected: dict, where: str):
    """The file is removed under a running server: nothing is acknowledged that the next start does not know."""
    return away(bench, number, where, replace=False)


def replaced(bench: Bench, number: int, _expected: dict, where: str):
    """Another file takes its place."""
    return away(bench, number, where, replace=True)


def away(bench: Bench, number: int, where: str, replace: bool):
    server = bench.server(f"away-{number}").started()
    with server:
        database = server.data / "shamisen.db"
        draft = server.data / "other.db"
        shutil.copy2(bench.base() / "shamisen.db", draft)
        for suffix in ("-wal", "-shm", ""):
            (server.data / f"shamisen.db{suffix}").unlink(missing_ok=True)
        if replace:
            draft.rename(database)
        else:
            draft.unlink()
        # It may need a moment to see it.
        wait_until(lambda: server.get("/health/ready").status != 200 or not server.alive(), 12)
        acknowledged = []
        for place in range(3):
            try:
                reply = server.post_job(few(20 + place), {"epochs": 1}, timeout=40)
                if reply.status == 202:
                    acknowledged.append(reply.body["id"])
            except OSError:
                pass
        status = server.get("/health/ready").status if server.alive() else "ended"
        bench.tally.replies(server, where)
        server.kill()
        if not server.start().up(30):
            return {"ready": status, "acknowledged": len(acknowledged), "next start": server.tail(200)}
        for job in acknowledged:
            bench.tally.check(server.get(f"/jobs/{job}").status == 200, "lost", f"{where}: {job} was acknowledged into a file that is gone")
        bench.tally.check(server.vector("tiny")[0] == 200, "unexpected", f"{where}: the model is not served after the next start")
        return {"ready": status, "acknowledged": len(acknowledged)}


def running_by_hand(bench: Bench, number: int, _expected: dict, where: str):
    """A row says that a job runs, and nobody works on it."""
    with bench.server(f"by-hand-{number}").started() as server:
        long = server.post_job(few(ROWS), {"epochs": 200, "early_stopping": None}).body["id"]
        server.wait_for(f"/jobs/{long}", lambda body: body.get("status") == "running")
        job = server.post_job(few(20), {"epochs": 1, "early_stopping": None}).body["id"]
        other = sqlite3.connect(server.data / "shamisen.db", timeout=30)
        other.execute("update job set status = 'running' where job_id = ?", (job,))
        other.commit()
        other.close()
        server.post(f"/jobs/{long}/cancel", {})
        if job_is_well(bench.tally, bench, server, job, None, where, 60):
            bench.tally.recovered += 1
        bench.tally.replies(server, where)


def unreadable_row(bench: Bench, number: int, _expected: dict, where: str):
    """One row that cannot be read hides no other."""
    data, _ = with_a_job(bench, f"row-{number}")
    column = bench.random.choice(["config", "titles", "report", "progress", "error"])
    other = sqlite3.connect(data / "shamisen.db")
    other.execute(f"update job set {column} = '{{\"torn\": '")
    other.commit()
    other.close()
    with Server(bench.binary, data, *EVERY_STEP) as server:
        if bench.tally.check(server.start().up(30), "unexpected", f"{where} ({column}): the server does not start: {server.tail(500)}"):
            jobs = [server.post_job(few(20), {"epochs": 1, "early_stopping": None}).body.get("id")]
            for path in ("/jobs", "/v1/fine_tuning/jobs"):
                listed = server.get(path).raw.decode()
                bench.tally.check(jobs[0] is not None and jobs[0] in listed, "unexpected", f"{where} ({column}): {path} hides a job: {listed[:200]}")
            bench.tally.replies(server, f"{where} ({column})")
    return column
