//! The parts that every architecture is made of, as PyTorch keeps them.

use tch::Tensor;

use super::activation::Activation;
use super::packed::Packed;

/// A layer's tensors in the order in which they are asked for.
pub(super) type Tensors<'a> = dyn Iterator<Item = Tensor> + 'a;

/// A tensor's name and shape.
pub(super) type Shape = (String, Vec<i64>);

/// Of a weight, and of a bias that is as long as it has rows.
fn shapes(name: &str, weight: &[i64], bias: bool) -> Vec<Shape> {
    let bias = bias.then(|| (format!("{name}.bias"), vec![weight[0]]));
    [(format!("{name}.weight"), weight.to_vec())].into_iter().chain(bias).collect()
}

/// `weight` (out, in) and `bias`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
    /// The same once more for inference.
    packed: Option<Packed>,
}

impl Linear {
    pub(super) fn shapes(name: &str, (inputs, outputs): (i64, i64), bias: bool) -> Vec<Shape> {
        shapes(name, &[outputs, inputs], bias)
    }

    /// Takes its tensors, in the order of [`Linear::shapes`].
    pub(super) fn take(tensors: &mut Tensors<'_>, bias: bool) -> Self {
        Self { weight: next(tensors), bias: bias.then(|| next(tensors)), packed: None }
    }

    /// Packs the weights as they are now. They must not change while they are packed.
    pub(super) fn pack(&mut self) {
        self.packed = Packed::new(&self.weight, self.bias.as_ref());
    }

    pub(super) fn packed_bytes(&self) -> u64 {
        self.packed.as_ref().map_or(0, |_| self.weight.numel() as u64 * 4)
    }

    /// The packed weights, where `x` has no graph: their operations have none.
    fn packed(&self, x: &Tensor) -> Option<&Packed> {
        self.packed.as_ref().filter(|_| !x.requires_grad())
    }

    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let packed = self.packed(x).and_then(|packed| packed.forward(x));
        packed.unwrap_or_else(|| x.linear(&self.weight, self.bias.as_ref()))
    }

    /// The layer and the activation behind it.
    pub(super) fn activated(&self, x: &Tensor, activation: Activation) -> Tensor {
        let packed = self.packed(x).filter(|_| activation == Activation::Gelu);
        packed.and_then(|packed| packed.gelu(x)).unwrap_or_else(|| activation.of(self.forward(x)))
    }

    /// The layer and the sum of what it gives and `other`.
    pub(super) fn plus(&self, x: &Tensor, other: &Tensor) -> Tensor {
        let packed = self.packed(x).filter(|_| !other.requires_grad());
        packed.and_then(|packed| packed.add(x, other)).unwrap_or_else(|| self.forward(x) + other)
    }

    /// Takes over what another handle to the same weights has packed.
    pub(super) fn share(&mut self, other: &Self) {
        self.packed = other.packed.as_ref().map(Packed::shallow_clone);
    }
}

/// Layer normalization (Ba et al. 2016).
#[derive(Debug)]
pub(super) struct LayerNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
    pub(super) eps: f64,
}

impl LayerNorm {
    pub(super) fn shapes(name: &str, columns: i64, bias: bool) -> Vec<Shape> {
        shapes(name, &[columns], bias)
    }

    pub(super) fn take(tensors: &mut Tensors<'_>, bias: bool, eps: f64) -> Self {
        Self { weight: next(tensors), bias: bias.then(|| next(tensors)), eps }
    }

    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), self.bias.as_ref(), self.eps, false)
    }
}

pub(super) fn next(tensors: &mut Tensors<'_>) -> Tensor {
    tensors.next().expect("shapes() names every tensor")
}
