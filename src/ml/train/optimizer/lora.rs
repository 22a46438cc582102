//! Kernels that learn through two factors, and stay as they are below: LoRA.
//!
//! Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": `W + s B A`, where `A` `(r, in)`
//! begins as noise and `B` `(out, r)` as zeros.
//!
//! The encoder computes with the whole kernel `W' = W + s B A`, which it is given before each step. It is
//! the leaf that losses are differentiated by, as often as it takes (parts of a batch, several batches);
//! the chain rule then leads from the sum to the factors once: `dB = s dW' A^T`, `dA = s B^T dW'`.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tch::{Kind, Tensor};

use crate::ml::encoder::{Adapters, Encoder, merged};
use crate::ml::sha256::sha256;
use crate::ml::train::layers::LayerShares;
use crate::ml::train::options::LoraConfig;
use crate::ml::{Error, Result};

/// The kernels of queries and values, as published encoders call them: what the paper adapts (section 7.1).
/// An encoder that has none of them adapts all its kernels.
const ATTENTION: [&str; 7] = ["query", "value", "q_lin", "v_lin", "attn.q", "attn.v", "Wqkv"];

/// Parts of a kernel's name that all kernels have.
const UNTOLD: [&str; 3] = ["kernel", "weight", "weights"];

pub(super) struct Adapted {
    pub(super) name: String,
    /// Its place in [`Encoder::variables`].
    place: usize,
    /// The part of the learning rate that its layer gets.
    pub(super) share: f64,
    /// As training found it, `W`.
    kernel: Tensor,
    /// `W'`, the encoder's.
    leaf: Tensor,
}

pub(in crate::ml::train) struct Lora {
    rank: i64,
    scale: f64,
    inputs_first: bool,
    pub(super) adapted: Vec<Adapted>,
}

impl Lora {
    /// The kernels that the settings name, in layers that learn.
    pub(in crate::ml::train) fn new(encoder: &dyn Encoder, config: &LoraConfig, shares: &LayerShares) -> Result<Self> {
        let kernels: Vec<(usize, String, Tensor)> = encoder
            .variables()
            .into_iter()
            .enumerate()
            .filter(|(_, (_, weights))| weights.dim() == 2 && weights.size().iter().all(|&size| size > 1))
            .map(|(place, (name, weights))| (place, name, weights))
            .collect();
        let share = |name: &str| shares.of(encoder.layer_of(name));
        let names: Vec<&str> = kernels.iter().map(|(_, name, _)| name.as_str()).collect();
        let targets = targets(config, &names, |name| share(name).is_some())?;
        let rank = config.rank as i64;
        let mut adapted = Vec::new();
        for (place, name, weights) in kernels {
            let Some(share) = share(&name).filter(|_| targets.iter().any(|target| name.contains(target.as_str())))
            else {
                continue;
            };
            let size = weights.size();
            if size.iter().any(|&size| rank >= size) {
                let reason = format!("must be below both sizes of each kernel; {name} is {size:?}");
                return Err(Error::config("lora.rank", reason));
            }
            let kernel = weights.detach();
            adapted.push(Adapted { name, place, share, leaf: kernel.shallow_clone(), kernel });
        }
        Ok(Self { rank, scale: config.scale(), inputs_first: encoder.inputs_first(), adapted })
    }

    pub(in crate::ml::train) fn numbers(&self) -> usize {
        let sizes = self.adapted.iter().flat_map(|adapted| adapted.kernel.size());
        (sizes.sum::<i64>() * self.rank) as usize
    }

    /// A kernel's factors at the beginning, `A` `(r, in)` and `B` `(out, r)`: a function of the seed and
    /// the kernel's name. `A` is uniform as in the paper's code, `kaiming_uniform_` with a = sqrt(5): within
    /// 1 / sqrt(in). `B` is zero, so that training begins with the kernel as it is.
    pub(super) fn factors(&self, adapted: &Adapted, seed: u64) -> [Tensor; 2] {
        let size = adapted.kernel.size();
        let (inputs, outputs) = if self.inputs_first { (size[0], size[1]) } else { (size[1], size[0]) };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = u64::from_str_radix(&sha256(adapted.name.as_bytes())[..16], 16);
        rng.set_stream(stream.expect("a SHA-256 is hexadecimal"));
        let bound = 1.0 / (inputs as f32).sqrt();
        let unit = |bits: u32| (bits >> 8) as f32 / (1 << 24) as f32;
        let noise: Vec<f32> = (0..self.rank * inputs).map(|_| (2.0 * unit(rng.next_u32()) - 1.0) * bound).collect();
        let a = Tensor::from_slice(&noise).reshape([self.rank, inputs]);
        [a, Tensor::zeros([outputs, self.rank], (Kind::Float, tch::Device::Cpu))]
    }

    /// Puts the kernels of these factors, `[A, B]` of each, into the encoder.
    pub(super) fn merge<'a>(&mut self, factors: impl Iterator<Item = [&'a Tensor; 2]>, encoder: &mut dyn Encoder) {
        let mut variables: Vec<Tensor> = encoder.variables().into_iter().map(|(_, weights)| weights).collect();
        for (adapted, [a, b]) in self.adapted.iter_mut().zip(factors) {
            let whole = tch::no_grad(|| merged(&adapted.kernel, a, b, self.scale, self.inputs_first));
            adapted.leaf = whole.set_requires_grad(true);
            variables[adapted.place] = adapted.leaf.shallow_clone();
        }
        encoder.set_variables(variables);
    }

    pub(super) fn leaves(&self) -> impl Iterator<Item = &Tensor> {
        self.adapted.iter().map(|adapted| &adapted.leaf)
    }

    /// From the gradients of [`Lora::leaves`] to those of the factors, `A` and `B` of each kernel in turn.
    pub(super) fn chain<'a>(
        &self,
        gradients: &[Tensor],
        factors: impl Iterator<Item = [&'a Tensor; 2]>,
    ) -> Vec<Tensor> {
        let pairs = gradients.iter().zip(factors);
        pairs.flat_map(|(gradient, [a, b])| of_factors(gradient, a, b, self.scale, self.inputs_first)).collect()
    }

    pub(super) fn adapters<'a>(&self, factors: impl Iterator<Item = [&'a Tensor; 2]>) -> Result<Adapters> {
        let mut adapters = Adapters::new(self.scale);
        for (adapted, [a, b]) in self.adapted.iter().zip(factors) {
            adapters.insert(&adapted.name, a, b)?;
        }
        Ok(adapters)
    }
}

