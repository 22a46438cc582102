//! The forward pass of some texts of a batch, kept so that it can be differentiated.

use std::sync::mpsc;

use tch::{Kind, Tensor};

use super::optimizer::Gathered;
use crate::ml::encoder::{Dropout, Encoder, Pass, RaggedBatch};
use crate::ml::{Error, Result};

/// Texts on their way through an encoder. It can move to another thread, with an encoder of its own.
pub(super) struct Part {
    /// The gathered rows `(U, E)` that the table's gradient is taken of.
    rows: Tensor,
    /// Each token's row among them, `(N,)`.
    places: Vec<i64>,
    lengths: Vec<i64>,
    dropout: Option<Dropout>,
    /// Keep what each block reads and no graph, and do each block once more for its gradient (Chen et al.
    /// 2016): memory grows with one block, at the price of a second forward pass.
    checkpointing: bool,
}

/// What is kept of a part's forward pass.
enum Graph {
    Whole(Tensor),
    /// What each block read, and the last gave.
    Blocks(Vec<Tensor>),
}

impl Part {
    pub(super) fn new(gathered: &Gathered, texts: &[&[u32]], dropout: Option<Dropout>, checkpointing: bool) -> Self {
        let ragged = RaggedBatch::new(texts.iter().copied());
        let (rows, places) = gathered.places(&ragged.ids);
        Self { rows, places, lengths: ragged.lengths, dropout, checkpointing }
    }

    fn pass(&self) -> Pass {
        Pass::new(&self.lengths).with_dropout(self.dropout)
    }

    fn tokens(&self) -> Tensor {
        self.rows.index_select(0, &Tensor::from_slice(&self.places))
    }

    /// The texts' vectors `(T, D)`, of length 1, with a graph.
    pub(super) fn vectors(&self, encoder: &dyn Encoder) -> Tensor {
        encoder.forward(&self.tokens(), &self.pass())
    }

    /// The texts' vectors without a graph, and what their gradient needs.
    fn forward(&self, encoder: &dyn Encoder) -> (Tensor, Graph) {
        if !self.checkpointing {
            let vectors = self.vectors(encoder);
            return (vectors.detach(), Graph::Whole(vectors));
        }
        let _guard = tch::no_grad_guard();
        let pass = self.pass();
        let mut read = vec![encoder.begin(&self.tokens(), &pass)];
        for block in 0..encoder.blocks() {
            read.push(encoder.block(block, &read[block], &pass));
        }
        let vectors = encoder.unit(encoder.head(&encoder.features(&read[encoder.blocks()], &pass)));
        (vectors, Graph::Blocks(read))
    }

    /// The gradients by the leaves of `slope` `(T, D)` times the vectors; `None` for a leaf that they do not
    /// reach.
    fn backward(&self, encoder: &dyn Encoder, graph: Graph, slope: &Tensor, leaves: &[Tensor]) -> Vec<Option<Tensor>> {
        let blocks = match graph {
            Graph::Whole(vectors) => return slopes(&vectors, slope, leaves),
            Graph::Blocks(blocks) => blocks,
        };
        let pass = self.pass();
        let mut sum: Vec<Option<Tensor>> = leaves.iter().map(|_| None).collect();
        let mut slope = slope.shallow_clone();
        for (number, read) in blocks.into_iter().enumerate().rev() {
            let read = read.set_requires_grad(true);
            let given = match number == encoder.blocks() {
                true => encoder.unit(encoder.head(&encoder.features(&read, &pass))),
                false => encoder.block(number, &read, &pass),
            };
            let mut by: Vec<Tensor> = leaves.iter().map(Tensor::shallow_clone).collect();
            by.push(read);
            let mut gradients = slopes(&given, &slope, &by);
            let below = gradients.pop().flatten();
            add(&mut sum, gradients);
            let Some(below) = below else { return sum };
            slope = below;
        }
        let begun = encoder.begin(&self.tokens(), &pass);
        if begun.requires_grad() {
            add(&mut sum, slopes(&begun, &slope, leaves));
        }
        sum
    }

    /// The gradients by the leaves for a slope that is known.
    pub(super) fn gradients(&self, encoder: &dyn Encoder, slope: &Tensor, leaves: &[Tensor]) -> Vec<Option<Tensor>> {
        let (_, graph) = self.forward(encoder);
        self.backward(encoder, graph, slope, leaves)
    }
}

/// The gradients of several parts, a thread for each. `loss` is given the parts' vectors and gives the slope
/// by each. Two cores waste less on a half each than on one product together.
pub(super) fn side_by_side(
    encoder: &dyn Encoder,
    parts: Vec<Part>,
    leaves: &[Tensor],
    loss: impl FnOnce(&[Tensor]) -> Vec<Tensor>,
) -> Result<Vec<Vec<Option<Tensor>>>> {
    let threads = (tch::get_num_threads() / parts.len() as i32).max(1);
    let failed = || Error::Torch(tch::TchError::Torch("a thread of the training step stopped".to_owned()));
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for part in parts {
            let encoder = encoder.shallow_clone();
            let leaves: Vec<Tensor> = leaves.iter().map(Tensor::shallow_clone).collect();
            let (vectors_out, vectors) = mpsc::channel();
            let (slope, slope_in) = mpsc::channel::<Tensor>();
            let thread = scope.spawn(move || {
                // OpenMP keeps this number for each thread that calls it.
                tch::set_num_threads(threads);
                let (vectors, graph) = part.forward(&*encoder);
                vectors_out.send(vectors).ok()?;
                let slope = slope_in.recv().ok()?;
                Some(part.backward(&*encoder, graph, &slope, &leaves))
            });
            running.push((vectors, slope, thread));
        }
        let vectors: Option<Vec<Tensor>> = running.iter().map(|(vectors, ..)| vectors.recv().ok()).collect();
        let slopes = loss(&vectors.ok_or_else(failed)?);
        for ((_, out, _), slope) in running.iter().zip(slopes) {
            out.send(slope).map_err(|_| failed())?;
        }
        running.into_iter().map(|(.., thread)| thread.join().ok().flatten().ok_or_else(failed)).collect()
    })
}

/// The gradients by `leaves` of the sum of `vectors` times `slope`.
fn slopes(vectors: &Tensor, slope: &Tensor, leaves: &[Tensor]) -> Vec<Option<Tensor>> {
    gradients_of(&(vectors * slope).sum(Kind::Float), leaves)
}

/// The gradients of a number by `leaves`; `None` where there is no way.
pub(super) fn gradients_of(number: &Tensor, leaves: &[Tensor]) -> Vec<Option<Tensor>> {
    let gradients = Tensor::run_backward(&[number], leaves, false, false);
    gradients.into_iter().map(|gradient| gradient.defined().then_some(gradient)).collect()
}

pub(super) fn add(sum: &mut Vec<Option<Tensor>>, gradients: Vec<Option<Tensor>>) {
    if sum.is_empty() {
        *sum = gradients;
        return;
    }
    for (sum, gradient) in sum.iter_mut().zip(gradients) {
        match (sum.as_mut(), gradient) {
            (Some(sum), Some(gradient)) => {
                let _ = sum.g_add_(&gradient);
            }
            (None, Some(gradient)) => *sum = Some(gradient),
            (_, None) => {}
        }
    }
}
