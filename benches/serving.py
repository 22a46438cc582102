#!/usr/bin/env python3
"""How fast the server answers over loopback, beside onnxruntime in process, in turns of one run.

    python3 benches/serving.py --pairs stsb-en-dev.csv [--seconds 6] [--rounds 3] [--soak 600] [--models 32]

Needs `wrk` (Debian's package), a built server (`make model`), and for the peers the reference environment, which it
makes. The texts are those of the first 500 pairs. USE's peer is its 8-bit ONNX file in onnxruntime with
onnxruntime-extensions (tokenization in the graph), 64 texts a batch; MiniLM's is float32 in onnxruntime, sorted batches of
32. Vectors are not cached (SHAMISEN_VECTOR_CACHE_BYTES stays 0).
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import minilm_peers as peers

USE, MINILM = "use-multilingual-v3", "all-minilm-l6-v2"
# model, texts a request, clients
LOADS = [(USE, 64, 4), (USE, 1, 64), (USE, 1, 1), (MINILM, 32, 4), (MINILM, 1, 32), (MINILM, 1, 1)]
SCRIPT = """
local i, offset = 0, 0
function setup(thread) thread:set("offset", offset); offset = offset + 37 end
function init() i = offset end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request() i = i + 1; return wrk.format(nil, "/embed", nil, bodies[i % #bodies + 1]) end
"""


class Server:
    """`shamisen serve` over a folder of its own that links the base models."""

    def __init__(self, *arguments):
        self.folder = tempfile.TemporaryDirectory()
        models = Path(self.folder.name) / "models"
        models.mkdir()
        for model in (USE, MINILM):
            (models / model).symlink_to((peers.ROOT / "data/models" / model).resolve())
        self.arguments = arguments

    def start(self):
        command = [peers.ROOT / "target/release/shamisen", "serve", "--port", "0", "--log", "warn", "--data", self.folder.name]
        self.process = subprocess.Popen([*command, *self.arguments], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if found := re.search(r"listens on (http://[^/]+)", line):
                self.address = found[1]
            if "is ready" in line:
                return self
        raise SystemExit("the server did not start; run `make model` once before")

    def embed(self, texts, model=USE):
        body = json.dumps({"inputs": texts, "model": model}).encode()
        request = urllib.request.Request(self.address + "/embed", body, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))

    def resident(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def load(server, texts, model, size, clients, seconds):
    """Texts a second, p50 and p99 in milliseconds, and requests that failed."""
    bodies = [json.dumps({"inputs": texts[i:i + size], "model": model}) for i in range(0, len(texts) // size * size, size)]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("bodies = {" + ",\n".join(f"[==[{body}]==]" for body in bodies) + "}\n" + SCRIPT)
        script.flush()
        said = subprocess.run(["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", script.name,
                               server.address], capture_output=True, text=True, check=True).stdout
    p50, p99 = (milliseconds(re.search(rf"^ +{share}%\s+(\S+)", said, re.M)[1]) for share in (50, 99))
    failed = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    failed += sum(int(number) for line in re.findall(r"Socket errors: (.*)", said) for number in re.findall(r"\d+", line))
    return float(re.search(r"Requests/sec:\s+(\S+)", said)[1]) * size, p50, p99, failed


class UseInOnnxRuntime:
    def __init__(self, threads):
        import numpy
        import onnxruntime

        self.np = numpy
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.log_severity_level = threads, 3
        settings.register_custom_ops_library(extensions())
        model = peers.ROOT / "deps/use-multilingual-v3-onnx/model.onnx"
        self.session = onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])

    def encode(self, texts):
        for start in range(0, len(texts), 64):
            self.session.run(None, {"inputs": self.np.array(texts[start:start + 64], dtype=object)})


def extensions():
    """The library of onnxruntime-extensions, fetched once into the cache folder."""
    folder = peers.cache_folder() / "onnxruntime-extensions-0.15.2"
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target", folder,
                        "onnxruntime-extensions==0.15.2"], check=True, stdout=sys.stderr)
    sys.path.insert(0, str(folder))
    from onnxruntime_extensions import get_library_path

    return get_library_path()


def throughput(options, texts):
    theirs = {USE: UseInOnnxRuntime(options.threads), MINILM: peers.OnnxRuntime(peers.ROOT / "deps/all-MiniLM-L6-v2", options.threads, 256)}
    server = Server().start()
    rates, latencies, failed = {}, {}, 0
    for number in range(options.rounds + 1):
        for what in LOADS:
            rate, p50, p99, errors = load(server, texts, *what, options.seconds)
            failed += errors
            if number:  # the first round warms up
                rates.setdefault(what, []).append(rate)
                latencies.setdefault(what, []).append((p50, p99))
        for model, peer in theirs.items():
            rate = peers.texts_per_second(peer, texts)
            if number:
                rates.setdefault(model, []).append(rate)
    server.stop()
    median = {what: statistics.median(values) for what, values in rates.items()}
    for what in LOADS:
        p50, p99 = (statistics.median(values) for values in zip(*latencies[what]))
        peers.say("load", model=what[0], texts_a_request=what[1], clients=what[2], texts_per_second=round(median[what]),
                  p50_ms=p50, p99_ms=p99, to_onnxruntime=round(median[what] / median[what[0]], 2))
    for model in theirs:
        peers.say("onnxruntime in process", model=model, texts_per_second=round(median[model]))
    many, bulk = median[USE, 1, 64], median[USE, 64, 4]
    peers.say("64 clients with one text each, to batches of 64", ratio=round(many / bulk, 2), failed_requests=failed)


def memory(options, texts):
    """The server's resident memory with one tuned USE model in use and with many."""
    server = Server("--max-models", str(options.models))
    tune = [peers.ROOT / "target/release/shamisen", "train", "--data", server.folder.name, "--pairs",
            peers.ROOT / "examples/occupations.csv", "--name", "tuned-0", "--recipe", "tutorial", "--set", "epochs=1"]
    subprocess.run(tune, check=True, capture_output=True)
    folder = Path(server.folder.name) / "models"
    for number in range(1, options.models):
        subprocess.run(["cp", "-r", folder / "tuned-0", folder / f"tuned-{number}"], check=True)
        card = folder / f"tuned-{number}/shamisen.json"
        card.write_text(card.read_text().replace('"tuned-0"', f'"tuned-{number}"'))
    server.start()
    took = []
    for number in range(options.models):
        server.embed(texts, f"tuned-{number}")
        took.append(server.resident())
    server.stop()
    peers.say("resident memory", one_model_mb=round(took[0]), models=options.models, all_mb=round(took[-1]),
              ratio=round(took[-1] / took[0], 2))


def soak(options, texts):
    server = Server().start()
    sizes, failed, until = [], 0, time.monotonic() + options.soak
    while time.monotonic() < until:
        for what in LOADS[:2]:
            failed += load(server, texts, *what, 10)[3]
        sizes.append(server.resident())
    server.stop()
    settled = sizes[len(sizes) // 5:]
    peers.say("soak", seconds=options.soak, failed_requests=failed, resident_mb=[round(size) for size in sizes],
              growth=round(settled[-1] / settled[0] - 1, 4))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="text, text, score; no header")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3, help="0: throughput is not measured")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", type=int, default=32, help="tuned models in memory; 0: not measured")
    parser.add_argument("--soak", type=int, default=0, help="seconds")
    options = parser.parse_args()
    python = peers.reference_python()
    if Path(sys.executable) != python:
        os.environ.update(peers.ENVIRONMENT)
        os.execv(python, [python, __file__, *sys.argv[1:]])
    peers.prepare(options.threads)
    texts = peers.texts_of(peers.read_rows(options.pairs, 500))
    if options.rounds:
        throughput(options, texts)
    if options.models:
        memory(options, texts)
    if options.soak:
        soak(options, texts)


if __name__ == "__main__":
    main()
