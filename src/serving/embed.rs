//! Texts to vectors, with all that a request may ask: a prompt, a fingerprint, fewer dimensions, length 1.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, histogram};
use serde::Serialize;
use utoipa::ToSchema;

use super::encoding::{EncodeOptions, Encoded, EncodedText, EngineError};
use super::engine::Engine;
use super::model::ServedModel;
use super::pool::{ModelPool, PoolError};
use crate::ml::encoder::TruncationDirection;
use crate::store::ModelRow;

/// How texts become vectors.
#[derive(Clone, Debug, Default)]
pub(crate) struct EmbedOptions {
    /// A text that is too long is an error, and not cut.
    pub(crate) refuse_long: bool,
    /// Which end of a text that is too long is cut.
    pub(crate) truncation: TruncationDirection,
    /// The name of what the model puts in front; `None` for its default.
    pub(crate) prompt: Option<String>,
    /// From this text on, another prompt.
    pub(crate) documents: Option<(usize, Option<String>)>,
    /// Vectors as the model makes them, and not of length 1.
    pub(crate) raw: bool,
    /// Only the vectors' first so many dimensions.
    pub(crate) dimensions: Option<usize>,
    /// A text that cannot be used has an empty vector and is told in [`Vectors::errors`], instead of failing all.
    pub(crate) lenient: bool,
    pub(crate) expected_fingerprint: Option<String>,
}

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EmbedError {
    #[error("the fingerprint {expected:?} is expected; the model has {found:?}")]
    Fingerprint { expected: String, found: String },
    #[error("{asked} dimensions; the model has {all}")]
    Dimensions { asked: usize, all: usize },
    #[error("the model has no prompt {name:?}")]
    Prompt { name: String, known: Vec<String> },
    #[error("text {index}: {fault}")]
    Text { index: usize, fault: TextFault },
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a text has no vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TextFault {
    /// It is too long, and is not to be cut.
    #[error("{tokens} tokens; the model reads {max_tokens}")]
    TooLong { tokens: usize, max_tokens: usize },
    /// What a client would read as `null`, or put into an index for good.
    #[error("its vector has numbers that are not finite")]
    NotFinite,
}

/// A text that was longer than the model reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Truncated {
    /// Which of the request's texts, from 0.
    pub(crate) index: usize,
    /// How many tokens it has.
    pub(crate) tokens: usize,
    /// How many of them were not read.
    pub(crate) tokens_dropped: usize,
}

/// The vectors of a request's texts.
pub(crate) struct Vectors {
    pub(crate) model: Arc<ServedModel>,
    pub(crate) vectors: Vec<Vec<f32>>,
    /// Tokens of each text that were read.
    pub(crate) tokens: Vec<usize>,
    /// The texts of which the end was not.
    pub(crate) truncated: Vec<Truncated>,
    /// The texts whose vectors are empty, where they may be.
    pub(crate) errors: Vec<(usize, TextFault)>,
    pub(crate) stages: Stages,
}

/// What a request's vectors took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stages {
    /// When the texts came.
    pub(crate) began: Instant,
    pub(crate) tokenize: Duration,
    /// Waiting for an inference thread.
    pub(crate) queue: Duration,
    /// The forward pass that the last of the texts was in.
    pub(crate) infer: Duration,
}

/// The vectors of texts, by a model that is loaded where it is not yet. `caller` is whose they are: callers get equal
/// shares.
pub(crate) async fn embed(
    pool: &Arc<ModelPool>,
    engine: &Engine,
    row: &ModelRow,
    texts: Vec<String>,
    options: &EmbedOptions,
    caller: Option<&Arc<str>>,
) -> Result<Vectors, EmbedError> {
    let began = Instant::now();
    options.check(row)?;
    let model = pool.serve(row).await?;
    let Encoded { texts, queue, tokenize, infer } = encode(engine, &model, texts, options, caller).await?;
    let Finished { vectors, tokens, truncated, errors } = finish(texts, options, model.max_tokens(), model.normalizes)?;
    let stages = Stages { began, tokenize, queue, infer };
    let vectors = Vectors { model, vectors, tokens, truncated, errors, stages };
    vectors.measure();
    Ok(vectors)
}

