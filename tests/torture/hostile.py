"""Models, tables and numbers that were made to do harm: each is refused or answered in time, and others are served."""

import gzip
import io
import json
import resource
import struct
import subprocess
import tarfile
import threading
import time
import zipfile
import zlib
from pathlib import Path

from . import tiny
from .bench import Bench
from .full_disk import Embedding
from .parquet import dictionary_bomb
from .server import Server

# A request or an import has so long; the server may take so much more memory, for all requests of a round together.
SECONDS, MEBIBYTES = 20, 600
HARMLESS = "nothing is wrong with it"


def hostile(bench: Bench) -> None:
    """`count` rounds of every case."""
    for number in range(bench.count):
        imports(bench, number)
        requests(bench, number)


class Peak(threading.Thread):
    """The most memory of a process that is not its files'."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.most, self.first, self.over = pid, 0, None, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                anonymous = next(int(line.split()[1]) for line in open(f"/proc/{self.pid}/status") if line.startswith("RssAnon"))
            except (OSError, StopIteration):
                return
            self.first = self.first if self.first is not None else anonymous
            self.most = max(self.most, anonymous)
            time.sleep(0.05)

    def mebibytes(self) -> int:
        self.over.set()
        self.join()
        return (self.most - (self.first or 0)) >> 10


# Imports

def model(folder: Path, **changes) -> Path:
    """The tiny model with files in the place of its own: JSON, bytes, or a function of what is there."""
    tiny.publish(folder)
    for name, content in changes.items():
        path = folder / name.replace("__", "/").replace("_json", ".json").replace("_safetensors", ".safetensors").replace("_bin", ".bin")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def grow(times: int, how_often: int, pattern: str = "q") -> dict:
    step = {"type": "Replace", "pattern": {"String": pattern}, "content": pattern * times}
    return tiny.tokenizer(normalizer={"type": "Sequence", "normalizers": [step] * how_often})


def header(value) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text


class Payload:
    """What a pickle would do."""

    def __init__(self, flag: Path):
        self.flag = flag

    def __reduce__(self):
        return Path.touch, (self.flag,)


def cases(folder: Path) -> dict:
    """Folders and archives by what is wrong with them."""
    import pickle
    flag = folder / "OWNED"
    made = lambda name, **changes: model(folder / name, **changes)
    lying = {
        "offsets beyond the file": {"a": {"dtype": "F32", "shape": [10], "data_offsets": [0, 1 << 40]}},
        "an offset that runs over": {"a": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 40]}},
        "tensors that overlap": {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "b": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]}},
        "numbers below nought": {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [-8, 0]}},
    }
    all_cases = {HARMLESS: made("whole")}
    all_cases |= {f"safetensors: {name}": made(f"st{place}", model_safetensors=header(value) + bytes(64)) for place, (name, value) in enumerate(lying.items())}
    all_cases |= {
        "safetensors: a header of 2^60 bytes": made("st-long", model_safetensors=struct.pack("<Q", 1 << 60) + b"{}"),
        "safetensors: a header of depth 100,000": made("st-deep", model_safetensors=header(b'{"a":' + b"[" * 100_000)),
        "safetensors: cut off": made("st-cut", model_safetensors=(folder / "whole/model.safetensors").read_bytes()[:5000]),
        "tokenizer: grows 1000-fold, four times": made("tk-grow", tokenizer_json=grow(1000, 4)),
        "tokenizer: grows 30-fold, eight times": made("tk-grow8", tokenizer_json=grow(30, 8)),
        "tokenizer: every letter grows": made("tk-any", tokenizer_json=tiny.tokenizer(normalizer={"type": "Sequence", "normalizers": [
            {"type": "Replace", "pattern": {"Regex": "."}, "content": "abcdefgh" * 8}] * 5})),
        "tokenizer: prepends at each of many steps": made("tk-prepend", tokenizer_json=tiny.tokenizer(normalizer={"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "x" * 100_000}] * 200})),
        "tokenizer: a regex that goes back and forth": made("tk-regex", tokenizer_json={**tiny.tokenizer(), "pre_tokenizer": {
            "type": "Split", "pattern": {"Regex": "(a+)+$|(x+x+)+y"}, "behavior": "Isolated", "invert": False}}),
        "tokenizer: words of 2^62 characters": made("tk-word", tokenizer_json=tiny.tokenizer(model={
            "type": "WordPiece", "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4}, "unk_token": "[UNK]",
            "continuing_subword_prefix": "##", "max_input_chars_per_word": 1 << 62})),
        "tokenizer: depth 100,000": made("tk-deep", tokenizer_json=b'{"model":' + b"[" * 100_000),
        "config: a vocabulary of 2^62": made("cf-large", config_json={**json.loads((folder / "whole/config.json").read_text()), "vocab_size": 1 << 62}),
        "config: code of its own": made("cf-code", config_json={**json.loads((folder / "whole/config.json").read_text()), "auto_map": {"AutoModel": "evil.Model"}}),
        "modules: a path outside": made("md-out", modules_json=[{"idx": 0, "name": "0", "path": "../../etc", "type": "sentence_transformers.models.Transformer"}]),
    }
    pickled = made("pickle", pytorch_model_bin=pickle.dumps(Payload(flag)))
    (pickled / "model.safetensors").write_bytes((pickled / "pytorch_model.bin").read_bytes())
    all_cases["a pickle under the name of weights"] = pickled
    only = made("pickle-only", pytorch_model_bin=pickle.dumps(Payload(flag)))
    (only / "model.safetensors").unlink()
    all_cases["a pickle alone"] = only
    return {**all_cases, **archives(folder)}


def archives(folder: Path) -> dict:
    """A tar or zip of the model, and in it a file where none belongs."""
    whole, outside = folder / "whole", str(folder / "OWNED")
    made = {}

    def tar(name: str, add) -> None:
        path = folder / f"{name}.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(whole, "model")
            add(archive)
        made[f"tar: {name}"] = path

    def entry(name: str, kind=tarfile.REGTYPE, link: str = "", data: bytes = b"x"):
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(data) if kind == tarfile.REGTYPE else 0
        return lambda archive: archive.addfile(info, io.BytesIO(data))
    tar("an absolute path", entry(outside))
    tar("a path upwards", entry("model/../../../../../../../../../../" + outside))
    tar("a symbolic link outside", lambda archive: (entry("model/link", tarfile.SYMTYPE, str(folder))(archive), entry("model/link/OWNED")(archive)))
    tar("a hard link outside", entry("model/passwd", tarfile.LNKTYPE, "/etc/passwd"))
    tar("a device", entry("model/zero", tarfile.CHRTYPE))
    tar("a FIFO", entry("model/fifo", tarfile.FIFOTYPE))
    path = folder / "upwards.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in whole.rglob("*"):
            archive.write(file, f"model/{file.relative_to(whole)}")
        archive.writestr("model/../../../../../../../../.." + outside, "x")
        archive.writestr(outside, "x")
    made["zip: paths upwards"] = path
    bomb = folder / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("model/model.safetensors", "w", force_zip64=True) as file:
            for _ in range(2048):
                file.write(bytes(1 << 20))
    made["zip: two gibibytes of zeros"] = bomb
    return made


def imports(bench: Bench, number: int) -> None:
    folder = bench.folder / f"imports-{number}"
    folder.mkdir()
    outcomes, reasons = {}, {}
    with bench.server(f"imports-{number}-server").started() as server:
        embedding = Embedding(server)
        for name, source in cases(folder).items():
            where, started = f"import, {name}", time.monotonic()
            try:
                done = subprocess.run([bench.binary, "model", "import", source, "--name", f"case-{len(outcomes)}", "--data", server.data],
                                      capture_output=True, text=True, timeout=90)
                outcome = "taken" if done.returncode == 0 else "refused"
                reasons[name] = done.stderr.strip()[-160:]
                bench.tally.check(done.returncode in (0, 1, 2), "unexpected", f"{where}: it ended with {done.returncode}: {done.stderr[-300:]}")
            except subprocess.TimeoutExpired:
                outcome = "hung"
                bench.tally.fault("stuck", f"{where}: it had not ended after 90 s")
            if outcome == "taken":
                outcome = asked(bench, server, f"case-{len(outcomes)}", where)
            bench.tally.check(not (folder / "OWNED").exists(), "unexpected", f"{where}: it wrote or ran what it must not")
            (folder / "OWNED").unlink(missing_ok=True)
            outcomes[name] = f"{outcome}, {time.monotonic() - started:.1f} s"
            bench.tally.points += 1
        bench.tally.check(embedding.end() == 0, "unexpected", f"{embedding.bad} requests to /embed failed beside imports")
        # Else every refusal might be for a reason of ours.
        bench.tally.check(outcomes[HARMLESS].startswith("taken"), "unexpected", f"import, {HARMLESS}: {outcomes[HARMLESS]}: {reasons[HARMLESS]}")
    bench.details |= {"imports": outcomes, "reasons": reasons}


def asked(bench: Bench, server: Server, model: str, where: str) -> str:
    """A model that was taken answers what texts there are without harm."""
    peak = Peak(server.pid)
    # Its own address space is bounded, so that a fault ends the server and not this machine.
    resource.prlimit(server.pid, resource.RLIMIT_AS, (24 << 30, 24 << 30))
    slowest = 0.0
    for text in ("q", "a" * 5000, "x" * 5000, "q" * 200, "nurse"):
        begun = time.monotonic()
        try:
            server.vector(model, text, timeout=40)
        except OSError as error:
            bench.tally.fault("unexpected", f"{where}: no answer to {text[:5]!r}: {error}")
            break
        slowest = max(slowest, time.monotonic() - begun)
    grown = peak.mebibytes()
    if not server.alive():
        bench.tally.fault("unexpected", f"{where}: it was taken, and a text ended the server")
        server.started()
        return "ENDED THE SERVER"
    bench.tally.check(grown < MEBIBYTES, "unexpected", f"{where}: it was taken, and a text took {grown} MiB")
    bench.tally.check(slowest < SECONDS, "unexpected", f"{where}: it was taken, and a text took {slowest:.0f} s")
    return "taken and answered"


# Tables and numbers

def tables() -> dict:
    """Bodies by what is wrong with them: path, content type, bytes."""
    row = b"nurse,clerk,0.5\n"
    zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = bytes(1 << 20)
    packed = b"".join(zeros.compress(chunk) for _ in range(2048)) + zeros.flush()
    rows = gzip.compress(b"base,ref,similarity\n" + row * 20_000_000, 6)
    workbook = lambda parts: zipped({"[Content_Types].xml": b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>', **parts})
    entities = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + place, b"&%c;" % (97 + place) * 10) for place in range(9)) + b"]><worksheet>&j;</worksheet>"
    taxonomy = b"id,parent,label,alt_labels,description\n2512.1,2512,software developer,programmer|coder,Software developers write programs.\n"
    made = {
        "gzip: two gibibytes of zeros": ("/datasets/inspect", "text/csv", packed),
        "gzip: 20 million rows": ("/datasets/inspect", "text/csv", rows),
        "gzip in gzip, eight times": ("/datasets/inspect", "text/csv", many_times(gzip.compress, packed[:200_000], 8)),
        "workbook: entities": ("/datasets/inspect", "application/octet-stream", workbook({"xl/workbook.xml": entities, "xl/worksheets/sheet1.xml": entities})),
        "workbook: a sheet of 256 MiB of zeros": ("/datasets/inspect", "application/octet-stream", workbook(
            {"xl/workbook.xml": b"<workbook/>", "xl/worksheets/sheet1.xml": bytes(1 << 28)})),
        "JSON: depth of a million": ("/datasets/inspect", "application/json", b'{"pairs":' + b"[" * 1_000_000),
        "JSON: 60 MB of pairs": ("/datasets/inspect", "application/json", b'{"pairs":[' + b",".join([b'{"base":"a","ref":"b","score":1}'] * 1_800_000) + b"]}"),
        "JSON: a number without end": ("/datasets/inspect", "application/json", b'{"pairs":[{"base":"a","ref":"b","score":' + b"9" * 1_000_000 + b"}]}"),
        "CSV: a line of 100 MB": ("/datasets/inspect", "text/csv", b"a,b,c\n" + b"x" * 100_000_000),
        "CSV: a million columns": ("/datasets/inspect", "text/csv", b"," * 1_000_000 + b"\n" + b"," * 1_000_000),
        "CSV: an open quote": ("/datasets/inspect", "text/csv", b'a,b,c\n"' + b"x\n" * 10_000_000),
        "Parquet: 19 kB of dictionary for 180 GB": ("/datasets/inspect", "application/octet-stream", dictionary_bomb(2_000_000, 90_000)),
        "zstd: a window of 2 GiB": ("/datasets/inspect", "application/zstd", bytes.fromhex("28b52ffd00a8") + b"\x01\x00\x00" * 1000),
    }
    for value in (0, 10 ** 8, 10 ** 12, 2 ** 62, 2 ** 64 - 1, -1):
        for name in ("per_concept", "per_kind", "seed"):
            made[f"taxonomy: {name}={value}"] = (f"/datasets/from-taxonomy?{name}={value}", "text/csv", taxonomy)
    return made


def many_times(pack, content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = pack(content)
    return content


def zipped(parts: dict) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def requests(bench: Bench, number: int) -> None:
    """Each body twice at once, and beside them a client that uploads a small table."""
    outcomes = {}
    server = bench.server(f"tables-{number}").started()
    with server:
        embedding = Embedding(server)
        for name, (path, kind, body) in tables().items():
            peak, begun, statuses, small = Peak(server.pid), time.monotonic(), [], []

            def ask() -> None:
                try:
                    statuses.append(server.request("POST", path, body, {"content-type": kind}, timeout=30).status)
                except OSError as error:
                    statuses.append(type(error).__name__)
            asking = [threading.Thread(target=ask) for _ in range(2)]
            [thread.start() for thread in asking]
            time.sleep(0.3)
            try:
                small.append(server.post_csv("/datasets/inspect", b"base,ref,similarity\nnurse,clerk,0.5\nclerk,nurse,0.25\n" * 3, timeout=SECONDS).status)
            except OSError as error:
                small.append(type(error).__name__)
            [thread.join() for thread in asking]
            seconds, grown = time.monotonic() - begun, peak.mebibytes()
            outcomes[name] = f"{statuses}, {seconds:.1f} s, {grown} MiB"
            bench.tally.points += 1
            if not server.alive():
                bench.tally.fault("unexpected", f"{name}: it ended the server")
                server.started()
                continue
            bench.tally.check(all(isinstance(status, int) and status < 500 or status == 503 for status in statuses), "unexpected", f"{name}: {statuses}")
            bench.tally.check(seconds < SECONDS, "unexpected", f"{name}: {seconds:.0f} s")
            bench.tally.check(grown < MEBIBYTES, "unexpected", f"{name}: {grown} MiB")
            bench.tally.check(isinstance(small[0], int) and small[0] < 500, "unexpected", f"{name}: a small table beside it: {small}")
            if seconds > SECONDS:
                # Work that nobody waits for must not be counted for the next case.
                server.kill()
                server.started()
        bench.tally.check(embedding.end() == 0, "unexpected", f"{embedding.bad} requests to /embed failed beside tables")
        bench.tally.replies(server, "tables")
    bench.details["requests"] = outcomes
