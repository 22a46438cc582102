//! Linear layers with weights in oneDNN's own order, for inference on the CPU: a sixth faster than libtorch's
//! usual product, and the activation or the sum that follows is part of the same pass.
//!
//! libtorch gives these operations to TorchScript alone. `packed_linear.pt`, a few lines of code without
//! numbers that `scripts/packed_linear.py` made, names them. Where they are missing or give other numbers,
//! nothing is packed.

use std::sync::LazyLock;

use tch::{CModule, Device, IValue, Kind, Tensor};

static OPERATIONS: LazyLock<Option<CModule>> = LazyLock::new(|| {
    let module = CModule::load_data(&mut &include_bytes!("packed_linear.pt")[..]).ok()?;
    is_exact(&module).unwrap_or(false).then_some(module)
});

/// A layer's weights, packed.
#[derive(Debug)]
pub(in super::super) struct Packed {
    weight: Tensor,
    bias: Tensor,
}

impl Packed {
    /// Packs a layer's weights `(out, in)`, or does not where this machine has no way to.
    pub(in super::super) fn new(weight: &Tensor, bias: Option<&Tensor>) -> Option<Self> {
        let module = OPERATIONS.as_ref()?;
        if weight.device() != Device::Cpu || weight.kind() != Kind::Float {
            return None;
        }
        let _guard = tch::no_grad_guard();
        let bias = bias.map_or_else(|| Tensor::zeros([weight.size()[0]], (Kind::Float, Device::Cpu)), Tensor::detach);
        let weight = run(module, "pack", &[&weight.detach().contiguous()])?;
        Some(Self { weight, bias })
    }

    pub(in super::super) fn shallow_clone(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }

    /// `x W + b`, `(N, in)` to `(N, out)`.
    pub(in super::super) fn forward(&self, x: &Tensor) -> Option<Tensor> {
        run(OPERATIONS.as_ref()?, "forward", &[x, &self.weight, &self.bias])
    }

    /// `gelu(x W + b)`
    pub(super) fn gelu(&self, x: &Tensor) -> Option<Tensor> {
        run(OPERATIONS.as_ref()?, "gelu", &[x, &self.weight, &self.bias])
    }

    /// `x W + b + other`
    pub(super) fn add(&self, x: &Tensor, other: &Tensor) -> Option<Tensor> {
        run(OPERATIONS.as_ref()?, "add", &[x, &self.weight, &self.bias, other])
    }
}

fn run(module: &CModule, operation: &str, tensors: &[&Tensor]) -> Option<Tensor> {
    let values: Vec<IValue> = tensors.iter().map(|tensor| IValue::Tensor(tensor.shallow_clone())).collect();
    match module.method_is(operation, &values) {
        Ok(IValue::Tensor(given)) => Some(given),
        _ => None,
    }
}

/// Whether the operations are there and give the usual product's numbers.
fn is_exact(module: &CModule) -> Option<bool> {
    let _guard = tch::no_grad_guard();
    let numbers = |rows: i64, columns: i64| {
        (Tensor::arange(rows * columns, (Kind::Float, Device::Cpu)) * 0.37).sin().reshape([rows, columns])
    };
    let (x, weight, bias, other) = (numbers(5, 24), numbers(16, 24), numbers(1, 16).reshape([16]), numbers(5, 16));
    let usual = x.linear(&weight, Some(&bias));
    let packed = run(module, "pack", &[&weight])?;
    let near = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-5;
    let forward = run(module, "forward", &[&x, &packed, &bias])?;
    let gelu = run(module, "gelu", &[&x, &packed, &bias])?;
    let add = run(module, "add", &[&x, &packed, &bias, &other])?;
    Some(near(&forward, &usual) && near(&gelu, &usual.gelu("none")) && near(&add, &(&usual + &other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_layer_gives_the_usual_numbers() {
        let weight = Tensor::randn([48, 32], (Kind::Float, Device::Cpu));
        let bias = Tensor::randn([48], (Kind::Float, Device::Cpu));
        // Elsewhere than on x86-64 there may be no way to pack.
        let Some(packed) = Packed::new(&weight, Some(&bias)) else {
            #[cfg(target_arch = "x86_64")]
            panic!("nothing was packed");
            #[cfg(not(target_arch = "x86_64"))]
            return;
        };
        for rows in [1, 7, 300] {
            let x = Tensor::randn([rows, 32], (Kind::Float, Device::Cpu));
            let other = Tensor::randn([rows, 48], (Kind::Float, Device::Cpu));
            let usual = x.linear(&weight, Some(&bias));
            let near = |found: Option<Tensor>, expected: &Tensor| {
                let apart = (found.unwrap() - expected).abs().max().double_value(&[]);
                assert!(apart < 2e-5, "{apart}");
            };
            near(packed.forward(&x), &usual);
            near(packed.gelu(&x), &usual.gelu("none"));
            near(packed.add(&x, &other), &(&usual + &other));
        }
    }
}
