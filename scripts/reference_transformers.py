#!/usr/bin/env python3
"""Vectors and gradients of small random transformers, by transformers and sentence-transformers themselves.

    $(python3 scripts/reference_env.py) scripts/reference_transformers.py --out tests/golden/transformers.json

Each model is saved as sentence-transformers saves it and loaded again; the file holds everything of the folder but the
weights, which whoever compares makes from the tensors' names (`filled`). Texts are token ids: the tokenizer's words are
"0" to "39". Each text is encoded alone, in float32 on one thread.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer, __version__ as sentence_transformers_version
from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers

FILLED = ("FNV-1a 64 of a tensor's name (UTF-8) seeds SplitMix64. Of its i-th number, taken for the tensor's i-th element in "
          "row-major order, k is the upper 24 bits and x = (k - 2^23) / 2^23. A tensor of two dimensions holds 0.5 x, one of "
          "one dimension 0.25 x, or 1 + 0.25 x if its name ends in .weight; all in float32. A module's tensor is named with "
          "its folder: 2_Dense/linear.weight.")
TEXTS = [[17], [2, 31, 8, 8, 3], [2, 5, 39, 12, 20, 4, 33, 33, 9, 26, 14, 7, 3],
         [2, *((7 * i * i + 11 * i) % 36 + 4 for i in range(28)), 3]]
PAIRS = [(1, 2, 0.9), (3, 0, 0.1), (2, 3, 0.5)]  # of TEXTS, with scores

WIDTH, VOCABULARY = 16, 40
SMALL = dict(vocab_size=VOCABULARY, max_position_embeddings=40, hidden_size=WIDTH, intermediate_size=24,
             num_hidden_layers=2, num_attention_heads=4)
MODERN = dict(SMALL, num_hidden_layers=4, num_attention_heads=2, pad_token_id=0, bos_token_id=2, eos_token_id=3,
              cls_token_id=2, sep_token_id=3)
# As transformers 4 wrote them; transformers 5 reads these keys and writes layer_types and rope_parameters.
MODERN_4 = dict(MODERN, model_type="modernbert", architectures=["ModernBertModel"], torch_dtype="float32",
                transformers_version="4.48.0", hidden_activation="gelu", norm_eps=1e-5, local_attention=5,
                global_attn_every_n_layers=2, global_rope_theta=3000.0, local_rope_theta=50.0, norm_bias=True,
                attention_bias=True, mlp_bias=True, position_embedding_type="absolute", tie_word_embeddings=True)


def mean():
    return [Pooling(WIDTH, "mean")]


# name: (configuration, or config.json itself, {variant's name: modules behind the transformer}); the first is trained.
CASES = {
    "bert": (transformers.BertConfig(**SMALL), {
        "mean, Normalize": lambda: [*mean(), Normalize()],
        "cls": lambda: [Pooling(WIDTH, "cls")],
        "max": lambda: [Pooling(WIDTH, "max")],
        "mean": mean,
        "mean_sqrt_len_tokens": lambda: [Pooling(WIDTH, "mean_sqrt_len_tokens")],
        "lasttoken": lambda: [Pooling(WIDTH, "lasttoken")],
        "cls and mean": lambda: [Pooling(WIDTH, ("cls", "mean"))],
    }),
    "bert, modules": (transformers.BertConfig(**SMALL, hidden_act="gelu_new"), {
        "Dense with Tanh, LayerNorm": lambda: [*mean(), Dense(WIDTH, 12), LayerNorm(12)],
        "Dense with Identity, without bias": lambda: [
            Pooling(WIDTH, ("max", "mean")), Dense(2 * WIDTH, 6, bias=False, activation_function=torch.nn.Identity()),
            Normalize()],
    }),
    "bert, relu": (transformers.BertConfig(**SMALL, hidden_act="relu", layer_norm_eps=1e-3), {"mean": mean}),
    "roberta": (transformers.RobertaConfig(**SMALL, type_vocab_size=1, layer_norm_eps=1e-5), {"mean": mean}),
    "xlm-roberta": (transformers.XLMRobertaConfig(**SMALL, type_vocab_size=1, layer_norm_eps=1e-5), {
        "cls, Normalize": lambda: [Pooling(WIDTH, "cls"), Normalize()]}),
    "distilbert": (transformers.DistilBertConfig(
        vocab_size=VOCABULARY, max_position_embeddings=40, dim=WIDTH, hidden_dim=24, n_layers=2, n_heads=2), {"mean": mean}),
    "mpnet": (transformers.MPNetConfig(**SMALL, layer_norm_eps=1e-5), {
        "mean, Normalize": lambda: [*mean(), Normalize()]}),
    "modernbert": (transformers.ModernBertConfig(**MODERN, local_attention=4), {
        "mean": mean, "cls": lambda: [Pooling(WIDTH, "cls")]}),
    "modernbert, as transformers 4 wrote it": (MODERN_4, {"mean, Normalize": lambda: [*mean(), Normalize()]}),
}


def filled(name, shape):
    """See FILLED. Numbers of 64 bits wrap around."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    places = np.arange(1, np.prod(shape) + 1, dtype=np.uint64)
    z = np.uint64(seed) + places * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    k = (z ^ (z >> np.uint64(31))) >> np.uint64(40)
    x = ((k.astype(np.float64) - 2**23) / 2**23).astype(np.float32).reshape(shape)
    if len(shape) == 2:
        return np.float32(0.5) * x
    return np.float32(0.25) * x + np.float32(name.endswith(".weight"))


