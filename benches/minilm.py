#!/usr/bin/env python3
"""all-MiniLM-L6-v2 in Shamisen, sentence-transformers and onnxruntime, taking turns in one run.

    cargo build --release --bench minilm
    python3 benches/minilm.py --model FOLDER --pairs stsb-en-dev.csv --train stsb-en-train.csv [--rounds 5]

Encoding: the texts of the first 500 pairs, tokenization included. Training: cosine MSE, AdamW, batches of 32 and of 8,
the model's own dropout; the losses of the first steps without dropout are compared. Ratios are of medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import minilm_peers as peers

TARGETS = {"encode, onnxruntime": 1.15, "encode, sentence-transformers": 1.5, "train 32, sentence-transformers": 1.4,
           "train 8, sentence-transformers": 2.5}


class Shamisen:
    def __init__(self, options):
        program = sorted((peers.ROOT / "target/release/deps").glob("minilm-*"), key=lambda path: path.stat().st_mtime)
        program = [path for path in program if os.access(path, os.X_OK) and path.is_file()][-1]
        given = ["--model", options.model, "--pairs", options.pairs, "--train", options.train]
        # As the server starts its trainer, which does both.
        environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "MALLOC_MMAP_THRESHOLD_": "33554432",
                                    "MALLOC_TRIM_THRESHOLD_": "1073741824"}
        self.process = subprocess.Popen([program, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)

    def ask(self, *command):
        print(*command, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("Shamisen's program ended; what it said is above")
        return json.loads(answer)


def measure(options):
    texts = peers.texts_of(peers.read_rows(options.pairs, 500))
    rows = peers.read_rows(options.train, 1000)
    ours = Shamisen(options)
    theirs = peers.SentenceTransformers(options.model)
    onnx = peers.OnnxRuntime(options.model, options.threads, theirs.model.max_seq_length)
    trainings = {size: peers.Training(options.model, rows, size, dropout=True) for size in (32, 8)}
    steps = {32: 8, 8: 24}
    for size in trainings:
        expected = peers.Training(options.model, rows, size, dropout=False)
        found = ours.ask("train", size, 4, "false")["losses"]
        apart = max(abs(a - expected.step()) for a in found)
        peers.say("losses", batch_size=size, steps=len(found), largest_difference=apart)
    rates = {}
    note = lambda what, who, rate: rates.setdefault((what, who), []).append(rate)
    for _ in range(options.rounds + 1):
        note("encode", "shamisen", ours.ask("encode")["texts_per_second"])
        note("encode", "onnxruntime", peers.texts_per_second(onnx, texts))
        note("encode", "sentence-transformers", peers.texts_per_second(theirs, texts))
        for size, training in trainings.items():
            note(f"train {size}", "shamisen", ours.ask("train", size, steps[size], "true")["pairs_per_second"])
            note(f"train {size}", "sentence-transformers", training.pairs_per_second(steps[size]))
        note("sgemm", "libtorch", peers.sgemm_gflops())
    medians = {}
    for (what, who), values in rates.items():
        medians[what, who] = statistics.median(values[1:])  # the first round warms up
        peers.say(what, who=who, median=round(medians[what, who], 2), rounds=[round(value, 1) for value in values[1:]])
    for (what, who), value in medians.items():
        if ("shamisen" != who) and what != "sgemm":
            name = f"{what}, {who}"
            peers.say("ratio", of=name, ratio=round(medians[what, "shamisen"] / value, 3), wanted=TARGETS[name])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="all-MiniLM-L6-v2's folder in data/models")
    parser.add_argument("--pairs", type=Path, required=True, help="its first 500 rows' texts are encoded")
    parser.add_argument("--train", type=Path, required=True, help="its first rows are trained on")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    python = peers.reference_python()
    if Path(sys.executable) != python:
        os.environ.update(peers.ENVIRONMENT)
        os.execv(python, [python, __file__, *sys.argv[1:]])
    peers.prepare(options.threads)
    measure(options)


if __name__ == "__main__":
    main()
