"""Mixed work of many connections for a long time: memory, files and threads stay flat, and nobody gets a 5xx."""

import collections
import http.client
import json
import os
import threading
import time
import uuid

from .bench import Bench
from .server import Server, few

# Of a hundred requests of a connection.
WORK = {"embed": 60, "similarity": 15, "lists": 15, "upload": 7, "job": 1, "wrong": 2}
# What may grow from the middle of the run to its end.
MOST_GROWTH = 0.10


def load(bench: Bench) -> None:
    """`count` connections for `minutes`."""
    with bench.server("load", "--max-connections-of-address", str(bench.count + 50)).started() as server:
        end = time.monotonic() + 60 * bench.minutes
        clients = [Connection(server, end, bench.random.random()) for _ in range(bench.count)]
        samples = []
        every = max(1.0, 60 * bench.minutes / 240)
        while time.monotonic() < end:
            time.sleep(every)
            samples.append(sample(server.pid))
        [client.join(60) for client in clients]
        time.sleep(1)
        rest = sample(server.pid)
        bench.details |= judge(bench, clients, samples, rest)
        bench.tally.check(server.alive(), "unexpected", f"the server ended: {server.tail()}")
        status = server.stop()
        bench.tally.check(status == 0, "unexpected", f"the server ended with {status}")


def sample(pid: int) -> dict:
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if ":" in line)
    return {"rss_mib": int(status["VmRSS"].split()[0]) >> 10, "threads": int(status["Threads"]), "files": len(os.listdir(f"/proc/{pid}/fd"))}


def judge(bench: Bench, clients: list, samples: list, rest: dict) -> dict:
    codes, times, faults, jobs = collections.Counter(), [], collections.Counter(), 0
    for client in clients:
        codes.update(client.codes)
        faults.update(client.faults)
        times += client.times
        jobs += client.jobs
    times.sort()
    bench.tally.points += sum(codes.values())
    for status, times_seen in codes.items():
        if status >= 500:
            # Under more work than there is room for, 503 with Retry-After is the right answer; 500 never is.
            kind = "server_errors" if status not in (503, 507) else None
            if kind:
                bench.tally.fault(kind, f"{times_seen} replies with {status}", times_seen)
    for fault, times_seen in faults.items():
        bench.tally.fault("unexpected", f"{times_seen} connections: {fault}", times_seen)
    half, tenth = samples[len(samples) // 2:], max(1, len(samples) // 10)
    flat = {}
    for name in ("rss_mib", "threads", "files"):
        begin = sum(row[name] for row in half[:tenth]) / len(half[:tenth])
        last = sum(row[name] for row in half[-tenth:]) / len(half[-tenth:])
        flat[name] = {"middle": round(begin), "end": round(last), "at_rest": rest[name]}
        bench.tally.check(last <= begin * (1 + MOST_GROWTH) + 4, "unexpected", f"{name} grew from {begin:.0f} to {last:.0f} in the second half")
    return {"codes": dict(codes), "jobs": jobs, "p50_ms": times[len(times) // 2] if times else None,
            "p99_ms": times[int(len(times) * 0.99)] if times else None, **flat}


class Connection(threading.Thread):
    """One kept-alive connection and its work."""

    def __init__(self, server: Server, end: float, seed: float):
        super().__init__(daemon=True)
        import random
        self.port, self.end, self.random = server.port, end, random.Random(seed)
        self.codes, self.faults, self.times, self.jobs = collections.Counter(), collections.Counter(), [], 0
        self.start()

    def run(self) -> None:
        connection, used = None, 0
        kinds, weights = list(WORK), list(WORK.values())
        while time.monotonic() < self.end:
            kind = self.random.choices(kinds, weights)[0]
            method, path, body, content = self.ask(kind)
            begun = time.monotonic()
            try:
                if connection is None:
                    connection, used = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120), 0
                once = {"idempotency-key": uuid.uuid4().hex} if kind in ("job", "upload") else {}
                connection.request(method, path, body, {"content-type": content, **once})
                reply = connection.getresponse()
                reply.read()
                used += 1
                self.codes[reply.status] += 1
                self.jobs += kind == "job" and reply.status == 202
                if kind == "embed":
                    self.times.append(round(1000 * (time.monotonic() - begun)))
                if reply.status == 503:
                    time.sleep(min(5, float(reply.getheader("retry-after") or 1)))
                if (reply.getheader("connection") or "").lower() == "close":
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.faults[f"{type(error).__name__} at {kind}"] += 1
                connection.close()
                connection = None
                time.sleep(0.2)
            time.sleep(self.random.uniform(0, 0.1))

    def ask(self, kind: str) -> tuple:
        text = f"occupation {self.random.randrange(10_000)}"
        if kind == "embed":
            return "POST", "/embed", json.dumps({"texts": [text] * self.random.randint(1, 8), "model": "tiny"}), "application/json"
        if kind == "similarity":
            return "POST", "/similarity", json.dumps({"source_sentence": text, "sentences": ["nurse", "clerk"]}), "application/json"
        if kind == "lists":
            return "GET", self.random.choice(["/jobs?limit=50", "/models", "/datasets", "/aliases", "/health/ready", "/v1/models"]), None, "application/json"
        if kind == "upload":
            rows = "".join(f"{text} {place},b {place},{place % 2}\n" for place in range(self.random.randint(10, 300)))
            return "POST", "/datasets", f"base,ref,similarity\n{rows}", "text/csv"
        if kind == "job":
            rows = few(20).decode().splitlines()
            pairs = [dict(zip(("base", "ref", "score"), (f"{text} {place}", "nurse", place % 2))) for place in range(len(rows))]
            config = {"epochs": 1, "early_stopping": None}
            return "POST", "/jobs", json.dumps({"pairs": pairs, "recipe": "tutorial", "config": config}), "application/json"
        return self.random.choice([("POST", "/embed", "{", "application/json"), ("GET", "/jobs/job_none", None, "text/plain"), ("POST", "/datasets", "a\nb\n", "text/csv")])
