//! A graph as an ONNX file: a `ModelProto` in protobuf (`onnx.proto`).
//!
//! The weights are most of the file and never in memory together: of each only the length is known when
//! the messages around it are written, and its numbers follow when their turn comes. What would be 2 GiB
//! or more is no protobuf message; its weights go to a second file beside it, as the format provides
//! ("external data").

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use super::graph::{Attribute, Initializer, Node, Numbers, Parts, Port, Size};
use crate::ml::encoder::protobuf::Message;
use crate::ml::encoder::weights::Stored;
use crate::ml::{Error, Result};

/// Operator set 17 has LayerNormalization, and every runtime since 2022 has it.
const OPERATOR_SET: i64 = 17;
/// The format's version that came with it.
const IR_VERSION: i64 = 8;
/// A protobuf message is smaller than this.
const LARGEST_MESSAGE: u64 = (1 << 31) - 1;
/// `TensorProto.DataLocation`
const EXTERNAL: i64 = 1;

/// Writes the vocabulary's table behind what a file holds; the path is the file's.
pub(super) type AppendEmbeddings<'a> = dyn Fn(&mut File, &Path) -> Result<()> + 'a;

/// Writes a graph to the new file `path`, and where that is too large for one message, its weights to the
/// new file `path` + `_data`.
pub(super) fn write(path: &Path, graph: &Parts, model: &str, embeddings: &AppendEmbeddings<'_>) -> Result<()> {
    write_within(path, graph, model, embeddings, LARGEST_MESSAGE)
}

fn write_within(
    path: &Path,
    graph: &Parts,
    model: &str,
    embeddings: &AppendEmbeddings<'_>,
    largest: u64,
) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let one_file = Layout::new(graph, model, None);
    if one_file.length() <= largest {
        return one_file.write(path, graph, embeddings);
    }
    let mut data = path.as_os_str().to_owned();
    data.push("_data");
    let data = Path::new(&data);
    let two_files = Layout::new(graph, model, Some(&format!("{name}_data")));
    if two_files.length() > largest {
        return Err(Error::model(path, "the graph without its weights is larger than 2 GiB, which ONNX cannot hold"));
    }
    two_files.write(path, graph, embeddings)?;
    let mut file = create(data)?;
    for initializer in graph.initializers.iter().filter(|initializer| initializer.is_weight()) {
        initializer.append(&mut file, data, embeddings)?;
    }
    file.sync_all().map_err(|error| Error::file(data, error))
}

/// A file's messages, up to where the bytes of each initializer begin.
struct Layout {
    /// What stands before the initializers.
    head: Message,
    /// Each initializer's message without the bytes of its numbers, and how many these are.
    initializers: Vec<(Message, u64)>,
}

impl Layout {
    /// `data` is the second file's name where the weights are there.
    fn new(graph: &Parts, model: &str, data: Option<&str>) -> Self {
        let mut offset = 0;
        let mut initializers = Vec::new();
        for initializer in &graph.initializers {
            let (tensor, length) = (initializer.message(), initializer.length());
            let (tensor, inside) = match data.filter(|_| initializer.is_weight()) {
                Some(file) => {
                    let tensor = external(tensor, file, offset, length);
                    offset += length;
                    (tensor, 0)
                }
                // TensorProto { raw_data = 9 }
                None => (tensor.length(9, length), length),
            };
            // GraphProto { initializer = 5 }
            let tensor = Message::default().length(5, tensor.as_bytes().len() as u64 + inside).then(&tensor);
            initializers.push((tensor, inside));
        }
        let rest = graph_message(graph, model);
        let length = initializers.iter().map(|(message, inside)| message.as_bytes().len() as u64 + inside).sum::<u64>();
        // ModelProto { ir_version = 1, producer_name = 2, producer_version = 3, graph = 7, opset_import = 8 }
        let head = Message::default()
            .integer(1, IR_VERSION)
            .bytes(2, "shamisen")
            .bytes(3, env!("CARGO_PKG_VERSION"))
            .message(8, &Message::default().integer(2, OPERATOR_SET))
            .length(7, rest.as_bytes().len() as u64 + length)
            .then(&rest);
        Self { head, initializers }
    }

    fn length(&self) -> u64 {
        let initializers = self.initializers.iter();
        let initializers: u64 = initializers.map(|(message, inside)| message.as_bytes().len() as u64 + inside).sum();
        self.head.as_bytes().len() as u64 + initializers
    }

    fn write(&self, path: &Path, graph: &Parts, embeddings: &AppendEmbeddings<'_>) -> Result<()> {
        let written = |error| Error::file(path, error);
        let mut file = create(path)?;
        file.write_all(self.head.as_bytes()).map_err(written)?;
        for (initializer, (message, inside)) in graph.initializers.iter().zip(&self.initializers) {
            file.write_all(message.as_bytes()).map_err(written)?;
            if *inside > 0 {
                initializer.append(&mut file, path, embeddings)?;
            }
        }
        file.sync_all().map_err(written)
    }
}

