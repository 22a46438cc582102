"""Counts what became of what went in: everything acknowledged has to come out, once, and as if nothing had happened."""

import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

COUNTED = ("lost", "duplicated", "unexpected", "server_errors", "stuck")


@dataclass
class Tally:
    """Figures of a part. Everything but points and recovered has to be nought."""

    points: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    recovered: int = 0
    server_errors: int = 0
    stuck: int = 0
    failures: list = field(default_factory=list)

    def fault(self, kind: str, words: str, times: int = 1) -> None:
        setattr(self, kind, getattr(self, kind) + times)
        self.failures.append(f"{kind}: {words}")
        print(f"  FAULT {kind}: {words}", flush=True)

    def check(self, is_so: bool, kind: str, words: str) -> bool:
        if not is_so:
            self.fault(kind, words)
        return is_so

    def replies(self, client, where: str) -> None:
        """What a server answered that it must not, once."""
        for said in dict.fromkeys(client.server_errors):
            self.fault("server_errors", f"{where}: {said}")
        for said in dict.fromkeys(client.no_retry_after):
            self.fault("unexpected", f"{where}: no Retry-After: {said}")
        client.server_errors.clear()
        client.no_retry_after.clear()

    @property
    def good(self) -> bool:
        return not self.failures


def job_is_well(tally: Tally, bench, server, job_id: str, expected, where: str, seconds: float = 90) -> bool:
    """A job that was acknowledged ends with one model, bit by bit that of a run that nothing disturbed."""
    from .bench import bits
    job = server.finished(job_id, seconds)
    status = job.get("status")
    if not status:
        tally.fault("lost", f"{where}: {job_id} is not there: {job}")
        return False
    if status in ("queued", "running"):
        tally.fault("stuck", f"{where}: {job_id} is {status} ({job.get('wait_reason')}) after {seconds:.0f} s")
        return False
    if status != "succeeded":
        tally.fault("lost", f"{where}: {job_id} {status}: {(job.get('error') or {}).get('code')}: {(job.get('error') or {}).get('message')}")
        return False
    found = bits(server.data, job["model"])
    return tally.check(expected is None or found == expected, "unexpected",
                       f"{where}: {job_id} has other weights than an unbroken run's")


def audit(tally: Tally, data: Path, where: str, succeeded=None) -> None:
    """A data folder whose server has stopped: the database is whole, and nothing is left over or missing."""
    database = sqlite3.connect(data / "shamisen.db")
    try:
        rows = lambda sql: database.execute(sql).fetchall()
        whole = rows("pragma integrity_check")
        tally.check(whole == [("ok",)], "unexpected", f"{where}: integrity_check: {whole[:3]}")
        tally.check(not rows("pragma foreign_key_check"), "unexpected", f"{where}: foreign keys")
        models = {row[0]: row[1] for row in rows("select model_id, job_id from model where deleted_at is null and kind = 'tuned'")}
        jobs = [row[0] for row in models.values() if False] or [job for job in models.values() if job]
        for job in {job for job in jobs if jobs.count(job) > 1}:
            tally.fault("duplicated", f"{where}: {job} has more than one model")
        ended = {row[0] for row in rows("select job_id from job where status = 'succeeded'")}
        for job in ended - set(jobs):
            tally.fault("lost", f"{where}: {job} succeeded and has no model")
        for job in set(jobs) - ended:
            tally.fault("unexpected", f"{where}: {job} has a model and did not succeed")
        folders = {entry for entry in os.listdir(data / "models") if entry.startswith("ft_") or "draft" in entry}
        for folder in folders - set(models):
            tally.fault("unexpected", f"{where}: models/{folder} has no row")
        for model in set(models) - folders:
            tally.fault("lost", f"{where}: the folder of {model} is gone")
        unfinished = {row[0] for row in rows("select job_id from job where finished_at is null")}
        for run in set(os.listdir(data / "runs")) - unfinished:
            tally.fault("unexpected", f"{where}: runs/{run} is left over")
        left = rows("select job_id, step from checkpoint where job_id in (select job_id from job where finished_at is not null)")
        tally.check(not left, "unexpected", f"{where}: rows of checkpoints are left over: {left[:3]}")
        for name in os.listdir(data / "datasets"):
            tally.check("draft" not in name, "unexpected", f"{where}: datasets/{name} is left over")
        for job in (succeeded or []):
            tally.check(job in ended, "lost", f"{where}: {job} was acknowledged and has not succeeded")
    except sqlite3.DatabaseError as error:
        tally.fault("lost", f"{where}: the database: {error}")
    finally:
        database.close()
