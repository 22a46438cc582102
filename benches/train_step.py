#!/usr/bin/env python3
"""Shamisen's training step against PyTorch's, a taller table, and libtorch's own sgemm peak.

    python3 benches/train_step.py [--pairs FILE.csv] [--rounds 5]

Both sides train the same pairs in the same batches of 8 with the same libtorch and threads; first their losses are
compared, step by step. Then they take turns, and the medians of the rounds' ratios are set beside the targets. PyTorch
is installed once, in the virtual environment of scripts/reference_env.py (2 GB).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from fetch_deps import TORCH
from reference_env import reference_python

MODEL = ROOT / "data/models/use-multilingual-v3"


class Shamisen:
    """The benchmark's binary, `benches/train_step/`."""

    def __init__(self, pairs, threads):
        build = ["cargo", "bench", "--locked", "--bench", "train_step", "--no-run", "--message-format", "json"]
        messages = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        built = [message for message in map(json.loads, messages) if message.get("executable")]
        [self.binary] = [message["executable"] for message in built if message["target"]["name"] == "train_step"]
        self.options = ["--model", MODEL, "--pairs", pairs, "--threads", str(threads)]

    def lines(self, what, **options):
        arguments = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
        command = [self.binary, what, *self.options, *arguments]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return [json.loads(line) for line in output.splitlines()]


def steps(contender, batches):
    """A training run's losses and its pairs a second."""
    started, losses = time.perf_counter(), []
    for batch in batches:
        left, right, scores = ([pair[side] for pair in batch] for side in ("left", "right", "score"))
        losses.append(contender.step(left, right, scores))
    return losses, sum(map(len, batches)) / (time.perf_counter() - started)


def verdict(what, value, target, at_least=True):
    met = value >= target if at_least else value <= target
    bound = "at least" if at_least else "at most"
    print(f"{what}: {value:.2f} (target: {bound} {target}) {'MET' if met else 'MISSED'}", flush=True)


def compare_with_pytorch(shamisen, rounds):
    import pytorch_use as pytorch
    from safetensors.torch import load_file

    weights, size = load_file(MODEL / "model.safetensors"), 8
    pairs = shamisen.lines("tokens")
    batches = [pairs[start:start + size] for start in range(0, len(pairs), size)]
    few = batches[:8]  # of a dense step, which takes long
    fused, ragged, padded = {"fused": True}, pytorch.Ragged, pytorch.Padded
    contenders = {  # name: (contender, what a round trains)
        "dense, torch.optim.Adam": (pytorch.Dense(weights, ragged, {}, False), few),
        "dense, fused": (pytorch.Dense(weights, ragged, fused, False), few),
        "sparse, fused, conv1d": (pytorch.Sparse(weights, padded, fused, False), batches),
        "sparse, fused, index_select": (pytorch.Sparse(weights, ragged, fused, False), batches),
        "the same, texts summed first": (pytorch.Sparse(weights, ragged, fused, True), batches),
    }
    del weights
    [ours] = shamisen.lines("epochs", rounds=1, batch_size=size)
    for name, (contender, batches_of_round) in contenders.items():  # this warms them up, too
        losses, _ = steps(contender, batches_of_round)
        worst = max(abs(a - b) for a, b in zip(losses, ours["losses"]))
        print(f"losses of {len(losses)} steps, {name}: within {worst:.0e} of Shamisen's", flush=True)
        if worst > 1e-4:
            raise SystemExit("PyTorch's losses are not Shamisen's: the comparison would mean nothing")

    rates, ratios = {name: [] for name in ["Shamisen", *contenders]}, {name: [] for name in contenders}
    for _ in range(rounds):
        epochs = shamisen.lines("epochs", rounds=4, batch_size=size)[1:]
        rates["Shamisen"].append(statistics.median(epoch["pairs_per_second"] for epoch in epochs))
        for name, (contender, batches_of_round) in contenders.items():
            rates[name].append(steps(contender, batches_of_round)[1])
            ratios[name].append(rates["Shamisen"][-1] / rates[name][-1])
    print(f"{'batches of 8':<30} pairs/s  Shamisen to it (lowest, highest)")
    for name, values in rates.items():
        line = f"{name:<30} {statistics.median(values):7.1f}"
        if name in ratios:
            line += f"  {statistics.median(ratios[name]):.2f} ({min(ratios[name]):.2f}, {max(ratios[name]):.2f})"
        print(line, flush=True)
    verdict("pairs a second to dense PyTorch's", statistics.median(ratios["dense, torch.optim.Adam"]), 10)
    verdict("pairs a second to sparse PyTorch's", statistics.median(ratios["sparse, fused, index_select"]), 1.3)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, default=ROOT / "examples/occupations.csv")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    python = reference_python()
    if Path(sys.executable) != python:
        # As the supervisor starts the trainer: a thread that waits gives up its core (RESULTS.md tells why).
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        os.execv(python, [python, __file__, *sys.argv[1:]])
    import torch

    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    shamisen = Shamisen(options.pairs.resolve(), threads)
    print(f"{options.pairs.name}, {threads} threads, libtorch {TORCH}")
    compare_with_pytorch(shamisen, options.rounds)

    [result] = shamisen.lines("vocabulary", rounds=options.rounds + 1)
    low, high = result["table_rows"]
    assert result["losses_equal"], "the two tables gave different losses"
    print(f"an epoch over {low} rows {result['epoch_seconds'][0]:.2f} s, over {high} rows"
          f" {result['epoch_seconds'][1]:.2f} s; equal losses")
    verdict("a step over the taller table to one over the model's", result["ratio"], 1.1, at_least=False)

    for size in 8, 64:
        [result] = shamisen.lines("peak", batch_size=size, rounds=2 * options.rounds + 1)
        print(f"batches of {size}: {result['tokens']} tokens in {result['batches']} batches, {result['gflop']:.1f} GFLOP;"
              f" forward {1000 * result['forward_seconds']:.0f} ms, backward {1000 * result['backward_seconds']:.0f} ms, {result['share_of_peak']:.2f} of the peak;"
              f" sgemm peak {result['peak_gflops']:.0f} GFLOPS, products of these shapes by themselves"
              f" {result['own_shapes_share_of_peak']:.2f} of it and {result['products_share_of_time']:.2f} of the time")
    verdict("forward and backward at batch 64 to the sgemm peak", result["share_of_peak"], 0.6)


if __name__ == "__main__":
    main()