impl Initializer {
    fn is_weight(&self) -> bool {
        !matches!(self.numbers, Numbers::Constant(_))
    }

    fn length(&self) -> u64 {
        match &self.numbers {
            Numbers::Constant(bytes) => bytes.len() as u64,
            Numbers::Weight(_) | Numbers::Embeddings => self.shape.iter().product::<i64>() as u64 * 4,
        }
    }

    /// `TensorProto { dims = 1, data_type = 2, name = 8 }`
    fn message(&self) -> Message {
        let message = self.shape.iter().fold(Message::default(), |message, size| message.integer(1, *size));
        message.integer(2, self.data_type).bytes(8, &self.name)
    }

    fn append(&self, file: &mut File, path: &Path, embeddings: &AppendEmbeddings<'_>) -> Result<()> {
        let written = |error| Error::file(path, error);
        let before = file.stream_position().map_err(written)?;
        match &self.numbers {
            Numbers::Constant(bytes) => file.write_all(bytes).map_err(written)?,
            Numbers::Weight(tensor) => file.write_all(Stored::tensor(tensor)?.bytes()).map_err(written)?,
            Numbers::Embeddings => embeddings(file, path)?,
        }
        let after = file.stream_position().map_err(written)?;
        if after - before != self.length() {
            return Err(Error::model(path, format!("the tensor {:?} has another size than the graph says", self.name)));
        }
        Ok(())
    }
}

/// `TensorProto { external_data = 13, data_location = 14 }`, `StringStringEntryProto { key = 1, value = 2 }`
fn external(tensor: Message, file: &str, offset: u64, length: u64) -> Message {
    let entries = [("location", file.to_owned()), ("offset", offset.to_string()), ("length", length.to_string())];
    let entry = |key: &str, value: &str| Message::default().bytes(1, key).bytes(2, value);
    let tensor = entries.iter().fold(tensor, |tensor, (key, value)| tensor.message(13, &entry(key, value)));
    tensor.integer(14, EXTERNAL)
}

/// `GraphProto { node = 1, name = 2, input = 11, output = 12 }`
fn graph_message(graph: &Parts, name: &str) -> Message {
    let message = graph.nodes.iter().fold(Message::default(), |message, node| message.message(1, &node_message(node)));
    let message = message.bytes(2, name);
    let message = graph.inputs.iter().fold(message, |message, port| message.message(11, &port_message(port)));
    graph.outputs.iter().fold(message, |message, port| message.message(12, &port_message(port)))
}

/// `NodeProto { input = 1, output = 2, name = 3, op_type = 4, attribute = 5 }`
fn node_message(node: &Node) -> Message {
    let message = node.inputs.iter().fold(Message::default(), |message, input| message.bytes(1, input));
    // An operator has one output here, and its name.
    let message = message.bytes(2, &node.output).bytes(3, &node.output).bytes(4, node.operator);
    node.attributes.iter().fold(message, |message, (name, value)| message.message(5, &attribute_message(name, value)))
}

/// `AttributeProto { name = 1, f = 2, i = 3, ints = 8, type = 20 }`
fn attribute_message(name: &str, value: &Attribute) -> Message {
    let message = Message::default().bytes(1, name);
    match value {
        Attribute::Float(number) => message.float(2, *number).integer(20, 1),
        Attribute::Integer(number) => message.integer(3, *number).integer(20, 2),
        Attribute::Integers(numbers) => {
            numbers.iter().fold(message, |message, number| message.integer(8, *number)).integer(20, 7)
        }
    }
}

/// `ValueInfoProto { name = 1, type = 2 }`, `TypeProto { tensor_type = 1 }`,
/// `TypeProto.Tensor { elem_type = 1, shape = 2 }`, `TensorShapeProto { dim = 1 }`,
/// `Dimension { dim_value = 1, dim_param = 2 }`
fn port_message(port: &Port) -> Message {
    let dimension = |size: &Size| match size {
        Size::Known(size) => Message::default().integer(1, *size),
        Size::Named(name) => Message::default().bytes(2, name),
    };
    let shape = port.shape.iter().fold(Message::default(), |shape, size| shape.message(1, &dimension(size)));
    let tensor = Message::default().integer(1, port.data_type).message(2, &shape);
    Message::default().bytes(1, &port.name).message(2, &Message::default().message(1, &tensor))
}

fn create(path: &Path) -> Result<File> {
    File::create_new(path).map_err(|error| Error::file(path, error))
}

#[cfg(test)]
mod tests {
    use tch::Tensor;
    use tempfile::TempDir;

