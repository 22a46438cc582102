//! Operators as expressions: `(x.matmul(w) + b).relu()`.
//!
//! <https://onnx.ai/onnx/operators/>, as they are in operator set 17. An operator of the graph is a
//! method of [`Value`], which notes the operator and returns what it will give.

use std::ops::{Add, BitAnd, Div, Mul, Sub};

use super::graph::{Attribute, Element, Value};

impl<'g, T: Element> Value<'g, T> {
    fn unary<U: Element>(self, operator: &'static str, attributes: Vec<(&'static str, Attribute)>) -> Value<'g, U> {
        self.graph().node(operator, &[self.id()], attributes)
    }

    fn binary<O, U: Element>(self, operator: &'static str, other: Value<'g, O>) -> Value<'g, U> {
        self.graph().node(operator, &[self.id(), other.id()], vec![])
    }

    /// An operator whose axes are an input.
    fn along<U: Element>(self, operator: &'static str, axes: &[i64], keep: Option<bool>) -> Value<'g, U> {
        let axes = self.graph().vector(axes);
        let keep = keep.map(|keep| ("keepdims", Attribute::Integer(i64::from(keep))));
        self.graph().node(operator, &[self.id(), axes.id()], keep.into_iter().collect())
    }

    /// The rows (or, with another axis, what else stands there) of the given numbers.
    pub(super) fn gather(self, indices: Value<'g, i64>, axis: i64) -> Self {
        self.graph().node("Gather", &[self.id(), indices.id()], vec![("axis", Attribute::Integer(axis))])
    }

    pub(super) fn slice(self, start: i64, end: i64, axis: i64) -> Self {
        let [start, end, axis] = [start, end, axis].map(|number| self.graph().vector(&[number]));
        self.graph().node("Slice", &[self.id(), start.id(), end.id(), axis.id()], vec![])
    }

    /// New axes of size 1, at these places of the result.
    pub(super) fn unsqueeze(self, axes: &[i64]) -> Self {
        self.along("Unsqueeze", axes, None)
    }

    /// Another shape: 0 keeps the size at its place, -1 is what remains.
    pub(super) fn reshape(self, shape: &[i64]) -> Self {
        self.binary("Reshape", self.graph().vector(shape))
    }

    pub(super) fn transpose(self, axes: &[i64]) -> Self {
        self.unary("Transpose", vec![("perm", Attribute::Integers(axes.to_vec()))])
    }

    /// The size of an axis, `()`.
    pub(super) fn size(self, axis: i64) -> Value<'g, i64> {
        let shape: Value<'g, i64> = self.unary("Shape", vec![]);
        shape.gather(self.graph().scalar(axis), 0)
    }

    pub(super) fn cast<U: Element>(self) -> Value<'g, U> {
        self.unary("Cast", vec![("to", Attribute::Integer(U::DATA_TYPE))])
    }

    pub(super) fn less_or_equal(self, other: Self) -> Value<'g, bool> {
        self.binary("LessOrEqual", other)
    }

    pub(super) fn equal(self, other: Self) -> Value<'g, bool> {
        self.binary("Equal", other)
    }

    pub(super) fn sum(self, axis: i64, keep: bool) -> Self {
        self.along("ReduceSum", &[axis], Some(keep))
    }

    pub(super) fn max(self, axis: i64, keep: bool) -> Self {
        let keep = ("keepdims", Attribute::Integer(i64::from(keep)));
        self.unary("ReduceMax", vec![("axes", Attribute::Integers(vec![axis])), keep])
    }

    /// The sums of all up to each along an axis.
    pub(super) fn cumsum(self, axis: i64) -> Self {
        self.binary("CumSum", self.graph().scalar(axis))
    }

    /// The larger of two.
    pub(super) fn at_least(self, other: Self) -> Self {
        self.binary("Max", other)
    }

    pub(super) fn abs(self) -> Self {
        self.unary("Abs", vec![])
    }
}

impl<'g> Value<'g, bool> {
    /// `yes` where this is true, `no` elsewhere.
    pub(super) fn choose<T: Element>(self, yes: Value<'g, T>, no: Value<'g, T>) -> Value<'g, T> {
        self.graph().node("Where", &[self.id(), yes.id(), no.id()], vec![])
    }
}

impl<'g> Value<'g, f32> {
    /// The matrix product of the last two axes.
    pub(super) fn matmul(self, other: Self) -> Self {
        self.binary("MatMul", other)
    }

    /// The convolution of `(B, in, S)` with `(out, in, n)` and bias `(out,)`, with so many zeros on the left
    /// and on the right.
    pub(super) fn conv(self, weight: Self, bias: Self, [left, right]: [i64; 2]) -> Self {
        let pads = vec![("pads", Attribute::Integers(vec![left, right]))];
        self.graph().node("Conv", &[self.id(), weight.id(), bias.id()], pads)
    }

    /// Over the last axis; without a shift where `beta` is none.
    pub(super) fn layer_norm(self, gamma: Self, beta: Option<Self>, epsilon: f64) -> Self {
        let inputs: Vec<usize> = [self.id(), gamma.id()].into_iter().chain(beta.map(|beta| beta.id())).collect();
        let attributes = vec![("axis", Attribute::Integer(-1)), ("epsilon", Attribute::Float(epsilon as f32))];
        self.graph().node("LayerNormalization", &inputs, attributes)
    }

    /// Over the last axis.
    pub(super) fn softmax(self) -> Self {
        self.unary("Softmax", vec![("axis", Attribute::Integer(-1))])
    }

    pub(super) fn relu(self) -> Self {
        self.unary("Relu", vec![])
    }

    pub(super) fn tanh(self) -> Self {
        self.unary("Tanh", vec![])
    }

    pub(super) fn sigmoid(self) -> Self {
        self.unary("Sigmoid", vec![])
    }

    pub(super) fn erf(self) -> Self {
        self.unary("Erf", vec![])
    }

    pub(super) fn sin(self) -> Self {
        self.unary("Sin", vec![])
    }

    pub(super) fn cos(self) -> Self {
        self.unary("Cos", vec![])
    }

    pub(super) fn sqrt(self) -> Self {
        self.unary("Sqrt", vec![])
    }

    /// The last axis divided by its length, which counts as `smallest` where it is below.
    pub(super) fn normalize(self, smallest: f64) -> Self {
        let norm = (self * self).sum(-1, true).sqrt();
        self / norm.at_least(self.graph().scalar(smallest as f32))
    }
}

impl<T: Element> Add for Value<'_, T> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.binary("Add", other)
    }
}

impl<T: Element> Sub for Value<'_, T> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.binary("Sub", other)
    }
}

impl<T: Element> Mul for Value<'_, T> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.binary("Mul", other)
    }
}

impl<T: Element> Div for Value<'_, T> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.binary("Div", other)
    }
}

impl BitAnd for Value<'_, bool> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        self.binary("And", other)
    }
}

impl<'g> Mul<f64> for Value<'g, f32> {
    type Output = Value<'g, f32>;
    fn mul(self, number: f64) -> Self {
        self * self.graph().scalar(number as f32)
    }
}

impl<'g> Add<f64> for Value<'g, f32> {
    type Output = Value<'g, f32>;
    fn add(self, number: f64) -> Self {
        self + self.graph().scalar(number as f32)
    }
}
