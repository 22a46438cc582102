"""The parts, each with the count of its full run."""

from collections.abc import Callable
from dataclasses import dataclass

from .database import KINDS as DATABASE, database
from .flips import flips
from .full_disk import PLACES, disk
from .hostile import hostile
from .io_errors import io_errors
from .kills import kills_server, kills_trainer
from .load import load
from .memory import memory
from .points import points
from .power.cuts import power
from .api_requests import requests
from .slow import slow
from .stopped import KINDS as STOPPED, stopped


@dataclass
class Part:
    """A part, what it does, and how much of it a full run takes."""

    run: Callable
    count: int
    what: str
    # Minutes that a full run takes, about, on two cores.
    takes: float
    # What shows something of each of its kinds.
    least: int = 1
    # Of a part that runs by time.
    minutes: float = 0


PARTS = {
    "kills-server": Part(kills_server, 90, "SIGKILL of the server at random moments, a sixth of them while it starts", 6, 6),
    "kills-trainer": Part(kills_trainer, 90, "SIGKILL of the trainer at random moments, beside requests", 6, 4),
    "points": Part(points, 260, "SIGKILL at exact system calls of trainer and server (strace)", 20, 12),
    "io-errors": Part(io_errors, 160, "ENOSPC and EIO at exact calls of server and trainer, once and for a while", 20, 8),
    "disk": Part(disk, 20, "a disk (tmpfs) that fills at an upload, a checkpoint, in the database, at a job's end, at a restart; freed later", 12, len(PLACES)),
    "database": Part(database, 24, "the database locked for 3, 20 and 40 s, damaged, lost, replaced, rows changed by hand", 8, len(DATABASE)),
    "flips": Part(flips, 500, "one flipped bit in a file of a base or tuned model", 20, 20),
    "stopped": Part(stopped, 24, "SIGSTOP of trainer and server, jumps of the clock, SIGTERM with 64 kept-alive clients", 10, len(STOPPED)),
    "slow": Part(slow, 1000, "slow heads, slow bodies, slow uploads, answers that nobody reads; a normal client beside them", 4),
    "hostile": Part(hostile, 1, "models, tables and numbers that were made to do harm", 8),
    "memory": Part(memory, 8, "too little memory for the trainer (prlimit), a plan that cannot fit", 6, 2),
    "power": Part(power, 2000, "simulated power cuts at checkpoint, publishing and backup", 20, 100),
    "requests": Part(requests, 20000, "requests that schemathesis makes out of the API's description", 30, 500),
    "load": Part(load, 200, "connections with mixed work", 60, 20, minutes=60),
}
