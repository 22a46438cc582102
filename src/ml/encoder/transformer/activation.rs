//! What follows a feed-forward layer's first product.

use tch::Tensor;

/// A feed-forward layer's non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// x times the normal distribution's share below x (Hendrycks and Gimpel 2016).
    Gelu,
    /// The same by a hyperbolic tangent.
    GeluTanh,
    Relu,
    /// x sigmoid(x)
    Silu,
}

impl Activation {
    /// Of a tensor that nobody else reads: without a graph it is overwritten.
    pub(super) fn of(self, mut x: Tensor) -> Tensor {
        if x.requires_grad() {
            return match self {
                Self::Gelu => x.gelu("none"),
                Self::GeluTanh => x.gelu("tanh"),
                Self::Relu => x.relu(),
                Self::Silu => x.silu(),
            };
        }
        match self {
            Self::Gelu => x.gelu_("none"),
            Self::GeluTanh => x.gelu_("tanh"),
            Self::Relu => x.relu_(),
            Self::Silu => x.silu_(),
        }
    }
}
