#!/usr/bin/env python3
"""What onnxruntime computes of token ids with an ONNX model of a text encoder.

    $(python3 scripts/reference_env.py) scripts/run_onnx.py MODEL.onnx INPUTS.json

INPUTS.json is an array of texts, each an array of token ids. They are filled up to the longest, with --pad-token-id, which
attention_mask marks 0; token_type_ids are 0. Prints one line of JSON: inputs and outputs as the model names them, with
their types and shapes, and vectors (texts, dimensions), the output `sentence_embedding` or else the first of two
dimensions.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime


def session(path, threads):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def feed(model, texts, pad_token_id):
    """Of what the model asks for, the arrays (texts, longest)."""
    longest = max(map(len, texts))
    inside = np.array([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
    given = {
        "input_ids": np.array([text + [pad_token_id] * (longest - len(text)) for text in texts]),
        "attention_mask": inside,
        "token_type_ids": np.zeros_like(inside),
    }
    unknown = [asked.name for asked in model.get_inputs() if asked.name not in given]
    if unknown:
        raise SystemExit(f"the model asks for inputs that a text encoder has not: {', '.join(unknown)}")
    width = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    return {asked.name: given[asked.name].astype(width[asked.type]) for asked in model.get_inputs()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("inputs", type=Path)
    parser.add_argument("--pad-token-id", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: one a core")
    options = parser.parse_args()
    model = session(options.model, options.threads)
    texts = json.loads(options.inputs.read_text())
    names = [output.name for output in model.get_outputs()]
    outputs = dict(zip(names, model.run(None, feed(model, texts, options.pad_token_id))))
    flat = [name for name in names if outputs[name].ndim == 2]
    if not flat:
        raise SystemExit(f"no output has two dimensions: {', '.join(names)}")
    vectors = outputs["sentence_embedding" if "sentence_embedding" in flat else flat[0]]
    print(json.dumps({
        "inputs": [[about.name, about.type, about.shape] for about in model.get_inputs()],
        "outputs": [[about.name, about.type, about.shape] for about in model.get_outputs()],
        "vectors": vectors.tolist(),
    }))


if __name__ == "__main__":
    main()