/// The text of one of a model's prompts; of its default one without a name.
pub(crate) fn prompt(model: &ServedModel, name: Option<&str>) -> Result<String, EmbedError> {
    model.prompts.prompt(name).map(str::to_owned).map_err(|known| EmbedError::Prompt {
        name: name.unwrap_or_default().to_owned(),
        known: known.into_iter().map(str::to_owned).collect(),
    })
}

impl EmbedOptions {
    /// What can be known before the model is in memory.
    fn check(&self, row: &ModelRow) -> Result<(), EmbedError> {
        if let Some(expected) = self.expected_fingerprint.as_ref().filter(|expected| **expected != row.fingerprint) {
            return Err(EmbedError::Fingerprint { expected: expected.clone(), found: row.fingerprint.clone() });
        }
        let all = row.dimensions as usize;
        match self.dimensions {
            Some(asked) if !(1..=all).contains(&asked) => Err(EmbedError::Dimensions { asked, all }),
            _ => Ok(()),
        }
    }
}

/// All texts with their prompts; where there are two prompts, both parts at once.
async fn encode(
    engine: &Engine,
    model: &Arc<ServedModel>,
    mut texts: Vec<String>,
    options: &EmbedOptions,
    caller: Option<&Arc<str>>,
) -> Result<Encoded, EmbedError> {
    let with = |prompt| EncodeOptions { prompt, truncation: options.truncation, refuse_long: options.refuse_long };
    let of_queries = with(prompt(model, options.prompt.as_deref())?);
    let Some((from, name)) = &options.documents else {
        return Ok(engine.encode(model, texts, of_queries, caller).await?);
    };
    let of_documents = with(prompt(model, name.as_deref())?);
    if of_documents == of_queries {
        return Ok(engine.encode(model, texts, of_queries, caller).await?);
    }
    let documents = texts.split_off(*from);
    let (mut first, second) = tokio::try_join!(
        engine.encode(model, texts, of_queries, caller),
        engine.encode(model, documents, of_documents, caller)
    )?;
    first.texts.extend(second.texts);
    Ok(Encoded {
        texts: first.texts,
        queue: first.queue.max(second.queue),
        tokenize: first.tokenize.max(second.tokenize),
        infer: first.infer.max(second.infer),
    })
}

/// What clients get of encoded texts.
#[derive(Debug)]
struct Finished {
    vectors: Vec<Vec<f32>>,
    tokens: Vec<usize>,
    truncated: Vec<Truncated>,
    errors: Vec<(usize, TextFault)>,
}

fn finish(
    texts: Vec<EncodedText>,
    options: &EmbedOptions,
    max_tokens: usize,
    normalizes: bool,
) -> Result<Finished, EmbedError> {
    let (mut truncated, mut errors) = (Vec::new(), Vec::new());
    let mut fail = |index, fault| {
        errors.push((index, fault));
        if options.lenient { Ok(()) } else { Err(EmbedError::Text { index, fault }) }
    };
    for (index, text) in texts.iter().enumerate().filter(|(_, text)| text.dropped > 0) {
        let tokens = text.tokens + text.dropped;
        if options.refuse_long {
            fail(index, TextFault::TooLong { tokens, max_tokens })?;
        } else {
            truncated.push(Truncated { index, tokens, tokens_dropped: text.dropped });
        }
    }
    let (mut vectors, mut tokens) = (Vec::with_capacity(texts.len()), Vec::with_capacity(texts.len()));
    for (index, text) in texts.into_iter().enumerate() {
        let made = text.vector.as_deref().unwrap_or_default();
        let finite = made.iter().all(|number| number.is_finite());
        if !finite {
            fail(index, TextFault::NotFinite)?;
        }
        let usable = if finite { made } else { &[] };
        let mut vector = usable[..options.dimensions.unwrap_or(usable.len()).min(usable.len())].to_vec();
        if !options.raw && (!normalizes || options.dimensions.is_some()) {
            normalize(&mut vector);
        }
        tokens.push(if usable.is_empty() { 0 } else { text.tokens });
        vectors.push(vector);
    }
    errors.sort_by_key(|(index, _)| *index);
    Ok(Finished { vectors, tokens, truncated, errors })
}

