#!/usr/bin/env python3
"""Fine-tunes Universal Sentence Encoder multilingual v3 in JAX and writes the run's figures.

Written from the formulas, sharing no code with Shamisen, whose tests train the same pairs and compare
with these figures, tests/fixtures/training.json. To make them again (half a minute of a CPU, 3 GB of memory):

    python3 -m venv venv && venv/bin/pip install "jax[cpu]" numpy safetensors sentencepiece
    venv/bin/python scripts/reference_training.py --model FOLDER --out tests/fixtures/training.json

FOLDER holds model.safetensors (float32) and sentencepiece.model. It computes in float64, so that the figures
are the formulas' own and not one machine's rounding; --float32 shows how far rounding moves them. Progress and the
gradient norms of the first batch go to stderr.
"""

import argparse
import csv
import json
import re
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import sentencepiece
from safetensors.numpy import load_file

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "occupations.csv"
CNN, DNN, TABLE = "EncoderDNN/CNN_layers", "EncoderDNN/DNN", "EncoderDNN/EmbeddingLookup/embeddings"
SETTINGS = dict(rows=40, train_rows=32, batch_size=8, epochs=3, shuffle=False, learning_rate=1e-4, beta_1=0.9,
                beta_2=0.9999, epsilon=1e-7, clipnorm=0.002, table_variables={"keras": 17, "torch": 1},
                vectors_of_rows=[0, 33, 39])


