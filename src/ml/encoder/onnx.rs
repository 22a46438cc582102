//! USE multilingual v3 out of an 8-bit ONNX file: tensors dequantised to float32, the SentencePiece
//! model out of the tokenizer node, written as a model folder.
//!
//! ONNX is protobuf (`onnx.proto`): `ModelProto.graph = 7`; `GraphProto.node = 1, initializer = 5`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::card::ModelCard;
use super::folder::save_base;
use super::protobuf::{self, Value};
use super::sentencepiece::SentencePiece;
use super::use_multilingual::{EMBEDDINGS, UseMultilingualConfig, shapes};
use super::weights::Stored;
use crate::ml::files::read;
use crate::ml::{Error, Result};

/// `TensorProto.data_type`
const FLOAT: u64 = 1;
const UINT8: u64 = 2;
const INT8: u64 = 3;

/// A `TensorProto`, its data still as it stands in the file.
#[derive(Default)]
struct TensorProto<'a> {
    dims: Vec<u64>,
    data_type: u64,
    float_data: Vec<f32>,
    int32_data: Vec<u64>,
    raw_data: &'a [u8],
}

/// Reads the ONNX file and writes the model folder `target`, complete or not at all.
pub fn import_use_multilingual(file: &Path, target: &Path, name: &str) -> Result<ModelCard> {
    let bytes = read(file)?;
    let wrong = |reason: &str| Error::model(file, reason);
    let (initializers, sentencepiece) = read_graph(&bytes).ok_or_else(|| wrong("this is not a whole ONNX file"))?;
    let none =
        "the graph has no SentencePiece tokenizer; only Universal Sentence Encoder multilingual v3 can be imported";
    let sentencepiece = sentencepiece.ok_or_else(|| wrong(none))?;
    let config = UseMultilingualConfig::default();
    let tokenizer = SentencePiece::parse(sentencepiece).map_err(|reason| wrong(&reason))?;
    if i64::from(tokenizer.pieces()) > config.vocab_size {
        return Err(wrong("the tokenizer has more pieces than the table has rows"));
    }

    let mut tensors = BTreeMap::new();
    for (name, shape) in shapes(&config) {
        let numbers = floats(&initializers, &format!("StatefulPartitionedCall/{name}:0"), &shape);
        let numbers = numbers.map_err(|reason| wrong(&reason))?;
        let shape: Vec<usize> = shape.iter().map(|&size| size as usize).collect();
        tensors.insert(name, Stored::floats(&shape, numbers));
    }
    let embeddings = embeddings(&initializers, &config);
    tensors.insert(EMBEDDINGS.to_owned(), embeddings.map_err(|reason| wrong(&reason))?);
    save_base(target, name, &config, &tensors, sentencepiece)
}

type Graph<'a> = (HashMap<&'a str, TensorProto<'a>>, Option<&'a [u8]>);

/// All initializers by name, and the model bytes of the SentencePiece node.
fn read_graph(bytes: &[u8]) -> Option<Graph<'_>> {
    let mut initializers = HashMap::new();
    let mut sentencepiece = None;
    for (_, graph) in protobuf::fields(bytes)?.into_iter().filter(|field| field.0 == 7) {
        for (field, value) in protobuf::fields(graph.bytes()?)? {
            match field {
                1 => sentencepiece = sentencepiece.or(sentencepiece_model(value)?),
                5 => {
                    let (name, tensor) = tensor_proto(value)?;
                    initializers.insert(name, tensor);
                }
                _ => {}
            }
        }
    }
    Some((initializers, sentencepiece))
}

/// `NodeProto { op_type = 4, attribute = 5 }`, `AttributeProto { name = 1, s = 4 }`
fn sentencepiece_model(node: Value<'_>) -> Option<Option<&[u8]>> {
    let fields = protobuf::fields(node.bytes()?)?;
    if !fields.iter().any(|(field, value)| *field == 4 && value.text() == Some("SentencepieceTokenizer")) {
        return Some(None);
    }
    for (_, attribute) in fields.into_iter().filter(|(field, _)| *field == 5) {
        let (mut name, mut bytes) = ("", None);
        for (field, value) in protobuf::fields(attribute.bytes()?)? {
            match field {
                1 => name = value.text()?,
                4 => bytes = value.bytes(),
                _ => {}
            }
        }
        if name == "model" {
            return Some(bytes);
        }
    }
    Some(None)
}

fn tensor_proto(value: Value<'_>) -> Option<(&str, TensorProto<'_>)> {
    let mut name = "";
    let mut tensor = TensorProto::default();
    for (field, value) in protobuf::fields(value.bytes()?)? {
        match field {
            1 => tensor.dims.extend(value.varints()?),
            2 => tensor.data_type = value.varint()?,
            4 => match value {
                Value::Bytes(packed) => tensor.float_data.extend(little_endian(packed)),
                value => tensor.float_data.push(value.float()?),
            },
            5 => tensor.int32_data.extend(value.varints()?),
            8 => name = value.text()?,
            9 => tensor.raw_data = value.bytes()?,
            _ => {}
        }
    }
    Some((name, tensor))
}

fn little_endian(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number))
}

/// A tensor's numbers: float32 as they stand, or `(q - zero_point) * scale`.
fn floats(initializers: &HashMap<&str, TensorProto<'_>>, name: &str, shape: &[i64]) -> Result<Vec<f32>, String> {
    let missing =
        || format!("the tensor {name:?} is missing; only Universal Sentence Encoder multilingual v3 can be imported");
    let numbers: Vec<f32> = if let Some(tensor) = initializers.get(name).filter(|tensor| tensor.data_type == FLOAT) {
        if tensor.raw_data.is_empty() { tensor.float_data.clone() } else { little_endian(tensor.raw_data).collect() }
    } else {
        let part = |suffix: &str| initializers.get(format!("{name}_{suffix}").as_str()).ok_or_else(missing);
        let quantized = part("quantized")?;
        let scale = *part("scale")?.float_data.first().ok_or_else(missing)?;
        let zero = *part("zero_point")?.int32_data.first().ok_or_else(missing)? as i64 as f32;
        match quantized.data_type {
            UINT8 => quantized.raw_data.iter().map(|&q| (f32::from(q) - zero) * scale).collect(),
            INT8 => quantized.raw_data.iter().map(|&q| (f32::from(q.cast_signed()) - zero) * scale).collect(),
            other => return Err(format!("the tensor {name:?} has the unknown type {other}")),
        }
    };
    if numbers.len() as i64 != shape.iter().product::<i64>() {
        return Err(format!("the tensor {name:?} has {} numbers, not {shape:?}", numbers.len()));
    }
    Ok(numbers)
}

/// Joins the table's shards: piece `i` is row `i / 17` of shard `i % 17`.
fn embeddings(initializers: &HashMap<&str, TensorProto<'_>>, config: &UseMultilingualConfig) -> Result<Stored, String> {
    let (rows, columns) = (config.vocab_size as usize, config.embedding_size as usize);
    let rows_per_shard = config.vocab_size / config.table_shards;
    let mut shards = Vec::new();
    for shard in 1..=config.table_shards {
        let name = format!("Func/StatefulPartitionedCall/input/_{shard}:0");
        shards.push(floats(initializers, &name, &[rows_per_shard, config.embedding_size])?);
    }
    let numbers = (0..rows).flat_map(|piece| {
        let row = piece / shards.len() * columns;
        shards[piece % shards.len()][row..row + columns].iter().copied()
    });
    Ok(Stored::floats(&[rows, columns], numbers))
}
