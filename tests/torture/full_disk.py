"""A disk that fills for real (tmpfs): at an upload, at a checkpoint, in the database, at the end of a job, at a restart."""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

from .bench import EVERY_STEP, ROWS, Bench
from .checker import audit, job_is_well
from .server import Server, few

PLACES = ("upload", "checkpoint", "database", "end", "restart")
LONG = {"epochs": 30, "early_stopping": None, "learning_rate": 1e-3}
# From when there is room until the job has ended.
PATIENCE = 90


class SmallDisk:
    """A tmpfs with a data folder."""

    def __init__(self, bench: Bench, name: str, mebibytes: int = 64):
        self.folder = bench.folder / name
        self.folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "torture", self.folder], check=True)
        self.data, self.ballast = self.folder / "data", self.folder / "ballast"
        shutil.copytree(bench.base(), self.data)

    def fill(self) -> None:
        """To the last page; what others free meanwhile is taken as well."""
        with open(self.ballast, "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 512):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass

    def make_room(self) -> None:
        self.ballast.unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", self.folder], check=False)


def disk(bench: Bench) -> None:
    """`count` fills, each place in its turn."""
    if os.geteuid() != 0:
        bench.details["skipped"] = "only root may mount a tmpfs"
        return
    try:
        SmallDisk(bench, "try").close()
    except subprocess.CalledProcessError as error:
        bench.details["skipped"] = f"a tmpfs cannot be mounted: {error}"
        return
    expected = bench.unbroken(ROWS, LONG)
    waited, codes = {}, {}
    for number in range(bench.count):
        place = PLACES[number % len(PLACES)]
        small = SmallDisk(bench, f"disk-{number}")
        try:
            fill_once(bench, small, place, expected, f"seed {bench.seed}, {number} at {place}", waited, codes)
        finally:
            small.close()
    bench.details |= {"seconds_from_room_to_the_end": waited, "replies_while_full": codes}


def fill_once(bench: Bench, small: SmallDisk, place: str, expected: dict, where: str, waited: dict, codes: dict) -> None:
    with Server(bench.binary, small.data, *EVERY_STEP, log=bench.folder / f"{small.folder.name}.log").started() as server:
        embedded = Embedding(server)
        table, job = few(ROWS), None
        if place == "upload":
            small.fill()
            big = table + table.split(b"\n", 1)[1] * 400
            note(codes, place, server.post_csv("/datasets?name=big", big).status)
        else:
            job = server.post_job(table, LONG).body["id"]
            moments = {"checkpoint": lambda body: (body.get("progress") or {}).get("step", 0) > bench.random.randint(3, 30),
                       "database": lambda body: body.get("status") == "running",
                       "end": lambda body: body.get("phase") in ("evaluating", "saving") or body.get("status") == "succeeded",
                       "restart": lambda body: (body.get("progress") or {}).get("step", 0) > 5}
            server.wait_for(f"/jobs/{job}", moments[place], 60)
            small.fill()
        if place == "restart":
            server.kill()
            small.fill()
            if not server.start().up(30):
                bench.tally.check("space" in server.tail() or "full" in server.tail(), "unexpected",
                                  f"{where}: the server does not start on a full disk, and not for that: {server.tail()}")
        end = time.monotonic() + bench.random.uniform(3, 8)
        while time.monotonic() < end:
            if server.alive():
                small.fill()
                try:
                    note(codes, place, server.post_csv("/datasets?name=small", few(20 + len(codes))).status)
                    if job:
                        note(codes, f"{place}, wait reason", server.get(f"/jobs/{job}").body.get("wait_reason"))
                except OSError as error:
                    note(codes, place, type(error).__name__)
            time.sleep(0.5)
        small.make_room()
        if not server.alive():
            server.started()
        room = time.monotonic()
        if job is None:
            posted = server.post_job(table, LONG)
            job = posted.body.get("id")
            if not bench.tally.check(posted.status == 202, "stuck", f"{where}: no job is taken when there is room: {posted.status} {posted.raw[:200]}"):
                return
        bench.tally.points += 1
        if job_is_well(bench.tally, bench, server, job, expected, where, PATIENCE):
            bench.tally.recovered += 1
            waited[place] = max(waited.get(place, 0), round(time.monotonic() - room, 1))
        bench.tally.check(embedded.end() == 0, "unexpected", f"{where}: {embedded.bad} requests to /embed failed meanwhile")
        bench.tally.replies(server, where)
        server.stop()
    audit(bench.tally, small.data, where)


def note(codes: dict, place: str, what) -> None:
    of = codes.setdefault(place, {})
    of[str(what)] = of.get(str(what), 0) + 1


class Embedding(threading.Thread):
    """A client that embeds all the while; a server that is being started again is not held against it."""

    def __init__(self, server: Server):
        super().__init__(daemon=True)
        self.server, self.good, self.bad, self.over = server, 0, 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.05):
            process = self.server.process
            ready = self.server.ready.is_set() and process.poll() is None
            try:
                status = self.server.vector("tiny")[0]
            except OSError:
                status = 0
            if status == 200:
                self.good += 1
            elif ready and self.server.ready.is_set() and process is self.server.process:
                self.bad += 1

    def end(self) -> int:
        self.over.set()
        self.join()
        return self.bad
