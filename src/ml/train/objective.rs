//! What a step makes small: the loss and what stands beside it.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::TrainData;
use super::config::TrainConfig;
use super::graph::{Part, add, gradients_of, side_by_side};
use super::loss::{Candidates, Columns, Loss, LossKind, Rival};
use super::optimizer::Gathered;
use crate::ml::encoder::{Dropout, Encoder, encode_all, encode_features};
use crate::ml::eval;
use crate::ml::pairs::TokenPair;
use crate::ml::target::ScoreTarget;
use crate::ml::vectors::cosine;
use crate::ml::{Result, pulse};

/// The loss of replayed rows reads their order alone: their scores may be on any scale.
const REPLAY_LOSS: LossKind = LossKind::Cosent;

pub(super) struct Batch<'a> {
    /// Of the training rows.
    pub(super) pairs: Vec<&'a TokenPair>,
    /// Of the replayed table.
    pub(super) replay: Vec<&'a TokenPair>,
    pub(super) dropout: Option<Dropout>,
}

impl<'a> Batch<'a> {
    /// All texts: left, right, negatives, then the replayed left and right.
    pub(super) fn texts(&self) -> Vec<&'a [u32]> {
        let left = |pairs: &[&'a TokenPair]| pairs.iter().map(|pair| pair.left.as_slice()).collect::<Vec<_>>();
        let right = |pairs: &[&'a TokenPair]| pairs.iter().map(|pair| pair.right.as_slice()).collect();
        let negatives = self.pairs.iter().filter_map(|pair| pair.negative.as_deref()).collect();
        [left(&self.pairs), right(&self.pairs), negatives, left(&self.replay), right(&self.replay)].concat()
    }
}

/// The loss of a run, with all that is added to it.
pub(super) struct Objective<'a> {
    config: &'a TrainConfig,
    loss: Loss,
    pub(super) target: ScoreTarget,
    contrast: Option<(Loss, f64)>,
    /// What a guide and self-distillation compare with.
    base: Option<VectorsOfTexts>,
    /// What the head reads, where it alone learns: that does not change.
    features: Option<VectorsOfTexts>,
}

/// Something of the run's texts that is computed once.
struct VectorsOfTexts {
    places: HashMap<Vec<u32>, i64>,
    /// `(T, D)`
    vectors: Tensor,
}

impl VectorsOfTexts {
    fn of(pairs: &[&[TokenPair]], compute: &dyn Fn(&[&[u32]]) -> Tensor) -> Self {
        let texts: Vec<&[u32]> = pairs.iter().copied().flatten().flat_map(TokenPair::texts).collect();
        let (texts, _) = distinct(&texts);
        Self { places: texts.iter().map(|text| text.to_vec()).zip(0..).collect(), vectors: compute(&texts) }
    }

    /// `(T, D)`
    fn rows(&self, texts: &[&[u32]]) -> Tensor {
        let places: Vec<i64> = texts.iter().map(|&text| self.places[text]).collect();
        self.vectors.index_select(0, &Tensor::from_slice(&places))
    }
}

impl<'a> Objective<'a> {
    /// `encoder` is the base: what needs its vectors takes them now. `head_alone`: nothing below its head learns.
    pub(super) fn new(config: &'a TrainConfig, encoder: &dyn Encoder, data: &TrainData<'_>, head_alone: bool) -> Self {
        let needs_base = config.guide.is_some() || config.self_distillation.is_some();
        let of_all = |compute: &dyn Fn(&[&[u32]]) -> Tensor| VectorsOfTexts::of(&[data.training, data.replay], compute);
        Self {
            loss: Loss::new(config.loss, config.scale, config.margin),
            target: ScoreTarget { measure: config.loss.measure(), lowest_means: data.lowest_means },
            contrast: config.contrast.map(|extra| (Loss::new(LossKind::Mnrl, Some(extra.scale), None), extra.weight)),
            base: needs_base.then(|| of_all(&|texts| encode_all(encoder, texts))),
            features: head_alone.then(|| of_all(&|texts| encode_features(encoder, texts))),
            config,
        }
    }

