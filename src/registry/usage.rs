//! How an exported model is used from Python without Shamisen: the head of its README.

use serde_json::json;

use super::markdown::{block, escaped};
use crate::ml::encoder::{Model, Tokenizer};

/// The head of a folder that sentence-transformers reads, and how it does; nothing for a model that it cannot
/// read. The lines between dashes are what a hub of models asks for.
pub(super) fn sentence_transformers(model: &Model) -> String {
    if let Tokenizer::SentencePiece(_) = *model.tokenizer {
        return String::new();
    }
    let to_length = if model.encoder.normalizes() { "" } else { ", normalize_embeddings=True" };
    let python = format!(
        r#"from sentence_transformers import SentenceTransformer

model = SentenceTransformer(".")  # this folder
vectors = model.encode(["Data Scientist", "看護師"]{to_length})
print(vectors @ vectors.T)  # the cosine of each text with each"#
    );
    format!(
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n- sentence-transformers\n- sentence-similarity\n- feature-extraction\n---\n\n# {} for sentence-transformers\n\nThe folder is in the form of sentence-transformers, which gives the vectors that Shamisen gives.\n\n{}\n{}\nThe model's card follows.\n\n",
        escaped(&model.card.name),
        block("sh", "pip install sentence-transformers"),
        block("python", &python),
    )
}

/// How an exported `model.pt` is used.
pub(super) fn torchscript(model: &Model) -> String {
    let TokenIds { package, python: ids, told } = TokenIds::of(model);
    let python = format!(
        r#"import {package}, torch

model = torch.jit.load("model.pt")
{ids}
lengths = torch.tensor([len(one) for one in ids])
with torch.no_grad():
    vectors = model(torch.tensor(sum(ids, [])), lengths)
print(vectors @ vectors.T)  # the cosine of each text with each"#
    );
    format!(
        "# {} as TorchScript\n\n`model.pt` holds all weights; PyTorch runs it without Shamisen. `forward(ids, lengths)` takes the token ids of all texts one after another, int64 `(N,)`, and each text's number of ids, int64 `(B,)`, for any N and B. It gives the texts' vectors, float32 `(B, {})`, of length 1. {told} The weights are constants: the file is for use and not for training.\n\n{}\n{}\nThe model's card follows.\n\n",
        escaped(&model.card.name),
        model.card.dimensions,
        block("sh", &format!("pip install torch {package}")),
        block("python", &python),
    )
}

/// How an exported `model.onnx` is used.
pub(super) fn onnx(model: &Model) -> String {
    let TokenIds { package, python: ids, told } = TokenIds::of(model);
    // As the modules of a transformer leave them.
    let (of_length, to_length) = if model.encoder.normalizes() {
        (", of length 1", "")
    } else {
        (
            ", as the model makes them and not of length 1",
            "vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)\n",
        )
    };
    let python = format!(
        r#"import numpy, onnxruntime, {package}

model = onnxruntime.InferenceSession("model.onnx")
{ids}
longest = max(len(one) for one in ids)
inputs = {{
    "input_ids": numpy.array([one + [0] * (longest - len(one)) for one in ids], numpy.int64),
    "attention_mask": numpy.array([[1] * len(one) + [0] * (longest - len(one)) for one in ids], numpy.int64),
}}
[vectors] = model.run(["sentence_embedding"], inputs)
{to_length}print(vectors @ vectors.T)  # the cosine of each text with each"#
    );
    format!(
        "# {} as ONNX\n\n`model.onnx` (with `model.onnx_data`, where it is there) holds all weights; onnxruntime runs it without Shamisen, and so does what else reads ONNX of operator set 17. `input_ids` and `attention_mask` are int64 `(batch, sequence)`: the token ids of each text, filled up to the longest, and 1 where there is a token, else 0. `sentence_embedding` is the texts' vectors, float32 `(batch, {})`{of_length}. Batch and sequence may be of any size that the model reads, and what the texts are filled up with does not change their vectors. {told}\n\n{}\n{}\nThe model's card follows.\n\n",
        escaped(&model.card.name),
        model.card.dimensions,
        block("sh", &format!("pip install onnxruntime {package}")),
        block("python", &python),
    )
}

/// How Python cuts texts into a model's tokens.
struct TokenIds {
    /// What it imports.
    package: &'static str,
    /// Lines that leave a list of ids for each text in `ids`.
    python: String,
    /// A sentence about them.
    told: &'static str,
}

impl TokenIds {
    fn of(model: &Model) -> Self {
        let max_tokens = model.card.max_tokens;
        let texts = r#"texts = ["Data Scientist", "看護師"]"#;
        if let Tokenizer::SentencePiece(_) = *model.tokenizer {
            let python = format!(
                r#"pieces = sentencepiece.SentencePieceProcessor(model_file="sentencepiece.model")

{texts}
ids = [pieces.encode(text, add_bos=True, add_eos=True) for text in texts]
ids = [one if len(one) <= {max_tokens} else one[:{max_tokens} - 1] + one[-1:] for one in ids]"#
            );
            return Self {
                package: "sentencepiece",
                python,
                told: "The ids are SentencePiece's, `<s>` in front and `</s>` behind.",
            };
        }
        let prompt = model.prompts.prompt(None).unwrap_or_default();
        // A text in JSON is one in Python.
        let prompted = if prompt.is_empty() { "text".to_owned() } else { format!("{} + text", json!(prompt)) };
        let read = if model.tokenizer.lowercases() { format!("({prompted}).lower()") } else { prompted };
        let python = format!(
            r#"tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation({max_tokens})

{texts}
ids = [one.ids for one in tokenizer.encode_batch([{read} for text in texts])]"#
        );
        Self { package: "tokenizers", python, told: "The ids are those of `tokenizer.json`." }
    }
}
