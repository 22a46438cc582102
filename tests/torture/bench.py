"""What a part works with: its seed, its folders, the model, and the bits of jobs that nothing disturbed."""

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import tiny
from .checker import Tally
from .server import Server, few

# A job of some seconds, with many checkpoints on its way.
CONFIG = {"epochs": 12, "early_stopping": None, "learning_rate": 1e-3}
ROWS = 60
EVERY_STEP = ("--checkpoint-seconds", "0")


class Bench:
    """A part's workplace; gone at its end, but for a failure's log."""

    def __init__(self, part: str, binary: Path, seed: int, count: int, keep: bool = False, minutes: float = 0):
        self.part, self.binary, self.seed, self.count, self.minutes = part, binary, seed, count, minutes
        self.random = random.Random(f"{part} {seed}")
        # Short: addresses of sockets and traces hold it.
        self.folder = Path(tempfile.mkdtemp(prefix=f"torture-{part}-", dir=os.environ.get("TORTURE_FOLDER")))
        self.keep, self.tally, self.details = keep, Tally(), {}
        self._base = None
        self._unbroken = {}

    def base(self) -> Path:
        """A data folder with the tiny model alone."""
        if self._base is None:
            published, data = self.folder / "published", self.folder / "base"
            tiny.publish(published)
            made = subprocess.run([self.binary, "model", "import", published, "--name", "tiny", "--data", data],
                                  capture_output=True, text=True)
            if made.returncode != 0:
                raise RuntimeError(f"the tiny model cannot be imported: {made.stderr}")
            with Server(self.binary, data).started() as server:
                server.stop()
            self._base = data
        return self._base

    def data(self, name: str) -> Path:
        """A new data folder with the model."""
        data = self.folder / name / "data"
        shutil.copytree(self.base(), data, symlinks=True)
        return data

    def server(self, name: str, *arguments: str, **more) -> Server:
        return Server(self.binary, self.data(name), *(arguments or EVERY_STEP), **more)

    def unbroken(self, rows: int = ROWS, config=None) -> dict:
        """What a job's model is where nothing disturbs it: its fingerprint and the hash of its weights."""
        config = config or CONFIG
        of = f"{rows} {sorted(config.items())}"
        if of not in self._unbroken:
            with self.server(f"unbroken-{len(self._unbroken)}").started() as server:
                posted = server.post_job(few(rows), config)
                if posted.status != 202:
                    raise RuntimeError(f"a job is not taken: {posted.status} {posted.raw[:500]}")
                job = server.finished(posted.body["id"])
                if job.get("status") != "succeeded":
                    raise RuntimeError(f"a job that nothing disturbed did not succeed: {job}\n{server.tail()}")
                self._unbroken[of] = bits(server.data, job["model"])
                server.stop()
        return self._unbroken[of]

    def close(self) -> None:
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def bits(data: Path, model: str) -> dict:
    """The hashes of what a tuned model's vectors depend on."""
    folder = data / "models" / model
    weights = folder / "model.safetensors"
    return {"weights": hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else None}
