"""A transformer as people publish it, so small that a job with it is over in a second. Its vectors mean nothing."""

import json
import struct
from pathlib import Path

POSITIONS, LAYERS, HIDDEN = 512, 2, 16


def publish(folder: Path, layers: int = LAYERS, hidden: int = HIDDEN) -> None:
    """Writes a sentence-transformers model whose tokens are bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "model.safetensors", tensors(layers, hidden))
    write(folder / "config.json", {
        "model_type": "bert", "vocab_size": 260, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": 2, "intermediate_size": 2 * hidden, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "pad_token_id": 0})
    write(folder / "tokenizer.json", tokenizer())
    names = ["Transformer", "Pooling", "Normalize"]
    write(folder / "modules.json", [
        {"idx": place, "name": str(place), "path": "" if place == 0 else f"{place}_{name}",
         "type": f"sentence_transformers.models.{name}"} for place, name in enumerate(names)])
    write(folder / "1_Pooling/config.json", {
        "word_embedding_dimension": hidden, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def tensors(layers: int, h: int) -> dict:
    shapes = {"embeddings.word_embeddings.weight": [260, h], "embeddings.position_embeddings.weight": [POSITIONS, h],
              "embeddings.token_type_embeddings.weight": [2, h], "pooler.dense.weight": [h, h], "pooler.dense.bias": [h]}
    norms = ["embeddings.LayerNorm"]
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        for name, out, into in [("attention.self.query", h, h), ("attention.self.key", h, h),
                                ("attention.self.value", h, h), ("attention.output.dense", h, h),
                                ("intermediate.dense", 2 * h, h), ("output.dense", h, 2 * h)]:
            shapes[f"{layer}.{name}.weight"], shapes[f"{layer}.{name}.bias"] = [out, into], [out]
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for norm in norms:
        shapes[f"{norm}.weight"], shapes[f"{norm}.bias"] = [h], [h]
    return {name: (shape, numbers(place, name, shape)) for place, (name, shape) in enumerate(sorted(shapes.items()))}


def numbers(tensor: int, name: str, shape: list) -> list:
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    if name.endswith("LayerNorm.weight"):
        return [1.0] * count
    if name.endswith("bias"):
        return [0.0] * count
    return [0.5 * mixed(tensor << 32 | place) for place in range(count)]


def mixed(number: int) -> float:
    """A number from -1 to 1 without a pattern."""
    mask = (1 << 64) - 1
    number = (number + 1) * 0x9E3779B97F4A7C15 & mask
    number = (number ^ (number >> 31)) * 0xBF58476D1CE4E5B9 & mask
    return ((number >> 40) - (1 << 23)) / (1 << 23)


def save(path: Path, named: dict) -> None:
    """Writes float32 tensors, name to (shape, numbers), as safetensors."""
    header, data = {}, b""
    for name, (shape, values) in named.items():
        packed = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def tokenizer(normalizer=None, model=None) -> dict:
    """Every byte is a token. As GPT-2 writes bytes: those that can be seen as they are, others from U+0100 on."""
    seen = [byte for byte in range(256) if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE]
    others = [byte for byte in range(256) if byte not in seen]
    characters = [chr(byte) for byte in seen] + [chr(0x100 + place) for place in range(len(others))]
    vocabulary = {name: place for place, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters])}
    piece = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    text = lambda name, kind: {"Sequence": {"id": name, "type_id": kind}}
    special = lambda name, place: {"id": name, "ids": [place], "tokens": [name]}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": normalizer,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "post_processor": {
            "type": "TemplateProcessing", "single": [piece("[CLS]"), text("A", 0), piece("[SEP]")],
            "pair": [piece("[CLS]"), text("A", 0), piece("[SEP]"), text("B", 1), piece("[SEP]")],
            "special_tokens": {"[CLS]": special("[CLS]", 2), "[SEP]": special("[SEP]", 3)}},
        "decoder": None, "model": model or {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "[UNK]"}}
