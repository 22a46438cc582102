//! Changes of low rank to kernels: LoRA.
//!
//! Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1: a kernel `W`
//! `(out, in)` becomes `W + s B A` with `B` `(out, r)`, `A` `(r, in)` and `s = alpha / r`.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::ml::Result;

/// What a kernel's factors are called in a file: the kernel's name and one of these (as in the library
/// peft).
const A: &str = ".lora_A";
const B: &str = ".lora_B";
/// The tensor `(1,)` of `s`.
const SCALE: &str = "lora.scale";

/// The factors of some kernels' changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adapters {
    scale: f32,
    factors: BTreeMap<String, Factors>,
}

/// `A` `(r, in)` and `B` `(out, r)`, row by row. Plain numbers, which may go between threads.
#[derive(Clone, Debug, PartialEq)]
struct Factors {
    rank: i64,
    a: Vec<f32>,
    b: Vec<f32>,
}

/// `W + s B A`. `inputs_first` says that the kernel is stored `(in, out)`.
///
/// Training and loading both come through here, so that a stored model has the trained one's bits.
pub(crate) fn merged(kernel: &Tensor, a: &Tensor, b: &Tensor, scale: f64, inputs_first: bool) -> Tensor {
    let (left, right) = if inputs_first { (a.tr(), b.tr()) } else { (b.shallow_clone(), a.shallow_clone()) };
    kernel.addmm(&(left * scale), &right)
}

impl Adapters {
    /// No factors yet. A kernel's number is float32, and so is `s`.
    pub(crate) fn new(scale: f64) -> Self {
        Self { scale: scale as f32, factors: BTreeMap::new() }
    }

    /// Adds a kernel's factors, `A` `(r, in)` and `B` `(out, r)`.
    pub(crate) fn insert(&mut self, name: &str, a: &Tensor, b: &Tensor) -> Result<()> {
        let rank = a.size2()?.0;
        let numbers = |factor: &Tensor| Vec::<f32>::try_from(factor.detach().reshape(-1));
        self.factors.insert(name.to_owned(), Factors { rank, a: numbers(a)?, b: numbers(b)? });
        Ok(())
    }

    /// The kernels that they change.
    pub fn kernels(&self) -> impl Iterator<Item = &str> {
        self.factors.keys().map(String::as_str)
    }

    /// Whether they change nothing.
    pub fn is_empty(&self) -> bool {
        self.factors.is_empty()
    }

    /// The same changes, this part of them.
    #[must_use]
    pub(crate) fn scaled(&self, part: f64) -> Self {
        Self { scale: (f64::from(self.scale) * part) as f32, factors: self.factors.clone() }
    }

    /// The kernel `name` with its change; as it is where they have no factors for it. `None` where the
    /// factors are not of this kernel's shape.
    pub(crate) fn apply(&self, name: &str, kernel: &Tensor, inputs_first: bool) -> Option<Tensor> {
        let Some(factors) = self.factors.get(name) else { return Some(kernel.shallow_clone()) };
        let size = kernel.size();
        let (outputs, inputs) = match (size.as_slice(), inputs_first) {
            (&[inputs, outputs], true) | (&[outputs, inputs], false) => (outputs, inputs),
            _ => return None,
        };
        let Factors { rank, a, b } = factors;
        let fit = a.len() as i64 == rank * inputs && b.len() as i64 == outputs * rank;
        let matrix = |numbers: &[f32], rows, columns| Tensor::from_slice(numbers).reshape([rows, columns]);
        fit.then(|| {
            let (a, b) = (matrix(a, *rank, inputs), matrix(b, outputs, *rank));
            merged(kernel, &a, &b, f64::from(self.scale), inputs_first)
        })
    }

