"""SIGKILL at random moments: of the server, also while it starts, and of trainers."""

import signal
import threading
import time
import uuid

from .bench import CONFIG, EVERY_STEP, ROWS, Bench
from .checker import audit, job_is_well
from .server import Server, end_process, few

# Trainers that may be killed under one job before it is given up; one less leaves it to succeed.
KILLS_A_JOB = 2


class Poster(threading.Thread):
    """A client that posts jobs as long as a server answers, and posts those that were cut off again with their key."""

    def __init__(self, server: Server, most: int):
        super().__init__(daemon=True)
        self.server, self.most = server, most
        self.acknowledged: dict = {}
        self.cut_off: list = []
        self.posted = 0
        self.ended = threading.Event()
        # Above one, jobs only wait.
        self.waiting = threading.Semaphore(3)

    def run(self) -> None:
        while not self.ended.is_set() and self.posted < self.most:
            if not self.server.listening.wait(0.2):
                continue
            key = self.cut_off.pop() if self.cut_off else None
            if key is None:
                if not self.waiting.acquire(timeout=0.2):
                    continue
                key = uuid.uuid4().hex
                self.posted += 1
            try:
                reply = self.server.post_job(few(ROWS), CONFIG, key, timeout=20)
            except OSError:
                self.cut_off.append(key)
                time.sleep(0.05)
                continue
            if reply.status in (200, 202):
                self.acknowledged[key] = reply.body["id"]
            else:
                self.cut_off.append(key)
                time.sleep(0.1)

    def settle(self) -> None:
        """The server stays now: what was cut off is posted once more, and all are known."""
        self.ended.set()
        self.join()
        for key in self.cut_off:
            reply = self.server.post_job(few(ROWS), CONFIG, key)
            self.acknowledged[key] = reply.body.get("id", f"refused: {reply.status}")


def kills_server(bench: Bench) -> None:
    """`count` kills; every sixth while the server starts."""
    expected = bench.unbroken()
    server = bench.server("kills")
    poster = Poster(server, most=10 + bench.count)
    poster.start()
    in_start = 0
    for kill in range(bench.count):
        server.start()
        if kill % 6 == 5:
            time.sleep(bench.random.uniform(0.0, 0.4))
            in_start += not server.ready.is_set()
        else:
            if not server.up():
                bench.tally.fault("unexpected", f"kill {kill}: the server does not start: {server.tail()}")
                break
            time.sleep(bench.random.uniform(0.0, 2.5))
        server.kill()
        server.listening.clear()
        bench.tally.points += 1
        # A job that is over makes room for another one: some 2 s of work a job.
        if kill % 3 == 0:
            poster.waiting.release()
    if not server.start().up():
        return bench.tally.fault("unexpected", f"the server does not start in the end: {server.tail()}")
    poster.settle()
    settle(bench, server, expected, poster.acknowledged)
    again = {key: server.post_job(few(ROWS), CONFIG, key).body.get("id") for key in poster.acknowledged}
    for key, job in again.items():
        bench.tally.check(job == poster.acknowledged[key], "duplicated", f"the key of {poster.acknowledged[key]} gives {job}")
    finish(bench, server, poster.acknowledged.values())
    bench.details |= {"in_start": in_start, "jobs": len(poster.acknowledged)}


def settle(bench: Bench, server: Server, expected: dict, acknowledged: dict) -> None:
    """Waits for all jobs that were acknowledged and counts what became of them."""
    for job in acknowledged.values():
        if job_is_well(bench.tally, bench, server, job, expected, f"seed {bench.seed}"):
            bench.tally.recovered += server.get(f"/jobs/{job}").body.get("attempt", 1) > 1
    listed = {job["id"] for job in server.get("/jobs?limit=1000").body["jobs"]}
    for job in listed - set(acknowledged.values()):
        bench.tally.fault("unexpected", f"{job} was never acknowledged, and posting it again gave another one")


def finish(bench: Bench, server: Server, succeeded) -> None:
    """Stops the server, starts and stops it once more, and looks at the folder."""
    bench.tally.replies(server, f"seed {bench.seed}")
    server.stop()
    with Server(bench.binary, server.data, *EVERY_STEP).started() as last:
        last.stop()
    audit(bench.tally, server.data, f"seed {bench.seed}", succeeded)


def kills_trainer(bench: Bench) -> None:
    """`count` kills of trainers at random steps, while the server embeds."""
    expected = bench.unbroken()
    acknowledged, embedded = {}, [0, 0]
    ended = threading.Event()
    with bench.server("kills").started() as server:
        def embed() -> None:
            while not ended.is_set():
                try:
                    embedded[server.vector("tiny")[0] != 200] += 1
                except OSError:
                    embedded[1] += 1
                time.sleep(0.02)
        embedding = threading.Thread(target=embed, daemon=True)
        embedding.start()
        while bench.tally.points < bench.count:
            job = server.post_job(few(ROWS), CONFIG, uuid.uuid4().hex).body["id"]
            acknowledged[job] = job
            for _ in range(min(KILLS_A_JOB, bench.count - bench.tally.points)):
                bench.tally.points += kill_once(bench, server, job)
            job_is_well(bench.tally, bench, server, job, expected, f"seed {bench.seed}")
        ended.set()
        embedding.join()
        settle(bench, server, expected, acknowledged)
        if embedded[1]:
            bench.tally.fault("unexpected", f"{embedded[1]} of {sum(embedded)} requests to /embed failed meanwhile")
        finish(bench, server, acknowledged)
    bench.details |= {"jobs": len(acknowledged), "embedded": embedded[0]}


def kill_once(bench: Bench, server: Server, job: str) -> bool:
    """Kills the job's trainer after a while; whether there was one to kill."""
    delay, begun = bench.random.uniform(0.0, 1.5), time.monotonic()
    known = set()
    while time.monotonic() - begun < 30:
        trainers = [pid for pid in server.trainers() if pid not in known]
        if trainers:
            time.sleep(delay)
            if trainers[0] in server.trainers():
                end_process(trainers[0], signal.SIGKILL)
                return True
            return False
        if server.get(f"/jobs/{job}").body.get("status") in ("succeeded", "failed"):
            return False
        time.sleep(0.02)
    return False