/// To length 1; a zero vector stays zero.
fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x /= norm);
    }
}

impl Vectors {
    /// Counts what was embedded. The names are told in `http/prometheus.rs`.
    fn measure(&self) {
        let model = || self.model.id().to_owned();
        counter!("shamisen_texts_total", "model" => model()).increment(self.tokens.len() as u64);
        counter!("shamisen_tokens_total", "model" => model()).increment(self.tokens.iter().sum::<usize>() as u64);
        let Stages { tokenize, queue, infer, .. } = self.stages;
        for (stage, took) in [("tokenize", tokenize), ("queue", queue), ("infer", infer)] {
            histogram!("shamisen_stage_seconds", "stage" => stage).record(took.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(numbers: &[f32], tokens: usize, dropped: usize) -> EncodedText {
        EncodedText { vector: Some(numbers.into()), tokens, dropped }
    }

    fn lenient() -> EmbedOptions {
        EmbedOptions { lenient: true, ..EmbedOptions::default() }
    }

    #[test]
    fn a_zero_vector_stays_zero_when_it_is_normalized() {
        let done = finish(vec![text(&[0.0; 4], 1, 0), text(&[3.0, 4.0], 1, 0)], &lenient(), 8, false).unwrap();
        assert_eq!(done.vectors, [vec![0.0; 4], vec![0.6, 0.8]]);
    }

    #[test]
    fn first_dimensions_have_length_1_again_and_raw_ones_are_as_the_model_made_them() {
        let of = |options: EmbedOptions, normalizes| {
            finish(vec![text(&[3.0, 4.0, 12.0], 1, 0)], &options, 8, normalizes).unwrap().vectors.remove(0)
        };
        let two = EmbedOptions { dimensions: Some(2), ..EmbedOptions::default() };
        assert_eq!(of(two.clone(), true), [0.6, 0.8]);
        assert_eq!(of(EmbedOptions { raw: true, ..two }, true), [3.0, 4.0]);
        assert_eq!(of(EmbedOptions::default(), true), [3.0, 4.0, 12.0], "the model said that it is of length 1");
        assert_eq!(of(EmbedOptions { raw: true, ..EmbedOptions::default() }, false), [3.0, 4.0, 12.0]);
    }

    #[test]
    fn a_long_text_is_told_or_refused_and_refused_alone_where_others_are_to_be_answered() {
        let texts = || vec![text(&[1.0], 3, 0), text(&[1.0], 8, 5)];
        let told = finish(texts(), &EmbedOptions::default(), 8, true).unwrap();
        assert_eq!(told.truncated, [Truncated { index: 1, tokens: 13, tokens_dropped: 5 }]);
        let refuse = EmbedOptions { refuse_long: true, ..EmbedOptions::default() };
        let too_long = TextFault::TooLong { tokens: 13, max_tokens: 8 };
        let refused = |options: &EmbedOptions| {
            finish(vec![text(&[1.0], 3, 0), EncodedText { vector: None, tokens: 8, dropped: 5 }], options, 8, true)
        };
        assert!(matches!(refused(&refuse), Err(EmbedError::Text { index: 1, fault }) if fault == too_long));
        let alone = refused(&EmbedOptions { refuse_long: true, ..lenient() }).unwrap();
        assert_eq!((alone.vectors, alone.tokens), (vec![vec![1.0], Vec::new()], vec![3, 0]));
        assert_eq!((alone.errors, alone.truncated), (vec![(1, too_long)], Vec::new()));
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_also_beyond_the_dimensions_that_are_asked_for() {
        let texts = || vec![text(&[1.0, f32::NAN], 2, 0), text(&[0.0, 2.0], 2, 0)];
        let one = EmbedOptions { dimensions: Some(1), ..EmbedOptions::default() };
        assert!(matches!(
            finish(texts(), &one, 8, true),
            Err(EmbedError::Text { index: 0, fault: TextFault::NotFinite })
        ));
        let alone = finish(texts(), &lenient(), 8, false).unwrap();
        assert_eq!((alone.vectors, alone.tokens), (vec![Vec::new(), vec![0.0, 1.0]], vec![0, 2]));
        assert_eq!(alone.errors, [(0, TextFault::NotFinite)]);
    }
}