    #[must_use]
    pub(crate) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let factors = self.factors.iter().filter(|(name, _)| wanted(name));
        Self { scale: self.scale, factors: factors.map(|(name, factors)| (name.clone(), factors.clone())).collect() }
    }

    /// For a file; nothing where there are no factors.
    pub(crate) fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut tensors = BTreeMap::new();
        for (name, Factors { rank, a, b }) in &self.factors {
            tensors.insert(format!("{name}{A}"), Tensor::from_slice(a).reshape([*rank, -1]));
            tensors.insert(format!("{name}{B}"), Tensor::from_slice(b).reshape([-1, *rank]));
            tensors.insert(SCALE.to_owned(), Tensor::from_slice(&[self.scale]));
        }
        tensors
    }

    /// Takes what [`Adapters::tensors`] gave out of a file's tensors. `None` where a part is missing.
    pub(crate) fn take(tensors: &mut BTreeMap<String, Tensor>) -> Result<Option<Self>> {
        let Some(scale) = tensors.remove(SCALE) else { return Ok(Some(Self::default())) };
        let mut adapters = Self::new(scale.f_double_value(&[0])?);
        let names: Vec<String> = tensors.keys().filter_map(|name| name.strip_suffix(A)).map(str::to_owned).collect();
        for name in names {
            let factors = (tensors.remove(&format!("{name}{A}")), tensors.remove(&format!("{name}{B}")));
            let (Some(a), Some(b)) = factors else { return Ok(None) };
            adapters.insert(&name, &a, &b)?;
        }
        Ok(Some(adapters))
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn random(size: [i64; 2]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn a_kernel_and_its_transpose_change_alike() {
        let (kernel, a, b) = (random([6, 5]), random([2, 5]), random([6, 2]));
        let expected = &kernel + b.matmul(&a) * 0.5;
        let as_it_is = merged(&kernel, &a, &b, 0.5, false);
        let transposed = merged(&kernel.tr().contiguous(), &a, &b, 0.5, true);
        for found in [as_it_is, transposed.tr()] {
            assert!((found - &expected).abs().max().double_value(&[]) < 1e-6);
        }
    }

    /// The trainer and the server have different numbers of threads.
    #[test]
    fn a_kernel_is_merged_to_the_same_bits_on_any_number_of_threads() {
        let before = tch::get_num_threads();
        for (inputs, outputs) in [(512, 256), (1280, 256), (768, 768), (384, 1536), (123, 77)] {
            for rank in [1, 8, 16, 64] {
                let (a, b) = (random([rank, inputs]), random([outputs, rank]));
                for inputs_first in [false, true] {
                    let kernel = if inputs_first { random([inputs, outputs]) } else { random([outputs, inputs]) };
                    let on = |threads| {
                        tch::set_num_threads(threads);
                        merged(&kernel, &a, &b, 2.0, inputs_first)
                    };
                    let one = on(1);
                    for threads in [2, 3, 8] {
                        assert_eq!(on(threads), one, "{inputs} {outputs} {rank} {inputs_first} {threads}");
                    }
                }
            }
        }
        tch::set_num_threads(before);
    }

    #[test]
    fn factors_come_out_of_a_file_as_they_went_in_and_change_just_their_kernel() {
        let (kernel, a, b) = (random([6, 5]), random([2, 5]), random([6, 2]));
        let mut adapters = Adapters::new(0.3);
        adapters.insert("query.weight", &a, &b).unwrap();
        let mut stored = adapters.tensors();
        stored.insert("key.weight".to_owned(), random([6, 5]));
        let read = Adapters::take(&mut stored).unwrap().unwrap();
        assert_eq!((&read, stored.len()), (&adapters, 1));
        let changed = read.apply("query.weight", &kernel, false).unwrap();
        assert_eq!(changed, merged(&kernel, &a, &b, f64::from(0.3_f32), false));
        assert_eq!(read.apply("key.weight", &kernel, false).unwrap(), kernel);
        assert!(read.apply("query.weight", &kernel.tr(), false).is_none(), "another shape");
        assert_eq!(read.scaled(0.0).apply("query.weight", &kernel, false).unwrap(), kernel);
    }

    #[test]
    fn a_factor_without_the_other_is_told() {
        let mut adapters = Adapters::new(1.0);
        adapters.insert("w", &random([2, 5]), &random([6, 2])).unwrap();
        let mut stored = adapters.tensors();
        stored.remove("w.lora_B");
        assert!(Adapters::take(&mut stored).unwrap().is_none());
        assert_eq!(Adapters::take(&mut BTreeMap::new()).unwrap(), Some(Adapters::default()));
    }
}