    /// The batch's loss, and the gradients by the leaves of it times `share`.
    pub(super) fn gradients(
        &self,
        encoder: &dyn Encoder,
        gathered: &Gathered,
        batch: &Batch<'_>,
        share: f64,
        leaves: &[Tensor],
    ) -> Result<(f64, Vec<Tensor>)> {
        pulse::beat();
        // A text that stands in several rows is encoded once.
        let texts = batch.texts();
        let (distinct, places) = distinct(&texts);
        let compute = |vectors: &Tensor| self.compute(batch, &texts, &vectors.index_select(0, &places)) * share;
        let at_once = |vectors: Tensor| {
            let loss = compute(&vectors);
            (loss.double_value(&[]) / share, differentiate(&loss, leaves))
        };
        if let Some(features) = &self.features {
            return Ok(at_once(encoder.unit(encoder.head(&features.rows(&distinct)))));
        }
        let part = |number: u64, texts: &[&[u32]]| {
            let dropout = batch.dropout.map(|dropout| dropout.part(number));
            Part::new(gathered, texts, dropout, self.config.gradient_checkpointing)
        };
        let mini_batch = self.config.mini_batch.filter(|&pairs| pairs < batch.pairs.len());
        let (loss, gradients) = if let Some(pairs) = mini_batch {
            let at_a_time = distinct.len().div_ceil(batch.pairs.len().div_ceil(pairs));
            let parts: Vec<Part> =
                (0..).zip(distinct.chunks(at_a_time)).map(|(number, texts)| part(number, texts)).collect();
            one_by_one(encoder, &parts, leaves, &compute)
        } else if encoder.blocks() == 0 {
            return Ok(at_once(part(0, &distinct).vectors(encoder)));
        } else {
            let (halves, order) = halves(&distinct);
            let parts = (0..).zip(&halves).map(|(number, texts)| part(number, texts)).collect();
            let mut value = 0.0;
            let gradients = side_by_side(encoder, parts, leaves, |vectors| {
                let (loss, slope) = slope(vectors, &|vectors| compute(&vectors.index_select(0, &order)));
                value = loss;
                slope
            })?;
            let mut sum = Vec::new();
            gradients.into_iter().for_each(|gradients| add(&mut sum, gradients));
            (value, sum)
        };
        Ok((loss / share, whole(gradients, leaves)))
    }

    /// The batch's loss from its texts' vectors `(T, D)`, in the order of [`Batch::texts`].
    fn compute(&self, batch: &Batch<'_>, texts: &[&[u32]], vectors: &Tensor) -> Tensor {
        let (rows, replayed) = (batch.pairs.len() as i64, batch.replay.len() as i64);
        let negatives = texts.len() as i64 - 2 * rows - 2 * replayed;
        let column = |start, rows| vectors.narrow(0, start, rows);
        let columns = Columns {
            left: column(0, rows),
            right: column(rows, rows),
            negative: (negatives > 0).then(|| column(2 * rows, negatives)),
            scores: self.targets(&batch.pairs),
            candidates: self.config.contrasts().then(|| self.candidates(&batch.pairs)),
        };
        let mut loss = self.matryoshka(&columns);
        if replayed > 0 {
            let start = 2 * rows + negatives;
            let columns = Columns {
                left: column(start, replayed),
                right: column(start + replayed, replayed),
                negative: None,
                scores: scores(&batch.replay),
                candidates: None,
            };
            loss += Loss::new(REPLAY_LOSS, None, None).compute(&columns);
        }
        if let (Some(weight), Some(base)) = (self.config.self_distillation, &self.base) {
            let drift: Tensor = 1.0 - cosine(vectors, &base.rows(texts));
            loss += drift.mean(Kind::Float) * weight;
        }
        loss
    }

