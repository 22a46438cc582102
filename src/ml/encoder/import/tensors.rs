//! Published weights into the one form that is loaded: float32, the base model's own names.
//!
//! What is read is mapped and what is written goes out in pieces, so that a file of any size takes a few
//! mebibytes of memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;

use super::files::read_json;
use crate::ml::encoder::transformer::Description;
use crate::ml::encoder::weights::WeightFile;
use crate::ml::{Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// What a model's last layers are called in checkpoints that were trained for something else. A sentence
/// encoder has none of them.
const HEADS: &[&str] = &[
    "classifier",
    "cls",
    "decoder",
    "head",
    "lm_head",
    "pre_classifier",
    "qa_outputs",
    "score",
    "vocab_layer_norm",
    "vocab_projector",
    "vocab_transform",
];
/// Numbers that are computed, not learnt.
const BUFFERS: &[&str] = &["position_ids", "token_type_ids", "inv_freq"];
/// What may stand before a base model's names.
const PREFIXES: &[&str] = &["0", "auto_model", "module", "model", "bert", "roberta", "distilbert", "mpnet"];

/// The tensors of one file, or of several with an index.
pub(super) struct Source {
    files: Vec<WeightFile>,
    /// Each tensor's name, and its file's place.
    tensors: Vec<(String, usize)>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Source {
    /// Opens `model.safetensors` or its shards in a folder.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        if folder.join(SINGLE).is_file() {
            let file = WeightFile::open(&folder.join(SINGLE))?;
            let tensors = file.names().into_iter().map(|name| (name, 0)).collect();
            return Ok(Self { files: vec![file], tensors });
        }
        if !folder.join(INDEX).is_file() {
            return Err(other_weights(folder));
        }
        let index: Index = read_json(&folder.join(INDEX))?;
        let names: Vec<&String> = index.weight_map.values().collect::<BTreeSet<_>>().into_iter().collect();
        let mut files = Vec::new();
        for name in &names {
            if !is_plain(name) || !name.ends_with(".safetensors") {
                let reason = format!("the shard {name:?} is not the name of a safetensors file beside it");
                return Err(Error::model(&folder.join(INDEX), reason));
            }
            files.push(WeightFile::open(&folder.join(name))?);
        }
        let place = |file: &String| names.binary_search(&file).unwrap_or_default();
        let tensors = index.weight_map.iter().map(|(tensor, file)| (tensor.clone(), place(file))).collect();
        Ok(Self { files, tensors })
    }

    fn tensor(&self, name: &str, file: usize, new_name: String) -> Result<Move<'_>> {
        let (info, bytes) = self.files[file].raw(name)?;
        Ok(Move { name: new_name, info, bytes })
    }
}

/// Whether a text is one name in a folder, and no way out of it.
pub(super) fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let one = matches!(parts.next(), Some(std::path::Component::Normal(part)) if part == name);
    one && parts.next().is_none() && !name.contains(['\\', '\0'])
}

/// Why a folder without safetensors cannot be read, and how to make one that can.
fn other_weights(folder: &Path) -> Error {
    let found = [
        ("pytorch_model.bin", "a pickle file, which can run code when it is read"),
        ("pytorch_model.bin.index.json", "pickle files, which can run code when they are read"),
        ("tf_model.h5", "TensorFlow's"),
        ("flax_model.msgpack", "Flax's"),
        ("onnx", "ONNX"),
        ("openvino", "OpenVINO's"),
    ];
    let found = found.into_iter().find(|(name, _)| folder.join(name).exists());
    let found = found.map(|(name, what)| format!(" ({name} is {what}, and is not read)")).unwrap_or_default();
    let reason = format!(
        "there is no model.safetensors{found}. Convert the model in Python where you trust it: SentenceTransformer(NAME).save(FOLDER, safe_serialization=True) of sentence-transformers, or AutoModel.from_pretrained(NAME).save_pretrained(FOLDER, safe_serialization=True) and the same of AutoTokenizer; then import FOLDER"
    );
    Error::model(folder, reason)
}

/// A tensor on its way: where it is read, and the name that it gets.
struct Move<'a> {
    name: String,
    info: &'a TensorInfo,
    bytes: &'a [u8],
}

