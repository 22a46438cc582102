//! How an exported model is used without Shamisen: the head of its README.

use super::markdown::{block, escaped};
use crate::ml::encoder::ModelCard;

/// How an exported `model.pt` is used from Python, without Shamisen.
pub(super) fn torchscript(model: &ModelCard) -> String {
    let ModelCard { dimensions, max_tokens, .. } = model;
    let python = format!(
        r#"import sentencepiece, torch

pieces = sentencepiece.SentencePieceProcessor(model_file="sentencepiece.model")
model = torch.jit.load("model.pt")

texts = ["Data Scientist", "看護師"]
ids = [pieces.encode(text, add_bos=True, add_eos=True) for text in texts]
ids = [one if len(one) <= {max_tokens} else one[:{max_tokens} - 1] + one[-1:] for one in ids]
lengths = torch.tensor([len(one) for one in ids])
with torch.no_grad():
    vectors = model(torch.tensor(sum(ids, [])), lengths)
print(vectors @ vectors.T)  # the cosine of each text with each"#
    );
    format!(
        "# {} as TorchScript\n\n`model.pt` holds all weights; PyTorch runs it without Shamisen. `forward(ids, lengths)` takes the token ids of all texts one after another, int64 `(N,)`, and each text's number of ids, int64 `(B,)`, for any N and B. It gives the texts' vectors, float32 `(B, {dimensions})`, of length 1. The ids are SentencePiece's, `<s>` in front and `</s>` behind. The weights are constants: the file is for use and not for training.\n\n{}\n{}\nThe model's card follows.\n\n",
        escaped(&model.name),
        block("sh", "pip install torch sentencepiece"),
        block("python", &python),
    )
}

/// How an exported `model.onnx` is used from Python, without Shamisen.
pub(super) fn onnx(model: &ModelCard) -> String {
    let ModelCard { dimensions, max_tokens, .. } = model;
    let python = format!(
        r#"import numpy, onnxruntime, sentencepiece

pieces = sentencepiece.SentencePieceProcessor(model_file="sentencepiece.model")
model = onnxruntime.InferenceSession("model.onnx")

texts = ["Data Scientist", "看護師"]
ids = [pieces.encode(text, add_bos=True, add_eos=True) for text in texts]
ids = [one if len(one) <= {max_tokens} else one[:{max_tokens} - 1] + one[-1:] for one in ids]
longest = max(len(one) for one in ids)
inputs = {{
    "input_ids": numpy.array([one + [0] * (longest - len(one)) for one in ids], numpy.int64),
    "attention_mask": numpy.array([[1] * len(one) + [0] * (longest - len(one)) for one in ids], numpy.int64),
}}
[vectors] = model.run(["sentence_embedding"], inputs)
print(vectors @ vectors.T)  # the cosine of each text with each"#
    );
    format!(
        "# {} as ONNX\n\n`model.onnx` holds all weights; onnxruntime runs it without Shamisen, and so does what else reads ONNX of operator set 17. `input_ids` and `attention_mask` are int64 `(batch, sequence)`: the token ids of each text, filled up to the longest, and 1 where there is a token, else 0. `sentence_embedding` is the texts' vectors, float32 `(batch, {dimensions})`, of length 1. Batch and sequence may be of any size, and what the texts are filled up with does not change their vectors. The ids are SentencePiece's, `<s>` in front and `</s>` behind.\n\n{}\n{}\nThe model's card follows.\n\n",
        escaped(&model.name),
        block("sh", "pip install onnxruntime sentencepiece"),
        block("python", &python),
    )
}
