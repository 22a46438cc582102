"""Processes that stand still, clocks that jump, and a stop while 64 clients keep their connections."""

import http.client
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

from .bench import CONFIG, EVERY_STEP, ROWS, Bench
from .checker import job_is_well
from .server import Server, few

KINDS = ("trainer", "server", "cancel", "sigterm", "sigterm", "clock")
JUMPS = ("+10m", "-10m", "+400d", "-400d")
CLIENTS = 64
FAKETIME = ["/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1", "/usr/local/lib/faketime/libfaketime.so.1"]


def stopped(bench: Bench) -> None:
    """`count` rounds over all kinds."""
    expected = bench.unbroken()
    seen = {}
    for number in range(bench.count):
        kind = KINDS[number % len(KINDS)]
        where = f"seed {bench.seed}, {number}: {kind}"
        seen.setdefault(kind, []).append(globals()[kind](bench, number, expected, where))
        bench.tally.points += 1
    bench.details |= seen


def running(server: Server, **fields) -> str:
    job = server.post_job(few(ROWS), CONFIG, **fields).body["id"]
    server.wait_for(f"/jobs/{job}", lambda body: (body.get("progress") or {}).get("step", 0) > 3 or body.get("status") == "succeeded")
    return job


def trainer(bench: Bench, number: int, expected: dict, where: str):
    """A trainer stands still for a while, in every other round the server dies meanwhile."""
    server = bench.server(f"stopped-{number}").started()
    with server:
        job = running(server)
        for pid in server.trainers():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(bench.random.uniform(3, 10))
            if number // len(KINDS) % 2:
                old = server.process
                os.killpg(old.pid, signal.SIGKILL)
                old.wait()
                server.started()
                time.sleep(2)
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        bench.tally.recovered += job_is_well(bench.tally, bench, server, job, expected, where)
        bench.tally.replies(server, where)


def server(bench: Bench, number: int, expected: dict, where: str):
    """The server stands still: nothing is lost, and everybody is answered afterwards."""
    with bench.server(f"stopped-{number}").started() as running_server:
        job = running(running_server)
        os.kill(running_server.pid, signal.SIGSTOP)
        answered = []
        asking = [threading.Thread(target=lambda: answered.append(running_server.vector("tiny")[0])) for _ in range(4)]
        [thread.start() for thread in asking]
        time.sleep(8)
        os.kill(running_server.pid, signal.SIGCONT)
        [thread.join() for thread in asking]
        bench.tally.check(answered == [200] * 4, "unexpected", f"{where}: {answered}")
        bench.tally.recovered += job_is_well(bench.tally, bench, running_server, job, expected, where)
        bench.tally.replies(running_server, where)


def cancel(bench: Bench, number: int, _expected: dict, where: str):
    """A job whose trainer stands still can be cancelled."""
    with bench.server(f"stopped-{number}").started() as server:
        job = running(server)
        pids = server.trainers()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        server.post(f"/jobs/{job}/cancel", {})
        status = server.finished(job, 60).get("status")
        bench.tally.check(status in ("cancelled", "succeeded"), "stuck", f"{where}: {status} after 60 s")
        bench.tally.replies(server, where)
        return round(time.monotonic() - begun, 1)


def sigterm(bench: Bench, number: int, expected: dict, where: str):
    """A stop with clients that keep their connections: no request fails, and a job goes on at the next start."""
    server = bench.server(f"stopped-{number}", env={"SHAMISEN_STOP_WAIT": "1"}).started()
    with server:
        job = running(server)
        clients = [Kept(server.port) for _ in range(CLIENTS)]
        time.sleep(1.0)
        begun = time.monotonic()
        status = server.stop()
        seconds = round(time.monotonic() - begun, 1)
        [client.join() for client in clients]
        failed = [fault for client in clients for fault in client.faults]
        if failed:
            bench.tally.fault("unexpected", f"{where}: {len(failed)} requests failed, as {failed[0]}", len(failed))
        bench.tally.check(status == 0 and seconds < 30, "unexpected", f"{where}: it ended with {status} after {seconds} s")
        server.started()
        bench.tally.recovered += job_is_well(bench.tally, bench, server, job, expected, where)
        return {"answered": sum(client.good for client in clients), "failed": len(failed), "seconds": seconds}


class Kept(threading.Thread):
    """A client with one connection: it opens another when it is told that this one closes, and ends when none is taken."""

    def __init__(self, port: int):
        super().__init__(daemon=True)
        self.port, self.good, self.faults = port, 0, []
        self.start()

    def run(self) -> None:
        body, connection = json.dumps({"texts": ["a nurse"], "model": "tiny"}), None
        while True:
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                    connection.connect()
            except OSError:
                return  # refused: the server is gone, and nothing was asked
            try:
                connection.request("POST", "/embed", body, {"content-type": "application/json"})
                reply = connection.getresponse()
                reply.read()
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(f"{type(error).__name__} after {self.good} answers")
                return
            if reply.status == 200:
                self.good += 1
            elif reply.status != 503:
                self.faults.append(f"status {reply.status}")
            if reply.status == 503 or (reply.getheader("connection") or "").lower() == "close":
                connection.close()
                connection = None
                time.sleep(0.02)


def clock(bench: Bench, number: int, expected: dict, where: str):
    """The wall clock of server and trainer jumps amid a job, and back."""
    library = next((path for pattern in FAKETIME for path in Path("/").glob(pattern[1:])), None)
    if library is None:
        return "skipped: libfaketime is not installed"
    jump = JUMPS[number // len(KINDS) % len(JUMPS)]
    said = bench.folder / f"clock-{number}"
    said.write_text("+0")
    env = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(said), "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
    with bench.server(f"stopped-{number}", env=env).started() as server:
        first = running(server)
        said.write_text(jump)
        second = server.post_job(few(ROWS), CONFIG).body["id"]
        third = server.post_job(few(ROWS), CONFIG).body["id"]
        time.sleep(1)
        said.write_text("+0")
        for job in (first, second, third):
            bench.tally.recovered += job_is_well(bench.tally, bench, server, job, expected, f"{where} {jump}")
        bench.tally.replies(server, where)
    return jump


