"""Model files with a flipped bit: refused, or provably the same vectors; never others under the same fingerprint."""

import json
import shutil
import struct
from pathlib import Path

from .bench import EVERY_STEP, Bench
from .server import Server, few

# The text asks for each byte, and so for nearly every row of the tiny model's vocabulary.
TEXTS = ["".join(chr(32 + place) for place in range(95)), "a nurse", "データ サイエンティスト", "é ü ñ ß Ω я", "\x01\x02\x7f\t\n"]


def flips(bench: Bench) -> None:
    """`count` flips over the files of a base, a tuned model and what else lies in their folders."""
    data = bench.data("flips")
    with Server(bench.binary, data, *EVERY_STEP).started() as server:
        job = server.post_job(few(40), {"epochs": 2, "early_stopping": None, "learning_rate": 1e-3}).body["id"]
        tuned = server.finished(job)["model"]
        truth = {model: answers(server, model) for model in ("tiny", tuned)}
        server.stop()
    # Another default: a damaged model must not keep the others from being served.
    published = bench.folder / "published"
    copy = data / "models/other"
    shutil.copytree(data / "models/tiny", copy)
    with Server(bench.binary, data, *EVERY_STEP).started() as server:
        moved = server.request("PUT", "/aliases/default", json.dumps({"model": "other"}).encode(), {"content-type": "application/json"})
        bench.details["default"] = moved.status
        server.stop()
    outcomes = {}
    files = sorted(path for model in ("tiny", tuned) for path in (data / "models" / model).rglob("*")
                   if path.is_file() and "tensorboard" not in path.parts and path.suffix != ".md" and path.stat().st_size)
    for number in range(bench.count):
        path = files[number % len(files)] if bench.random.random() < 0.6 else bench.random.choice(
            [path for path in files if path.name == "model.safetensors"])
        model = path.relative_to(data / "models").parts[0]
        outcome = flip_once(bench, data, path, model, tuned, truth)
        kind = f"{'tuned' if model == tuned else 'base'} {path.name}"
        outcomes.setdefault(kind, {}).setdefault(outcome, 0)
        outcomes[kind][outcome] += 1
        bench.tally.points += 1
    with Server(bench.binary, data, *EVERY_STEP).started() as server:
        for model in ("tiny", tuned):
            good = answers(server, model) == truth[model]
            bench.tally.check(good, "lost", f"seed {bench.seed}: {model} does not answer as before when its files are good again")
            bench.tally.recovered += good
    bench.details |= {"outcomes": outcomes, "published": str(published.name)}


def answers(server: Server, model: str):
    reply = server.post("/embed", {"texts": TEXTS, "model": model})
    return reply.status, reply.raw if reply.status == 200 else reply.body.get("code"), reply.headers.get("x-model-fingerprint")


def flip_once(bench: Bench, data: Path, path: Path, model: str, tuned: str, truth: dict) -> str:
    content = path.read_bytes()
    place = where_to(bench, path, content)
    damaged = bytearray(content)
    damaged[place] ^= 1 << bench.random.randrange(8)
    path.write_bytes(damaged)
    where = f"seed {bench.seed}: {'tuned' if model == tuned else 'base'} {path.name}, byte {place}"
    try:
        with Server(bench.binary, data, *EVERY_STEP) as server:
            if not server.start().up(30):
                bench.tally.fault("unexpected", f"{where}: the server does not start, though another model is the default: {server.tail(400)}")
                return "no start"
            status, body, fingerprint = answers(server, model)
            # A base that is damaged damages what stands on it.
            others = [answers(server, tuned)] if model == "tiny" else []
            for found, of in [((status, body, fingerprint), model), *[(other, tuned) for other in others]]:
                if found[0] == 200 and found != truth[of]:
                    same = found[2] == truth[of][2]
                    bench.tally.fault("unexpected", f"{where}: other vectors under {'the same' if same else 'another'} fingerprint")
                    return "OTHER VECTORS"
            if server.vector("other")[0] != 200:
                bench.tally.fault("unexpected", f"{where}: another model is not served")
            # 500 and 503 may be the name of a fault of files; what is not told is not.
            server.server_errors = [said for said in server.server_errors if "'internal'" in said]
            server.no_retry_after.clear()
            bench.tally.replies(server, where)
            return "the same vectors" if status == 200 else f"refused: {body}"
    finally:
        path.write_bytes(content)


def where_to(bench: Bench, path: Path, content: bytes) -> int:
    """A byte; of a file of weights a quarter in the header."""
    if path.suffix == ".safetensors":
        header = 8 + struct.unpack("<Q", content[:8])[0]
        return bench.random.randrange(header) if bench.random.random() < 0.25 else bench.random.randrange(header, len(content))
    return bench.random.randrange(len(content))
