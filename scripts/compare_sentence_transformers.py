#!/usr/bin/env python3
"""Vectors by sentence-transformers itself, of a folder in its form; or the folder saved again by it.

    $(python3 scripts/reference_env.py) scripts/compare_sentence_transformers.py FOLDER TEXTS.json
    $(python3 scripts/reference_env.py) scripts/compare_sentence_transformers.py FOLDER --save OUT

TEXTS.json is an array of texts. Prints one line of JSON: vectors (texts, dimensions), max_seq_length, prompts, what the
folder's modules are. On the CPU in float32, offline.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")

import torch
import transformers
from sentence_transformers import SentenceTransformer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("texts", type=Path, nargs="?")
    parser.add_argument("--normalize-embeddings", action="store_true", help="give every vector the length 1")
    parser.add_argument("--prompt-name", help="which of the folder's prompts goes before each text")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--save", type=Path, metavar="OUT", help="save the folder again, here")
    options = parser.parse_args()
    if not options.texts and not options.save:
        parser.error("name TEXTS.json, or --save OUT")
    transformers.utils.logging.disable_progress_bar()
    model = SentenceTransformer(str(options.folder.resolve(strict=True)), device="cpu", local_files_only=True,
                                model_kwargs={"dtype": torch.float32})
    if options.save:
        model.save(str(options.save), create_model_card=False)
    if options.texts:
        vectors = model.encode(json.loads(options.texts.read_text()), batch_size=options.batch_size,
                               prompt_name=options.prompt_name, normalize_embeddings=options.normalize_embeddings,
                               show_progress_bar=False)
        print(json.dumps({
            "vectors": vectors.tolist(),
            "dimensions": model.get_embedding_dimension(),
            "max_seq_length": model.max_seq_length,
            "similarity": model.similarity_fn_name,
            "prompts": model.prompts,
            "default_prompt_name": model.default_prompt_name,
            "modules": [type(module).__name__ for module in model],
        }))


if __name__ == "__main__":
    main()