/// Writes a transformer's base model out of its published tensors: what its network has, and the pooler that
/// other programs may want. A tensor that is not known to be of no use to the network is refused.
pub(super) fn write_base(source: &Source, description: &Description, folder: &Path, target: &Path) -> Result<()> {
    let wrong = |reason: String| Error::model(folder, reason);
    let prefix = prefix(source, description.words()).map_err(wrong)?;
    let mut known: BTreeSet<String> = description.shapes().into_iter().map(|(name, _)| name).collect();
    known.insert(description.words().to_owned());
    let mut moves = Vec::new();
    for (name, file) in &source.tensors {
        let own = name.strip_prefix(prefix.as_str());
        let new = renamed(own.unwrap_or_default());
        if known.contains(&new) || new.starts_with("pooler.") {
            moves.push(source.tensor(name, *file, new)?);
            continue;
        }
        let own = own.unwrap_or(name);
        let first = own.split('.').next().unwrap_or_default();
        let last = own.rsplit('.').next().unwrap_or_default();
        if !BUFFERS.contains(&last) && !HEADS.contains(&first) {
            return Err(wrong(format!(
                "the tensor {name:?} is none of this kind of model's, and leaving it out might change the vectors"
            )));
        }
    }
    write(target, moves)
}

pub(super) fn write_module(source: &Source, target: &Path) -> Result<()> {
    let moves: Result<_> = source.tensors.iter().map(|(name, file)| source.tensor(name, *file, name.clone())).collect();
    write(target, moves?)
}

/// What stands before the base model's names, found by the table of words, of which there is one.
fn prefix(source: &Source, words: &str) -> std::result::Result<String, String> {
    let stem = |name: &str| name.strip_suffix(words).map(str::to_owned);
    let mut found: Vec<String> = source.tensors.iter().filter_map(|(name, _)| stem(name)).collect();
    let (Some(prefix), true) = (found.pop(), found.is_empty()) else {
        return Err(format!("such a model has one tensor {words}, and there is not exactly one"));
    };
    let known = prefix.is_empty() || prefix.trim_end_matches('.').split('.').all(|part| PREFIXES.contains(&part));
    if known { Ok(prefix) } else { Err(format!("the tensors' names begin with {prefix:?}, which is not known")) }
}

/// BERT's first checkpoints call layer norm's weights as TensorFlow does.
fn renamed(name: &str) -> String {
    match name.strip_suffix(".gamma") {
        Some(layer) => format!("{layer}.weight"),
        None => name.strip_suffix(".beta").map_or_else(|| name.to_owned(), |layer| format!("{layer}.bias")),
    }
}

/// Bytes that are converted at once: a multiple of every type's size.
const PIECE: usize = 1 << 20;

/// Writes float32 tensors to a new safetensors file and sees it onto the disk: the header first, then each
/// tensor, converted piece by piece.
fn write(target: &Path, mut moves: Vec<Move<'_>>) -> Result<()> {
    let wrong = |reason: String| Error::model(target, reason);
    moves.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(twice) = moves.array_windows().find(|[a, b]| a.name == b.name) {
        return Err(wrong(format!("there are two tensors {:?}", twice[0].name)));
    }
    let mut header = Vec::new();
    let mut end = 0;
    for Move { name, info, .. } in &moves {
        if !matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64) {
            let what = format!("the tensor {name:?} is {:?}", info.dtype);
            return Err(wrong(format!("{what}; F32, F16, BF16 and F64 are read (quantized models are not)")));
        }
        let numbers: usize = info.shape.iter().product();
        let begin = end;
        end += numbers * 4;
        let info = TensorInfo { dtype: Dtype::F32, shape: info.shape.clone(), data_offsets: (begin, end) };
        header.push((name.clone(), info));
    }
    // transformers reads no file that does not say whose tensors it holds.
    let format = [("format".to_owned(), "pt".to_owned())].into();
    let header = Metadata::new(Some(format), header).map_err(|error| wrong(error.to_string()))?;
    let mut header = serde_json::to_vec(&header).map_err(|error| wrong(error.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let io = |error| Error::file(target, error);
    let mut out = BufWriter::with_capacity(PIECE, File::create_new(target).map_err(io)?);
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
    out.write_all(&header).map_err(io)?;
    let mut numbers = Vec::with_capacity(PIECE);
    for Move { name, info, bytes } in &moves {
        for piece in bytes.chunks(PIECE) {
            numbers.clear();
            convert(info.dtype, piece, &mut numbers);
            if !numbers.iter().all(|number| number.is_finite()) {
                return Err(wrong(format!("the tensor {name:?} holds NaN or infinity: the model is damaged")));
            }
            for number in &numbers {
                out.write_all(&number.to_le_bytes()).map_err(io)?;
            }
        }
    }
    let file = out.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)
}

fn convert(dtype: Dtype, bytes: &[u8], numbers: &mut Vec<f32>) {
    match dtype {
        Dtype::F16 => numbers.extend(bytes.as_chunks().0.iter().map(|two| f16::from_le_bytes(*two).to_f32())),
        Dtype::BF16 => numbers.extend(bytes.as_chunks().0.iter().map(|two| bf16::from_le_bytes(*two).to_f32())),
        Dtype::F64 => numbers.extend(bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight) as f32)),
        _ => numbers.extend(bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four))),
    }
}
