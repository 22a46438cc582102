"""What has to be true of a data folder after a power cut: by its files, and by what the real program makes of it."""

import hashlib
import json
import sqlite3
import subprocess
from pathlib import Path

from ..bench import EVERY_STEP, Bench, bits
from ..server import Server
from .record import Recording


def said_before(recording: Recording, at: float) -> list:
    return [(kind, what) for when, kind, what in recording.said if when <= at]


def by_its_files(recording: Recording, folder: Path, found: dict, at: float) -> tuple:
    """Faults, and what a program would see of it: equal for folders that mean the same."""
    faults, promised = [], said_before(recording, at)
    try:
        rows = database(folder / "data/shamisen.db", faults)
    except sqlite3.DatabaseError as error:
        return [f"the database cannot be read: {error}"], "unreadable"
    for kind, what in promised:
        if kind == "dataset" and what not in rows["datasets"]:
            faults.append(f"dataset {what} was acknowledged and is lost")
        elif kind == "job" and what not in rows["jobs"]:
            faults.append(f"job {what} was acknowledged and is lost")
        elif kind == "succeeded" and rows["jobs"].get(what) != "succeeded":
            faults.append(f"job {what} had succeeded and is {rows['jobs'].get(what)}")
        elif kind == "checkpoint" and what not in rows["told"]:
            faults.append(f"the event of checkpoint {what} was told and is lost")
        elif kind == "whole" and not whole(recording, found, what):
            faults.append(f"{what} was said to be there and is not whole")
    for job, token, step, manifest in rows["checkpoints"]:
        path = f"data/runs/{job}/t{token}/ckpt-{step}"
        if not checkpoint_is_whole(found, path, manifest):
            faults.append("the checkpoint of a row is not whole")
    for model in rows["models"]:
        if not whole(recording, found, f"data/models/{model}"):
            faults.append(f"the model of a row is not whole: {missing(recording, found, f'data/models/{model}')}")
    for dataset, sha256 in rows["datasets"].items():
        content = found.get(f"data/datasets/{sha256}")
        if content is None or hashlib.sha256(content).hexdigest() != sha256:
            faults.append("the file of a dataset's row is not whole")
        if not whole(recording, found, f"data/datasets/{dataset}.pairs"):
            faults.append("the pairs of a dataset's row are not whole")
    faults += under_their_names(recording, found, at)
    # A program looks at models, datasets, and the checkpoints that rows name; other strays it only removes.
    named = tuple(["data/models/", "data/datasets/", *(f"data/runs/{job}/t{token}/ckpt-{step}/" for job, token, step, _ in rows["checkpoints"])])
    matters = {path: hashlib.sha256(content or b"").hexdigest() for path, content in found.items() if path.startswith(named)}
    view = hashlib.sha256(json.dumps([rows, matters], sort_keys=True, default=str).encode()).hexdigest()
    return sorted(set(faults)), view


def database(path: Path, faults: list) -> dict:
    connection = sqlite3.connect(path)
    try:
        rows = lambda sql: connection.execute(sql).fetchall()
        if rows("pragma integrity_check") != [("ok",)]:
            faults.append("integrity_check of the database")
        told = rows("select job_id, data from job_event where type = 'checkpoint'")
        return {
            "datasets": dict(rows("select dataset_id, sha256 from dataset")),
            "jobs": dict(rows("select job_id, status from job")),
            "checkpoints": rows("select job_id, lease_token, step, manifest_sha256 from checkpoint order by 1, 2, 3"),
            "models": [row[0] for row in rows("select model_id from model where kind = 'tuned' and deleted_at is null")],
            "told": [(job, json.loads(data).get("step")) for job, data in told]}
    finally:
        connection.close()


def below(found: dict, path: str) -> dict:
    return {name: content for name, content in found.items() if name == path or name.startswith(path + "/")}


def whole(recording: Recording, found: dict, path: str) -> bool:
    return not missing(recording, found, path)


def missing(recording: Recording, found: dict, path: str) -> list:
    """Which files of a folder are not there as they were in the end."""
    names = {path.removesuffix("/")} if path in recording.final else {
        name for name in recording.final if name.startswith(path + "/")}
    wrong = {name for name in names if found.get(name) != recording.final[name]}
    return sorted({"tensorboard" if "/tensorboard/" in name else name.rsplit("/", 1)[-1] for name in wrong}) or ([] if names else ["all"])