def tokenizer(pad_token_id):
    """Words are token ids, in brackets: tokens that are declared special are found inside of words too."""
    words = models.WordLevel({f"<{i}>": i for i in range(VOCABULARY)}, unk_token="<3>")
    made = Tokenizer(words)
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<3>", pad_token=f"<{pad_token_id}>",
                                                model_max_length=36)


def save_transformer(config, folder):
    """A model of that configuration, its weights filled. Returns its tensors' shapes."""
    given = config if isinstance(config, dict) else None
    if given:
        (folder / "config.json").write_text(json.dumps(given))
        config = transformers.AutoConfig.from_pretrained(folder)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    if given:
        (folder / "config.json").write_text(json.dumps(given))
    tokenizer(config.pad_token_id).save_pretrained(folder)
    return refill(folder / "model.safetensors", "")


def refill(weights, prefix):
    shapes = {name: list(tensor.shape) for name, tensor in sorted(load_file(weights).items())}
    save_file({name: filled(prefix + name, shape) for name, shape in shapes.items()}, weights, {"format": "pt"})
    return {prefix + name: shape for name, shape in shapes.items()}


def text_files(folder, pattern):
    return {str(path.relative_to(folder)): json.loads(path.read_text()) for path in sorted(folder.glob(pattern))}


def save_encoder(transformer, modules, folder):
    """What sentence-transformers saves of both, the modules filled. Returns the modules' tensors' shapes."""
    SentenceTransformer(modules=[Transformer(str(transformer)), *modules], device="cpu").save(
        str(folder), create_model_card=False)
    shapes = {}
    for weights in sorted(folder.glob("*/model.safetensors")):
        shapes |= refill(weights, f"{weights.parent.name}/")
    return shapes


def words(text):
    return " ".join(f"<{i}>" for i in text)


def decimals(values):
    """Of float32, as few digits as name it."""
    return [float(str(np.float32(value))) for value in values]


def training(model, tensors):
    """The mean over PAIRS of (cosine of the two vectors - score)^2 without dropout, and its gradient's norms."""
    vectors = [model(model.preprocess([words(text)]))["sentence_embedding"][0] for text in TEXTS]
    cosines = [torch.cosine_similarity(vectors[left], vectors[right], dim=0) for left, right, _ in PAIRS]
    loss = sum((cosine - score) ** 2 for cosine, (*_, score) in zip(cosines, PAIRS)) / len(PAIRS)
    loss.backward()
    gradients = {}
    for index, module in enumerate(model):
        prefix, owner = (f"{index}_{type(module).__name__}/", module) if index else ("", module.model)
        gradients |= {prefix + name: parameter.grad for name, parameter in owner.named_parameters()}
    assert set(gradients) == set(tensors)
    norms = [None if gradients[name] is None else decimals([gradients[name].norm()])[0] for name in tensors]
    return {"loss": decimals([loss.item()])[0], "gradient_norms": norms}


def case(name, config, variants):
    with tempfile.TemporaryDirectory() as folder:
        transformer = Path(folder) / "transformer"
        transformer.mkdir()
        made = {"name": name, "tensors": save_transformer(config, transformer)}
        made["files"], made["variants"] = text_files(transformer, "*.json"), []
        for index, (variant, modules) in enumerate(variants.items()):
            saved = Path(folder) / str(index)
            shapes = save_encoder(transformer, modules(), saved)
            model = SentenceTransformer(str(saved), device="cpu").float().eval()
            vectors = [model.encode([words(text)])[0] for text in TEXTS]
            files = text_files(saved, "*/config.json") | text_files(saved, "modules.json")
            made["variants"].append({"name": variant, "files": files, "tensors": shapes,
                                     "vectors": [decimals(vector) for vector in vectors]})
            if index == 0:
                made["training"] = training(model, [*made["tensors"], *shapes])
            spread = np.std(np.stack(vectors), axis=0).mean()
            lengths = ", ".join(f"{np.linalg.norm(vector):.3f}" for vector in vectors)
            print(f"{name}, {variant}: norms {lengths}; spread {spread:.3f}", file=sys.stderr)
        return made


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, required=True)
    out = arguments.parse_args().out
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    head = {
        "made_by": "scripts/reference_transformers.py",
        "versions": {"transformers": transformers.__version__, "sentence-transformers": sentence_transformers_version,
                     "torch": torch.__version__},
        "weights": FILLED,
        "weights_example": {name: decimals(filled(name, [3, 1])[:, 0] if name.endswith("table") else filled(name, [3]))
                            for name in ("table", "norm.weight", "norm.bias")},
        "training": "of a case's first variant, the mean over the pairs of (cosine - score)^2, without dropout, and the L2 norm "
                    "of each tensor's gradient, in the order of the case's tensors and then the variant's; null: takes no part",
        "texts": TEXTS,
        "pairs": PAIRS,
    }
    cases = [case(name, *about) for name, about in CASES.items()]
    lines = ",\n".join(json.dumps(made, separators=(",", ":")) for made in cases)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(head)[:-1] + f',\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