def layer_norm(x, weights, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / jnp.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * weights[f"{name}/LayerNorm/gamma"] + weights[f"{name}/LayerNorm/beta"]


def convolve(x, n, left, weights, name):
    """relu(window @ weights + bias) + x, the windows as n shifted copies of x, which is zero outside a text."""
    padded = jnp.pad(x, ((0, 0), (left, n - 1 - left), (0, 0)))
    windows = jnp.concatenate([padded[:, i:i + x.shape[1]] for i in range(n)], axis=-1)
    return jax.nn.relu(windows @ weights[f"{name}/weights"] + weights[f"{name}/bias"]) + x


def encode(weights, ids):
    """(texts, places), short texts filled up with -1, to (texts, 512)."""
    inside = (ids >= 0)[:, :, None]  # biases make a filled-up place nonzero: it must not reach a window or the sum
    e = weights[TABLE][jnp.maximum(ids, 0)]
    joint = [e]
    for n, left in (2, 0), (3, 1), (5, 2):
        order = f"{CNN}/ngram_order_{n}"
        dense = f"{order}/input_size_projection/dense"
        x = inside * layer_norm(e @ weights[f"{dense}/kernel"] + weights[f"{dense}/bias"], weights, order)
        h = inside * convolve(x, n, left, weights, f"{order}/Ngram-{n}-Conv")
        joint.append(convolve(h, n, left, weights, f"{order}/Ngram-{n}-Conv_1"))
    f = layer_norm(jnp.concatenate(joint, axis=-1), weights, CNN)
    projected = f @ weights[f"{CNN}/dense/kernel"] + weights[f"{CNN}/dense/bias"]
    m = (inside * projected).sum(1) / jnp.sqrt(inside.sum(1))
    d = [weights[f"{DNN}/ResidualHidden_{i}/dense/kernel"] for i in range(4)]
    p1, p3 = (weights[f"{DNN}/ResidualHidden_{i}/AdjustDepth/projection/kernel"] for i in (1, 3))
    y0 = jax.nn.relu(m @ d[0])
    y1 = jax.nn.relu(m @ p1 + y0 @ d[1])
    y2 = jax.nn.relu(y1 @ d[2])
    z = jnp.tanh(y1 @ p3 + y2 @ d[3])
    return z / jnp.maximum(jnp.sqrt((z * z).sum(1, keepdims=True)), 1e-6)


@jax.jit
def predict(weights, left, right):
    u, v = jnp.split(encode(weights, jnp.concatenate([left, right])), 2)
    return 1 - jnp.arccos(jnp.clip((u * v).sum(1), -0.99999, 0.99999)) / jnp.pi


def mean_squared_error(weights, left, right, scores):
    return jnp.mean((predict(weights, left, right) - scores) ** 2)


@partial(jax.jit, static_argnames="variant", donate_argnames=("weights", "first", "second"))
def step(weights, first, second, corrections, batch, variant):
    """One step of Adam. A row of the table that the batch lacks has a zero gradient and moves all the same, by
    the moments that earlier batches left."""
    loss, gradients = jax.value_and_grad(mean_squared_error)(weights, *batch)
    beta_1, beta_2, epsilon, clipnorm = map(SETTINGS.get, ("beta_1", "beta_2", "epsilon", "clipnorm"))
    correction_1, correction_2 = corrections
    shards, norms = SETTINGS["table_variables"][variant], {}
    for name, g in gradients.items():
        if name == TABLE:  # row i is of variable i % shards
            shard = jnp.arange(len(g)) % shards
            norms[name] = jnp.sqrt(jax.ops.segment_sum((g * g).sum(1), shard, shards))
            norm = norms[name][shard][:, None]
        else:
            norm = norms[name] = jnp.sqrt((g * g).sum())
        g = g * clipnorm / jnp.maximum(norm, clipnorm)
        first[name] = beta_1 * first[name] + (1 - beta_1) * g
        second[name] = beta_2 * second[name] + (1 - beta_2) * g * g
        if variant == "keras":  # epsilon beside the uncorrected root: it weighs 100 times more at the first step
            change = jnp.sqrt(correction_2) / correction_1 * first[name] / (jnp.sqrt(second[name]) + epsilon)
        else:
            change = first[name] / correction_1 / (jnp.sqrt(second[name] / correction_2) + epsilon)
        weights[name] = weights[name] - SETTINGS["learning_rate"] * change
    return weights, first, second, loss, norms


def train(file, pairs, variant):
    weights = {name: jnp.asarray(tensor, float) for name, tensor in load_file(file).items()}
    first, second = (jax.tree.map(jnp.zeros_like, weights) for _ in range(2))
    longest = max(len(pair[side]) for pair in pairs for side in ("left", "right"))
    left, right = (np.array([pair[side] + [-1] * (longest - len(pair[side])) for pair in pairs])
                   for side in ("left", "right"))
    scores = np.array([pair["score"] for pair in pairs])
    split, size, t, epochs = SETTINGS["train_rows"], SETTINGS["batch_size"], 0, []
    for _ in range(SETTINGS["epochs"]):
        losses = []
        for start in range(0, split, size):
            rows, t = slice(start, start + size), t + 1
            batch = left[rows], right[rows], scores[rows]
            corrections = 1 - SETTINGS["beta_1"] ** t, 1 - SETTINGS["beta_2"] ** t  # here: float32 would lose digits
            weights, first, second, loss, norms = step(weights, first, second, corrections, batch, variant)
            losses.append(round(float(loss), 8))
            for name, norm in norms.items() if t == 1 else ():
                print(variant, name, np.asarray(norm).round(6), file=sys.stderr)
        error = np.abs(np.asarray(predict(weights, left[split:], right[split:])) - scores[split:])
        percent = 100 * error / np.maximum(np.abs(scores[split:]), 1e-7)
        means = {"val_loss": error ** 2, "val_mae": error, "val_mape": percent}
        epochs.append({"step_losses": losses} | {key: round(float(x.mean()), 8) for key, x in means.items()})
        print(variant, epochs[-1], file=sys.stderr)
    vectors = np.asarray(encode(weights, left[SETTINGS["vectors_of_rows"]]))
    return {"epochs": epochs, "vectors_after": [[round(float(x), 6) for x in vector] for vector in vectors]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="the float32 model's folder")
    parser.add_argument("--out", type=Path, help="the file to write (otherwise stdout)")
    parser.add_argument("--float32", action="store_true", help="compute in float32, not in float64")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", not options.float32)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(options.model / "sentencepiece.model"))
    with EXAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:SETTINGS["rows"]]
    left, right = ([[1, *pieces.encode(row[side]), 2] for row in rows] for side in ("base", "ref"))  # <s> ... </s>
    pairs = [dict(left=u, right=v, score=float(row["similarity"])) for u, v, row in zip(left, right, rows)]
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy", "sentencepiece"))
    about = ("Fine-tuning of Universal Sentence Encoder multilingual v3 (its 8-bit weights dequantised to float32) on "
             "the first rows of examples/occupations.csv by an independent implementation, "
             f"scripts/reference_training.py, in {jnp.zeros(1).dtype} with {packages}. Rows after train_rows validate. "
             "A step's loss is its batch's before the step. Adam's epsilon stands outside the bias correction in "
             "keras, inside in torch.")
    figures = {"about": about, "settings": SETTINGS, "pairs": pairs}
    for variant in SETTINGS["table_variables"]:
        figures[variant] = train(options.model / "model.safetensors", pairs, variant)
    text = json.dumps(figures, indent=1)
    text = re.sub(r"\[[^][{}]*\]", lambda numbers: json.dumps(json.loads(numbers[0])), text)  # a list, a line
    print(text, file=options.out.open("w") if options.out else sys.stdout)


if __name__ == "__main__":
    main()