    /// The mean over the chosen numbers of dimensions, the whole among them.
    fn matryoshka(&self, columns: &Columns) -> Tensor {
        let whole = self.of_columns(columns);
        let Some(dims) = &self.config.matryoshka else { return whole };
        let sum = dims.iter().fold(whole, |sum, &dim| sum + self.of_columns(&columns.truncate(dim)));
        sum / (dims.len() + 1) as f64
    }

    fn of_columns(&self, columns: &Columns) -> Tensor {
        let loss = self.loss.compute(columns);
        match &self.contrast {
            Some((contrast, weight)) => loss + contrast.compute(columns) * *weight,
            None => loss,
        }
    }

    /// Which texts of the batch are negatives, the guide's doubts included.
    fn candidates(&self, pairs: &[&TokenPair]) -> Candidates {
        let config = self.config;
        let (Some(margin), Some(base)) = (config.guide, &self.base) else {
            return self.sure_candidates(pairs);
        };
        let column = |of: fn(&TokenPair) -> Option<&[u32]>| {
            base.rows(&pairs.iter().filter_map(|&pair| of(pair)).collect::<Vec<_>>())
        };
        let (left, right) = (column(|pair| Some(&pair.left)), column(|pair| Some(&pair.right)));
        let matrix = |a: &Tensor, b: &Tensor| Vec::<Vec<f32>>::try_from(a.matmul(&b.tr())).unwrap_or_default();
        let to_right = matrix(&left, &right);
        let to_negative = match pairs.first().is_some_and(|pair| pair.negative.is_some()) {
            true => matrix(&left, &column(|pair| pair.negative.as_deref())),
            false => Vec::new(),
        };
        let too_near = |row: usize, rival: Rival| {
            let similarity = match rival {
                Rival::Right(at) => to_right[row][at],
                Rival::Negative(at) => to_negative[row][at],
                Rival::Left(at) => to_right[at][row],
            };
            f64::from(similarity) > f64::from(to_right[row][row]) - margin
        };
        Candidates::of(pairs, config.positive_from, config.symmetric, &too_near)
    }

    /// Whether the loss compares similarities with scores. Others read their order, or whether they are 0 or 1.
    fn squares(&self) -> bool {
        matches!(self.loss.kind, LossKind::AngularMse | LossKind::CosineMse)
    }

    /// What the loss compares with, `(B,)`.
    fn targets(&self, pairs: &[&TokenPair]) -> Tensor {
        if !self.squares() {
            return scores(pairs);
        }
        Tensor::from_slice(&pairs.iter().map(|pair| self.target.similarity(pair.score) as f32).collect::<Vec<_>>())
    }

    /// The loss over all validation rows; in batches of the run's size where a batch's size is part of
    /// the loss. Replay and self-distillation stay out of it. `None` where it is the mean squared error.
    pub(super) fn validation(&self, encoder: &dyn Encoder, rows: &[TokenPair]) -> Option<f64> {
        let contrasts = self.config.contrasts();
        if self.squares() && !contrasts {
            return None;
        }
        let (left, right) = eval::vectors(encoder, rows);
        let negatives: Vec<&[u32]> = rows.iter().filter_map(|row| row.negative.as_deref()).collect();
        let negative = (!negatives.is_empty()).then(|| encode_all(encoder, &negatives));
        let size = if contrasts { self.config.batch_size } else { rows.len().max(1) };
        let mut sum = 0.0;
        for (part, start) in rows.chunks(size).zip((0..).step_by(size)) {
            let of_part = |column: &Tensor| column.narrow(0, start, part.len() as i64);
            let pairs: Vec<&TokenPair> = part.iter().collect();
            let columns = Columns {
                left: of_part(&left),
                right: of_part(&right),
                negative: negative.as_ref().map(of_part),
                scores: self.targets(&pairs),
                candidates: contrasts.then(|| self.sure_candidates(&pairs)),
            };
            sum += self.of_columns(&columns).double_value(&[]) * part.len() as f64;
        }
        Some(sum / rows.len() as f64)
    }