/// The gradients by `A` and `B` from that by the whole kernel.
fn of_factors(gradient: &Tensor, a: &Tensor, b: &Tensor, scale: f64, inputs_first: bool) -> [Tensor; 2] {
    let gradient = if inputs_first { gradient.tr() } else { gradient.shallow_clone() }; // (out, in)
    [b.tr().matmul(&gradient) * scale, gradient.matmul(&a.tr()) * scale]
}

/// Which parts of names say that a kernel is adapted.
fn targets(config: &LoraConfig, kernels: &[&str], learns: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let refuse = |reason: String| Err(Error::config("lora.targets", reason));
    let given = config.targets.as_deref().unwrap_or_default();
    for target in given {
        let named: Vec<&&str> = kernels.iter().filter(|name| name.contains(target.as_str())).collect();
        if named.is_empty() {
            let reason = format!("no kernel of this model has {target:?} in its name; there are {}", parts(kernels));
            return refuse(reason);
        }
        if !named.iter().any(|name| learns(name)) {
            return refuse(format!("the kernels of {target:?} are in layers that do not learn"));
        }
    }
    let usual = || ATTENTION.iter().filter(|part| kernels.iter().any(|name| name.contains(**part)));
    let targets = match (given, usual().count()) {
        ([], 0) => vec![String::new()],
        ([], _) => usual().map(|&part| part.to_owned()).collect(),
        (given, _) => given.to_vec(),
    };
    let any = |name: &str| targets.iter().any(|target| name.contains(target.as_str()));
    if !kernels.iter().any(|name| any(name) && learns(name)) {
        return refuse(format!("no kernel is left that learns; this model has {}", parts(kernels)));
    }
    Ok(targets)
}

/// What kernels' names are made of, without numbers.
fn parts(kernels: &[&str]) -> String {
    let parts = kernels.iter().flat_map(|name| name.split(['/', '.']));
    let telling = |part: &&str| !UNTOLD.contains(part) && !part.chars().all(|c| c.is_ascii_digit());
    parts.filter(telling).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn the_factors_gradients_are_those_of_autograd_through_the_product() {
        let random = |rows: i64, columns: i64| Tensor::randn([rows, columns], (Kind::Float, Device::Cpu)) * 0.3;
        for inputs_first in [false, true] {
            let kernel = if inputs_first { random(7, 5) } else { random(5, 7) };
            let (a, b) = (random(3, 7).set_requires_grad(true), random(5, 3).set_requires_grad(true));
            let x = random(4, 7);
            let loss = |kernel: &Tensor| {
                let y = if inputs_first { x.matmul(kernel) } else { x.matmul(&kernel.tr()) };
                y.tanh().square().mean(Kind::Float)
            };
            let expected =
                Tensor::run_backward(&[loss(&merged(&kernel, &a, &b, 2.0, inputs_first))], &[&a, &b], false, false);
            let leaf = merged(&kernel, &a, &b, 2.0, inputs_first).detach().set_requires_grad(true);
            let slope = Tensor::run_backward(&[loss(&leaf)], &[&leaf], false, false).remove(0);
            for (found, expected) in
                tch::no_grad(|| of_factors(&slope, &a, &b, 2.0, inputs_first)).iter().zip(&expected)
            {
                assert!(expected.abs().max().double_value(&[]) > 1e-3, "there is something to compare");
                assert!((found - expected).abs().max().double_value(&[]) < 1e-6);
            }
        }
    }

    const KERNELS: [&str; 4] = [
        "encoder.layer.0.attention.self.query.weight",
        "encoder.layer.0.attention.self.value.weight",
        "encoder.layer.0.output.dense.weight",
        "encoder.layer.1.output.dense.weight",
    ];

    fn found(given: &[&str], learns: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
        let targets = Some(given.iter().map(|&target| target.to_owned()).collect());
        let config = LoraConfig { targets, ..LoraConfig::default() };
        super::targets(&config, &KERNELS, learns).map_err(|error| error.to_string())
    }

    #[test]
    fn queries_and_values_are_adapted_where_there_are_such_and_else_all() {
        assert_eq!(found(&[], |_| true).unwrap(), ["query", "value"]);
        assert_eq!(targets(&LoraConfig::default(), &["DNN/dense/kernel"], |_| true).unwrap(), [""]);
        assert_eq!(found(&["dense"], |_| true).unwrap(), ["dense"]);
    }

    #[test]
    fn a_target_that_is_not_there_or_does_not_learn_is_told() {
        let reason = found(&["gate"], |_| true).unwrap_err();
        assert!(reason.starts_with("lora.targets: ") && reason.contains("attention, dense, encoder"), "{reason}");
        let reason = found(&["query"], |name| name.contains("layer.1")).unwrap_err();
        assert!(reason.contains("\"query\" are in layers that do not learn"), "{reason}");
        assert!(found(&[], |name| name.contains("layer.1")).unwrap_err().contains("no kernel is left"));
    }
}
