"""Records what a job, a run on the command line and a backup do to the disk, and when they said that something is safe."""

import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..bench import EVERY_STEP, Bench, bits
from ..server import Server, few
from . import trace

CONFIG = {"epochs": 2, "early_stopping": None, "learning_rate": 1e-3}
ROWS = 40


@dataclass
class Recording:
    """The disk before, the steps, and what was said to be safe."""

    before: Path
    steps: list = field(default_factory=list)
    # (time, kind, what): a dataset, a job, a checkpoint's (job, step), a job that succeeded, a folder that is whole.
    said: list = field(default_factory=list)
    # Bytes by path of what has to be whole once it has its name, as it was in the end.
    final: dict = field(default_factory=dict)
    expected: dict = field(default_factory=dict)
    skipped: list = field(default_factory=list)


def record(bench: Bench) -> Recording:
    root = bench.folder / "power"
    root.mkdir()
    shutil.copytree(bench.base(), root / "data")
    before = bench.folder / "power-before"
    shutil.copytree(root, before)
    recording = Recording(before)
    job_of_a_server(bench, root, recording)
    on_the_command_line(bench, root, recording)
    if command(bench, root, recording, "import", "model", "import", bench.folder / "published", "--name", "imported", "--data", root / "data"):
        recording.said.append((time.time(), "whole", "data/models/imported"))
    backup(bench, root, recording)
    recording.final = files(root)
    return recording


def job_of_a_server(bench: Bench, root: Path, recording: Recording) -> None:
    log = bench.folder / "trace.server"
    server = Server(bench.binary, root / "data", *EVERY_STEP, command=[*trace.STRACE, "-D", "-o", log], log=bench.folder / "power.log")
    say = lambda kind, what: recording.said.append((time.time(), kind, what))
    with server.started(120):
        dataset = server.post_csv("/datasets?name=first", few(ROWS)).body["id"]
        say("dataset", dataset)
        job = server.post("/jobs", {"dataset_id": dataset, "recipe": "tutorial", "config": CONFIG}).body["id"]
        say("job", job)
        seen = 0
        while True:
            events = server.get(f"/jobs/{job}/events?after={seen}&limit=1000").body["events"]
            for event in events:
                seen = event["seq"]
                if event["type"] == "checkpoint":
                    say("checkpoint", (job, event["data"]["step"]))
            found = server.get(f"/jobs/{job}").body
            if found["status"] == "succeeded":
                say("succeeded", job)
                break
            if found["status"] not in ("queued", "running"):
                raise RuntimeError(f"the recorded job did not succeed: {found}")
            time.sleep(0.02)
        recording.expected[job] = bits(root / "data", found["model"])
        server.stop()
    ended(log)
    recording.steps += trace.steps(log, root)


def ended(log: Path) -> None:
    """The tracer writes its last lines after the program's end."""
    size = -1
    while size != log.stat().st_size:
        size = log.stat().st_size
        time.sleep(0.3)


def command(bench: Bench, root: Path, recording: Recording, name: str, *words) -> bool:
    """Runs a command to its end under strace."""
    log = bench.folder / f"trace.{name}"
    done = subprocess.run([*trace.STRACE, "-o", log, bench.binary, *words], capture_output=True, text=True, cwd=bench.folder)
    if done.returncode != 0:
        recording.skipped.append(f"{name}: {done.stderr.strip()[-300:]}")
        return False
    recording.steps += trace.steps(log, root)
    return True


def on_the_command_line(bench: Bench, root: Path, recording: Recording) -> None:
    pairs = bench.folder / "pairs.csv"
    pairs.write_bytes(few(ROWS))
    if command(bench, root, recording, "train", "train", "--pairs", pairs, "--name", "by-hand", "--model", "tiny",
               "--set", "epochs=1", "--data", root / "data"):
        recording.said.append((time.time(), "whole", "data/models/by-hand"))


def backup(bench: Bench, root: Path, recording: Recording) -> None:
    told = subprocess.run([bench.binary, "backup", "--help"], capture_output=True, text=True)
    if told.returncode != 0:
        recording.skipped.append("backup: this program has no such command")
        return
    if command(bench, root, recording, "backup", "backup", "--to", root / "backup", "--data", root / "data"):
        recording.said.append((time.time(), "whole", "backup"))


def files(folder: Path) -> dict:
    """Bytes by path, but for the database of the data folder, which goes on changing."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith("data/shamisen.db") and name != "data/LOCK"}
