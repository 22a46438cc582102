#!/usr/bin/env python3
"""What others do with all-MiniLM-L6-v2: sentence-transformers, onnxruntime, and libtorch's own sgemm peak.

    python3 benches/minilm_peers.py --model FOLDER --pairs stsb-en-dev.csv --train stsb-en-train.csv [--rounds 5]

FOLDER is in the form of sentence-transformers; the tables hold text, text, score from 0 to 5 and no header. Each
measurement is a class or a function of its own, so that another program may take turns with it. Prints JSON lines.

onnxruntime gets PyTorch's export of plain attention, mean and length 1 in the graph, made once into the cache folder. It
optimizes that itself when it loads it; what its optimizer for transformers makes of it was no faster.
"""

import argparse
import csv
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from fetch_deps import cache_folder
from reference_env import reference_python

LEARNING_RATE, WEIGHT_DECAY, CLIP = 2e-5, 0.01, 1.0
# GOMP_SPINCOUNT: a thread that waits gives up its core (RESULTS.md tells why). Every contender runs so.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
               "TOKENIZERS_PARALLELISM": "true", "GOMP_SPINCOUNT": "1000"}


def read_rows(path, count):
    """The first rows: text, text, score from 0 to 1."""
    with open(path, newline="", encoding="utf-8") as file:
        return [(left, right, float(score) / 5) for left, right, score in list(csv.reader(file))[:count]]


def texts_of(rows):
    return [text for left, right, _ in rows for text in (left, right)]


class SentenceTransformers:
    """Encodes as its users do: texts sorted by length, batches of 32."""

    def __init__(self, folder):
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(str(folder), device="cpu")

    def encode(self, texts):
        return self.model.encode(texts, batch_size=32, show_progress_bar=False)