def checkpoint_is_whole(found: dict, path: str, manifest_sha256: str = "") -> bool:
    content = found.get(f"{path}/manifest.json")
    if content is None or manifest_sha256 and hashlib.sha256(content).hexdigest() != manifest_sha256:
        return False
    try:
        listed = json.loads(content)["files"]
    except (ValueError, KeyError):
        return False
    return all(hashlib.sha256(found.get(f"{path}/{name}") or b"").hexdigest() == sha256 for name, sha256 in listed.items())


def under_their_names(recording: Recording, found: dict, at: float) -> list:
    """A file or folder is complete or absent, whether or not a row points at it. What is being removed had its row
    taken first, and is no longer asked for."""
    faults = []
    going = {step.path.rpartition("/")[0] for step in recording.steps if step.kind == "remove" and step.at <= at}
    folders = [path for path, content in found.items() if content is None]
    for path in folders:
        parent, _, name = path.rpartition("/")
        if name.startswith("ckpt-") and name[5:].isdigit() and path not in going and not checkpoint_is_whole(found, path):
            faults.append("a checkpoint under its name is not whole")
        if parent == "data/models" and not name.endswith(".draft") and not whole(recording, found, path):
            faults.append(f"a model under its name is not whole: {missing(recording, found, path)}")
    if "backup" in found and not whole(recording, found, "backup"):
        faults.append(f"a backup under its name is not whole: {missing(recording, found, 'backup')}")
    return faults


def by_the_program(bench: Bench, recording: Recording, folder: Path, at: float) -> list:
    """What the real program makes of the folder: it starts, and every job that it knows ends with the right bits."""
    faults = []
    with Server(bench.binary, folder / "data", *EVERY_STEP, log=folder / "log") as server:
        if not server.start().up(30):
            return [f"the server does not start: {server.tail(600)}"]
        connection = sqlite3.connect(f"file:{folder}/data/shamisen.db?mode=ro", uri=True)
        before = connection.execute("select coalesce(max(step), 0) from checkpoint").fetchone()[0]
        connection.close()
        for kind, what in said_before(recording, at):
            if kind != "job":
                continue
            job = server.finished(what, 60)
            if job.get("status") != "succeeded":
                faults.append(f"the program: job {what} is {job.get('status')}: {job.get('error')}")
                continue
            if bits(server.data, job["model"]) != recording.expected[what]:
                faults.append("the program: the job's weights are others")
            if server.vector(job["model"])[0] != 200:
                faults.append("the program: the job's model is not served")
            events = server.events(what)
            if any(event["data"].get("code") == "checkpoint_not_usable" for event in events):
                faults.append("the program: a checkpoint of a row could not be used")
            resumed = [event["data"]["step"] for event in events if event["type"] == "resumed"]
            if resumed and resumed[-1] < before:
                faults.append(f"the program: went on from step {resumed[-1]} and had saved {before}")
        if server.server_errors:
            faults.append(f"the program: {server.server_errors[0]}")
        server.stop()
    if (folder / "backup").is_dir():
        faults += restored(bench, recording, folder, ("whole", "backup") in said_before(recording, at))
    return faults


def restored(bench: Bench, recording: Recording, folder: Path, was_said: bool) -> list:
    """A backup that was said to be there can be restored; any other is refused, or gives all there was."""
    done = subprocess.run([bench.binary, "restore", "--from", folder / "backup", "--data", folder / "restored"], capture_output=True, text=True)
    if done.returncode != 0:
        return [f"the program: restoring: {done.stderr[-200:]}"] if was_said else []
    faults: list = []
    rows = database(folder / "restored/shamisen.db", faults)
    lost = [what for _, kind, what in recording.said if kind == "job" and rows["jobs"].get(what) != "succeeded"]
    there = {f"data/{path.relative_to(folder / 'restored')}": path.read_bytes() for path in (folder / "restored/models").rglob("*") if path.is_file()}
    wrong = [name for name, content in recording.final.items() if name.startswith("data/models/ft_") and "/tensorboard/" not in name
             and there.get(name) != content]
    return [*faults, *(f"the program: restored without {what}" for what in [*lost, *wrong])]
