//! A graph of ONNX operators while it grows.

use std::cell::RefCell;
use std::marker::PhantomData;

use tch::Tensor;

/// Numbers that an ONNX tensor can hold.
pub(super) trait Element: Copy {
    /// `TensorProto.DataType`
    const DATA_TYPE: i64;
    /// A number as it stands in `raw_data`.
    fn little_endian(self) -> Vec<u8>;
}

impl Element for f32 {
    const DATA_TYPE: i64 = 1;
    fn little_endian(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl Element for i64 {
    const DATA_TYPE: i64 = 7;
    fn little_endian(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl Element for bool {
    const DATA_TYPE: i64 = 9;
    fn little_endian(self) -> Vec<u8> {
        vec![u8::from(self)]
    }
}

/// A graph that grows by the operators of its [`Value`]s.
#[derive(Default)]
pub(super) struct Graph(RefCell<Parts>);

/// All that a graph consists of, in the order of computation.
#[derive(Default)]
pub(super) struct Parts {
    /// The names of all values, by [`Value::id`].
    names: Vec<String>,
    /// What the next operators belong to.
    scope: String,
    pub(super) nodes: Vec<Node>,
    pub(super) initializers: Vec<Initializer>,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
}

pub(super) struct Node {
    pub(super) operator: &'static str,
    pub(super) inputs: Vec<String>,
    pub(super) output: String,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
}

pub(super) enum Attribute {
    Float(f32),
    Integer(i64),
    Integers(Vec<i64>),
}

pub(super) struct Initializer {
    pub(super) name: String,
    pub(super) data_type: i64,
    pub(super) shape: Vec<i64>,
    pub(super) numbers: Numbers,
}

/// Where an initializer's numbers are until they are written.
pub(super) enum Numbers {
    /// A constant of the graph, as `raw_data`.
    Constant(Vec<u8>),
    /// A weight, float32, in any layout.
    Weight(Tensor),
    Embeddings,
}

pub(super) struct Port {
    pub(super) name: String,
    pub(super) data_type: i64,
    pub(super) shape: Vec<Size>,
}

/// An axis' size: the model's, or the batch's under a name.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Known(i64),
    Named(&'static str),
}

/// A tensor of a graph: given, or computed when the graph runs.
pub(super) struct Value<'g, T> {
    graph: &'g Graph,
    /// Its place among the graph's names.
    id: usize,
    element: PhantomData<T>,
}

impl<T> Clone for Value<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Value<'_, T> {}

impl<'g, T> Value<'g, T> {
    pub(super) fn graph(self) -> &'g Graph {
        self.graph
    }

    pub(super) fn id(self) -> usize {
        self.id
    }
}

impl Graph {
    pub(super) fn into_parts(self) -> Parts {
        self.0.into_inner()
    }

    /// Names the part of the model that the next operators belong to.
    pub(super) fn scope(&self, name: &str) {
        name.clone_into(&mut self.0.borrow_mut().scope);
    }

    pub(super) fn input<T: Element>(&self, name: &str, shape: &[Size]) -> Value<'_, T> {
        let port = Port { name: name.to_owned(), data_type: T::DATA_TYPE, shape: shape.to_vec() };
        self.0.borrow_mut().inputs.push(port);
        self.value(name.to_owned())
    }

    pub(super) fn output<T: Element>(&self, name: &str, value: Value<'_, T>, shape: &[Size]) {
        let port = Port { name: name.to_owned(), data_type: T::DATA_TYPE, shape: shape.to_vec() };
        let input = self.name(value.id());
        let mut parts = self.0.borrow_mut();
        parts.outputs.push(port);
        parts.nodes.push(Node {
            operator: "Identity",
            inputs: vec![input],
            output: name.to_owned(),
            attributes: vec![],
        });
    }

    /// A weight under its name, in the layout of the tensor.
    pub(super) fn weight(&self, name: &str, tensor: Tensor) -> Value<'_, f32> {
        self.initializer(name.to_owned(), tensor.size(), Numbers::Weight(tensor))
    }

    /// The vocabulary's table `(V, E)`.
    pub(super) fn embeddings(&self, name: &str, (rows, columns): (i64, i64)) -> Value<'_, f32> {
        self.initializer(name.to_owned(), vec![rows, columns], Numbers::Embeddings)
    }

    pub(super) fn scalar<T: Element>(&self, number: T) -> Value<'_, T> {
        self.constant(&[], number.little_endian())
    }

    /// Numbers `(n,)`.
    pub(super) fn vector<T: Element>(&self, numbers: &[T]) -> Value<'_, T> {
        let bytes = numbers.iter().flat_map(|number| number.little_endian()).collect();
        self.constant(&[numbers.len() as i64], bytes)
    }

    fn constant<T: Element>(&self, shape: &[i64], bytes: Vec<u8>) -> Value<'_, T> {
        let name = self.fresh("Constant");
        self.initializer(name, shape.to_vec(), Numbers::Constant(bytes))
    }

    /// The whole numbers from 0 to below `end`: `()` to `(end,)`.
    pub(super) fn range<'g>(&'g self, end: Value<'g, i64>) -> Value<'g, i64> {
        let (zero, one) = (self.scalar(0_i64), self.scalar(1_i64));
        self.node("Range", &[zero.id(), end.id(), one.id()], vec![])
    }

    pub(super) fn concat<'g, T: Element>(&'g self, values: &[Value<'g, T>], axis: i64) -> Value<'g, T> {
        let ids: Vec<usize> = values.iter().map(|value| value.id()).collect();
        self.node("Concat", &ids, vec![("axis", Attribute::Integer(axis))])
    }

    fn initializer<T: Element>(&self, name: String, shape: Vec<i64>, numbers: Numbers) -> Value<'_, T> {
        let initializer = Initializer { name: name.clone(), data_type: T::DATA_TYPE, shape, numbers };
        self.0.borrow_mut().initializers.push(initializer);
        self.value(name)
    }

    /// Notes an operator of values; what it will give.
    pub(super) fn node<T: Element>(
        &self,
        operator: &'static str,
        inputs: &[usize],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Value<'_, T> {
        let output = self.fresh(operator);
        let inputs = inputs.iter().map(|id| self.name(*id)).collect();
        self.0.borrow_mut().nodes.push(Node { operator, inputs, output: output.clone(), attributes });
        self.value(output)
    }

    fn value<T>(&self, name: String) -> Value<'_, T> {
        let mut parts = self.0.borrow_mut();
        parts.names.push(name);
        Value { graph: self, id: parts.names.len() - 1, element: PhantomData }
    }

    fn name(&self, id: usize) -> String {
        self.0.borrow().names[id].clone()
    }

    /// A name that no other value has: inputs, outputs and weights have no slash in front.
    fn fresh(&self, operator: &str) -> String {
        let parts = self.0.borrow();
        format!("/{}/{operator}_{}", parts.scope, parts.names.len())
    }
}