    use super::*;
    use crate::ml::encoder::onnx_export::graph::{Graph, Value};
    use crate::ml::encoder::protobuf::{self, Value as Field};

    /// `(100, 2)`
    fn table() -> Vec<u8> {
        (0..200_u8).flat_map(|number| f32::from(number).to_le_bytes()).collect()
    }

    /// `relu(table[ids + 1] w)`: one initializer of each kind.
    fn write_example(folder: &TempDir, largest: u64) -> std::path::PathBuf {
        let graph = Graph::default();
        let ids: Value<'_, i64> = graph.input("ids", &[Size::Named("batch")]);
        let weight = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).reshape([2, 2]).tr();
        let rows = graph.embeddings("table", (100, 2)).gather(ids + graph.scalar(1_i64), 0);
        graph.output("out", rows.matmul(graph.weight("w", weight)).relu(), &[Size::Named("batch"), Size::Known(2)]);
        let path = folder.path().join("model.onnx");
        let append = |file: &mut File, path: &Path| file.write_all(&table()).map_err(|error| Error::file(path, error));
        write_within(&path, &graph.into_parts(), "example", &append, largest).unwrap();
        path
    }

    /// The fields of a message of that number.
    fn all(message: &[u8], number: u64) -> Vec<Field<'_>> {
        let fields = protobuf::fields(message).expect("a whole message");
        fields.into_iter().filter(|(field, _)| *field == number).map(|(_, value)| value).collect()
    }

    fn text(message: Field<'_>, number: u64) -> &str {
        all(message.bytes().unwrap(), number)[0].text().unwrap()
    }

    /// Each initializer's name, shape and bytes, wherever they are.
    fn initializers(path: &Path) -> Vec<(String, Vec<u64>, Vec<u8>)> {
        let bytes = std::fs::read(path).unwrap();
        let graph = all(&bytes, 7)[0].bytes().unwrap();
        let numbers = |tensor: Field<'_>| {
            let message = tensor.bytes().unwrap();
            if let [raw] = all(message, 9)[..] {
                return raw.bytes().unwrap().to_vec();
            }
            let entry = |key: &str| {
                let entries = all(message, 13);
                text(*entries.iter().find(|entry| text(**entry, 1) == key).unwrap(), 2).to_owned()
            };
            let data = std::fs::read(path.with_file_name(entry("location"))).unwrap();
            let (offset, length): (usize, usize) = (entry("offset").parse().unwrap(), entry("length").parse().unwrap());
            data[offset..offset + length].to_vec()
        };
        let tensor = |tensor: Field<'_>| {
            let shape = all(tensor.bytes().unwrap(), 1).into_iter().map(|size| size.varint().unwrap()).collect();
            (text(tensor, 8).to_owned(), shape, numbers(tensor))
        };
        all(graph, 5).into_iter().map(tensor).collect()
    }

    #[test]
    fn the_reader_finds_what_was_written() {
        let folder = TempDir::new().unwrap();
        let path = write_example(&folder, LARGEST_MESSAGE);
        let bytes = std::fs::read(&path).unwrap();
        let graph = all(&bytes, 7)[0].bytes().unwrap();
        let operators: Vec<&str> = all(graph, 1).into_iter().map(|node| text(node, 4)).collect();
        assert_eq!(operators, ["Add", "Gather", "MatMul", "Relu", "Identity"]);
        assert_eq!((text(all(graph, 11)[0], 1), text(all(graph, 12)[0], 1)), ("ids", "out"));
        let names: Vec<&str> = all(graph, 1).into_iter().map(|node| text(node, 2)).collect();
        assert_eq!(text(all(graph, 1)[3], 1), names[2], "Relu reads what MatMul gives");
        let weight = [1.0_f32, 3.0, 2.0, 4.0].map(f32::to_le_bytes).concat();
        let [rows, one, w] = &initializers(&path)[..] else { panic!("three initializers") };
        assert_eq!(*rows, ("table".to_owned(), vec![100, 2], table()));
        assert_eq!((one.1.len(), &one.2[..]), (0, &1_i64.to_le_bytes()[..]));
        assert_eq!(*w, ("w".to_owned(), vec![2, 2], weight), "as it is seen, and not as it lies in memory");
    }

    #[test]
    fn a_model_too_large_for_one_message_has_its_weights_in_a_second_file() {
        let (one, two, same) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
        let in_one = write_example(&one, LARGEST_MESSAGE);
        let length = std::fs::metadata(&in_one).unwrap().len();
        write_example(&same, length);
        assert_eq!(std::fs::read_dir(same.path()).unwrap().count(), 1);
        let in_two = write_example(&two, length - 1);
        assert_eq!(std::fs::metadata(two.path().join("model.onnx_data")).unwrap().len(), (200 + 4) * 4);
        assert_eq!(initializers(&in_two), initializers(&in_one));
    }
}