class OnnxRuntime:
    """Float32; token ids by `tokenizers`, texts sorted by tokens, batches of 32."""

    def __init__(self, folder, threads, max_seq_length):
        import numpy
        import onnxruntime
        import tokenizers

        self.np = numpy
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_seq_length)
        self.tokenizer.no_padding()
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(exported(folder)), settings, providers=["CPUExecutionProvider"])
        wide = {"tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32}
        self.inputs = {asked.name: wide[asked.type] for asked in self.session.get_inputs()}

    def encode(self, texts):
        np = self.np
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order, vectors = sorted(range(len(ids)), key=lambda i: -len(ids[i])), [None] * len(ids)
        for start in range(0, len(order), 32):
            batch = order[start:start + 32]
            longest = len(ids[batch[0]])
            inside = np.array([[1] * len(ids[i]) + [0] * (longest - len(ids[i])) for i in batch])
            given = {"input_ids": np.array([ids[i] + [0] * (longest - len(ids[i])) for i in batch]),
                     "attention_mask": inside, "token_type_ids": np.zeros_like(inside)}
            [outputs] = self.session.run(None, {name: given[name].astype(kind) for name, kind in self.inputs.items()})
            for i, vector in zip(batch, outputs):
                vectors[i] = vector
        return np.stack(vectors)


def exported(folder):
    """FOLDER as one ONNX model from token ids to vectors of length 1."""
    with open(folder / "model.safetensors", "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    place = cache_folder() / f"minilm-{digest}.onnx"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as draft:
            export(folder, Path(draft) / "model.onnx").rename(place)
    return place


def export(folder, out):
    import torch
    from transformers import AutoModel

    class Vectors(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = AutoModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False).eval()

        def forward(self, input_ids, attention_mask, token_type_ids):
            tokens = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]
            inside = attention_mask.unsqueeze(-1).to(tokens.dtype)
            mean = (tokens * inside).sum(1) / inside.sum(1).clamp_min(1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    names, example = ["input_ids", "attention_mask", "token_type_ids"], torch.ones(2, 7, dtype=torch.long)
    axes = {name: {0: "texts", 1: "tokens"} for name in names} | {"sentence_embedding": {0: "texts"}}
    with warnings.catch_warnings(action="ignore"):  # that a newer exporter exists; its graphs are no faster
        torch.onnx.export(Vectors(), (example, example, 0 * example), out, input_names=names, dynamic_axes=axes,
                          output_names=["sentence_embedding"], opset_version=17, dynamo=False)
    return out


class Training:
    """sentence-transformers' CosineSimilarityLoss with AdamW, step by step; token ids are made beforehand."""

    def __init__(self, folder, rows, batch_size, dropout):
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

        self.torch, self.batch_size, self.next = torch, batch_size, 0
        model = SentenceTransformer(str(folder), device="cpu").train(dropout)
        self.loss = CosineSimilarityLoss(model)
        self.parameters = list(model.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
        self.batches = []
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            left, right, scores = zip(*rows[start:start + batch_size])
            self.batches.append(([model.preprocess(list(left)), model.preprocess(list(right))], torch.tensor(scores)))

    def step(self):
        """The next batch's loss before the step."""
        features, scores = self.batches[self.next % len(self.batches)]
        self.next += 1
        self.optimizer.zero_grad()
        loss = self.loss([dict(texts) for texts in features], scores)
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimizer.step()
        return loss.item()

    def pairs_per_second(self, steps):
        started = time.perf_counter()
        for _ in range(steps):
            self.step()
        return steps * self.batch_size / (time.perf_counter() - started)


def texts_per_second(contender, texts):
    started = time.perf_counter()
    contender.encode(texts)
    return len(texts) / (time.perf_counter() - started)


def sgemm_gflops(side=1024, seconds=0.5):
    """The best of as many square products as fit into that time."""
    import torch

    a, b = torch.rand(side, side), torch.rand(side, side)
    out = a @ b
    best, until = float("inf"), time.perf_counter() + seconds
    while (started := time.perf_counter()) < until:
        torch.mm(a, b, out=out)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best / 1e9


def say(what, **about):
    print(json.dumps({"what": what, **about}), flush=True)


def prepare(threads):
    """Call it first, in an environment of ENVIRONMENT."""
    import torch
    import transformers

    os.environ["RAYON_NUM_THREADS"] = str(threads)  # tokenizers'
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


def measure(options):
    texts = texts_of(read_rows(options.pairs, 500))
    rows = read_rows(options.train, 1000)
    ours = SentenceTransformers(options.model)
    encoders = {"sentence-transformers": ours,
                "onnxruntime": OnnxRuntime(options.model, options.threads, ours.model.max_seq_length)}
    apart = abs(encoders["onnxruntime"].encode(texts) - ours.encode(texts)).max()  # this warms them up, too
    say("agree", texts=len(texts), largest_difference=float(apart))
    if apart > 1e-5:
        raise SystemExit("the two encoders differ: the comparison would mean nothing")
    for size in 8, 32:
        training = Training(options.model, rows, size, dropout=False)
        say("losses", batch_size=size, dropout=False, losses=[training.step() for _ in range(8)])
    trainings = {size: Training(options.model, rows, size, dropout=True) for size in (8, 32)}
    steps = {8: 32, 32: 8}
    for size, training in trainings.items():
        training.pairs_per_second(steps[size] // 4)
    rates = {}
    for _ in range(options.rounds):
        for name, encoder in encoders.items():
            rates.setdefault(("encode", name), []).append(texts_per_second(encoder, texts))
        for size, training in trainings.items():
            rates.setdefault(("train", size), []).append(training.pairs_per_second(steps[size]))
        rates.setdefault(("sgemm", 1024), []).append(sgemm_gflops())
    for (what, which), values in rates.items():
        unit = {"encode": "texts_per_second", "train": "pairs_per_second", "sgemm": "gflops"}[what]
        kind = {"encode": "peer", "train": "batch_size", "sgemm": "side"}[what]
        about = {"dropout": True} if what == "train" else {}
        say(what, **{kind: which}, **about, threads=options.threads, median=round(statistics.median(values), 2),
            unit=unit, rounds=[round(value, 2) for value in values])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="all-MiniLM-L6-v2's folder")
    parser.add_argument("--pairs", type=Path, required=True, help="its first 500 rows' texts are encoded")
    parser.add_argument("--train", type=Path, required=True, help="its first rows are trained on")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    python = reference_python()
    if Path(sys.executable) != python:
        os.environ.update(ENVIRONMENT)
        os.execv(python, [python, __file__, *sys.argv[1:]])
    prepare(options.threads)
    measure(options)


if __name__ == "__main__":
    main()