    /// The candidates without a guide's doubts.
    fn sure_candidates(&self, pairs: &[&TokenPair]) -> Candidates {
        Candidates::of(pairs, self.config.positive_from, self.config.symmetric, &|_, _| false)
    }
}

/// The different texts, and where each text stands among them, `(T,)`.
fn distinct<'a>(texts: &[&'a [u32]]) -> (Vec<&'a [u32]>, Tensor) {
    let mut place_of: HashMap<&[u32], i64> = HashMap::new();
    let mut distinct = Vec::new();
    let mut place = |text: &'a [u32]| {
        *place_of.entry(text).or_insert_with(|| {
            distinct.push(text);
            distinct.len() as i64 - 1
        })
    };
    let places: Vec<i64> = texts.iter().map(|&text| place(text)).collect();
    (distinct, Tensor::from_slice(&places))
}

/// Texts in two halves that take about the same time, and where each text's vector is when the halves'
/// vectors stand one after the other, `(T,)`. Two, however many cores there are: what is dropped must not
/// depend on that.
fn halves<'a>(texts: &[&'a [u32]]) -> ([Vec<&'a [u32]>; 2], Tensor) {
    let mut by_length: Vec<usize> = (0..texts.len()).collect();
    by_length.sort_by_key(|&text| std::cmp::Reverse(texts[text].len()));
    let mut halves = [Vec::new(), Vec::new()];
    let mut tokens = [0, 0];
    for text in by_length {
        let half = usize::from(tokens[1] < tokens[0]);
        tokens[half] += texts[text].len();
        halves[half].push(text);
    }
    let mut order = vec![0_i64; texts.len()];
    for (place, &text) in (0..).zip(halves.iter().flatten()) {
        order[text] = place;
    }
    (halves.map(|half| half.into_iter().map(|text| texts[text]).collect()), Tensor::from_slice(&order))
}

/// The loss of the parts' vectors, one below the other, and its slope by each part.
fn slope(vectors: &[Tensor], loss: &dyn Fn(&Tensor) -> Tensor) -> (f64, Vec<Tensor>) {
    let together = Tensor::cat(vectors, 0).set_requires_grad(true);
    let loss = loss(&together);
    let slope = differentiate(&loss, std::slice::from_ref(&together)).remove(0);
    let sizes: Vec<i64> = vectors.iter().map(|vectors| vectors.size()[0]).collect();
    (loss.double_value(&[]), slope.split_with_sizes(sizes, 0))
}

/// Gradient caching: vectors without a graph, the loss's slope on them, then each part once more with its
/// part of the slope.
fn one_by_one(
    encoder: &dyn Encoder,
    parts: &[Part],
    leaves: &[Tensor],
    loss: &dyn Fn(&Tensor) -> Tensor,
) -> (f64, Vec<Option<Tensor>>) {
    let vectors: Vec<Tensor> = tch::no_grad(|| parts.iter().map(|part| part.vectors(encoder)).collect());
    let (loss, slopes) = slope(&vectors, loss);
    let mut sum = Vec::new();
    for (part, slope) in parts.iter().zip(&slopes) {
        pulse::beat();
        add(&mut sum, part.gradients(encoder, slope, leaves));
    }
    (loss, sum)
}

/// The gradient by each leaf; zeros for one that the loss does not reach.
fn differentiate(loss: &Tensor, leaves: &[Tensor]) -> Vec<Tensor> {
    whole(gradients_of(loss, leaves), leaves)
}

/// Zeros for what no gradient reached.
fn whole(gradients: Vec<Option<Tensor>>, leaves: &[Tensor]) -> Vec<Tensor> {
    let whole = gradients.into_iter().zip(leaves);
    whole.map(|(gradient, leaf)| gradient.unwrap_or_else(|| leaf.detach().zeros_like())).collect()
}

fn scores(pairs: &[&TokenPair]) -> Tensor {
    Tensor::from_slice(&pairs.iter().map(|pair| pair.score as f32).collect::<Vec<_>>())
}
