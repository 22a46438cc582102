//! A loaded model, as the inference threads share it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ml::Error;
use crate::ml::encoder::{
    Encoder, Model, Prompts, TokenCache, TokenSpan, Tokenizer, Tokens, TruncationDirection, tokenize,
};
use crate::ml::eval::Calibration;
use crate::registry::{Loaded, ModelRegistry};
use crate::store::ModelRow;

pub struct ServedModel {
    /// What the database said of it when it was loaded.
    row: ModelRow,
    fingerprint: Arc<str>,
    tokenizer: Arc<Tokenizer>,
    /// What may stand in front of texts.
    pub prompts: Arc<Prompts>,
    /// Whether its vectors have length 1.
    pub normalizes: bool,
    /// From its similarities to its user's scale.
    pub calibration: Option<Calibration>,
    /// Bytes that it takes in memory while it is in use, without what it shares with its base and the vocabulary's
    /// table.
    pub resident_bytes: u64,
    /// Locked for the moment that a thread takes its own handle to the weights.
    model: Mutex<Model>,
}

/// What a model takes while it is in use, beside what it shares with its base.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) bytes: u64,
    /// The base of a tuned model.
    pub(super) base: Option<String>,
}

/// Why a model cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadFault {
    /// It says something else than when it was made.
    SelfCheckFailed,
    /// A file is not what was written.
    ModelDamaged,
    /// Its files are no model.
    ModelBroken,
    /// Its files cannot be read now.
    ModelFilesNotReadable,
    /// The model that it is a delta of cannot be loaded.
    BaseNotLoaded,
}

impl LoadFault {
    /// For programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::SelfCheckFailed => "self_check_failed",
            Self::ModelDamaged => "model_damaged",
            Self::ModelBroken => "model_broken",
            Self::ModelFilesNotReadable => "model_files_not_readable",
            Self::BaseNotLoaded => "base_not_loaded",
        }
    }
}

/// Why a model's folder gives no model to serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// A file is missing, damaged, or cannot be read.
    #[error(transparent)]
    Files(#[from] Error),
    /// It says something else than when it was made.
    #[error("{0}")]
    SelfCheck(String),
}

impl ServedModel {
    /// Loads a model, a tuned one over its base, and asks it what it said when it was made, unless it did so before it
    /// `rested`. Reads files and computes: not for an async thread.
    pub(super) fn load(
        registry: &ModelRegistry,
        row: ModelRow,
        base: Option<&Self>,
        tokens: &Arc<TokenCache>,
        rested: bool,
    ) -> Result<Self, LoadError> {
        // Serving goes on meanwhile on the other cores. OpenMP keeps this number for each thread that calls it.
        tch::set_num_threads(1);
        let base = base.map(Self::handle);
        let Loaded { mut model, golden, calibration } = registry.load(&row, base.as_ref())?;
        model.encoder.prepare_inference(tokens);
        // Models that were made before there were golden vectors have nothing to be asked, and one that rested was asked
        // when its files were what they are: these are compared each time.
        if let Some(golden) = golden.filter(|_| !rested) {
            golden.check(&model).map_err(LoadError::SelfCheck)?;
        }
        let resident_bytes = own_bytes(&*model.encoder, base.as_ref().map(|base| &*base.encoder));
        let (tokenizer, prompts) = (Arc::clone(&model.tokenizer), Arc::clone(&model.prompts));
        Ok(Self {
            calibration,
            normalizes: model.encoder.normalizes(),
            fingerprint: row.fingerprint.as_str().into(),
            row,
            tokenizer,
            prompts,
            resident_bytes,
            model: Mutex::new(model),
        })
    }

    pub fn id(&self) -> &str {
        &self.row.model_id
    }

    pub fn name(&self) -> &str {
        &self.row.name
    }

    /// Equal fingerprints give equal vectors.
    pub fn fingerprint(&self) -> &Arc<str> {
        &self.fingerprint
    }

    /// Tokens of a text that it reads.
    pub fn max_tokens(&self) -> usize {
        self.row.max_tokens as usize
    }

    /// What it takes while it is in use.
    pub(super) fn share(&self) -> Share {
        Share { bytes: self.resident_bytes, base: self.row.base_model.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle to the weights for the calling thread.
    pub(super) fn encoder(&self) -> Box<dyn Encoder> {
        self.lock().encoder.shallow_clone()
    }

    /// Another handle to the whole model, to load a tuned one over.
    fn handle(&self) -> Model {
        let model = self.lock();
        model.with_encoder(model.encoder.shallow_clone())
    }

    /// All tokens of a text with a prompt in front, and where they stand in it. Not for an async thread.
    pub fn spans(&self, prompt: &str, text: &str, special: bool) -> Vec<TokenSpan> {
        self.tokenizer.spans(prompt, text, special)
    }

    /// The token ids of a text with a prompt in front, cut to what the model reads. Takes time with the text's length: not for
    /// an async thread.
    pub fn tokenize(&self, prompt: &str, text: &str, direction: TruncationDirection) -> Tokens {
        tokenize(&self.tokenizer, prompt, text, self.max_tokens(), direction)
    }
}

/// Bytes of the weights and tuned rows that are not the base's own, and of what was packed of them.
fn own_bytes(encoder: &dyn Encoder, base: Option<&dyn Encoder>) -> u64 {
    let places = |encoder: &dyn Encoder| -> BTreeMap<String, usize> {
        encoder.variables().into_iter().map(|(name, weights)| (name, weights.data_ptr() as usize)).collect()
    };
    let of_base = base.map(places).unwrap_or_default();
    let own = |(name, weights): &(String, tch::Tensor)| of_base.get(name) != Some(&(weights.data_ptr() as usize));
    let weights: u64 =
        encoder.variables().iter().filter(|variable| own(variable)).map(|(_, w)| w.numel() as u64 * 4).sum();
    let (_, columns) = encoder.word_embeddings().size();
    let rows = encoder.word_embeddings().tuned_ids().len() as u64 * (columns as u64 * 4 + ROW_PLACE);
    weights + rows + encoder.inference_bytes()
}

/// What it takes to remember where a tuned row is: two numbers of 8 bytes and a map's own share.
const ROW_PLACE: u64 = 24;

impl LoadError {
    pub(super) fn fault(&self) -> LoadFault {
        match self {
            Self::SelfCheck(_) => LoadFault::SelfCheckFailed,
            Self::Files(Error::Damaged { .. }) => LoadFault::ModelDamaged,
            Self::Files(Error::File { .. }) => LoadFault::ModelFilesNotReadable,
            Self::Files(_) => LoadFault::ModelBroken,
        }
    }

    /// In the user's words: without paths, which the log has.
    pub(super) fn message(&self) -> String {
        match self {
            Self::SelfCheck(reason) => format!("it does not say what it said when it was made: {reason}"),
            Self::Files(Error::File { path, cause }) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                format!("its file {name} cannot be read: {cause}")
            }
            Self::Files(Error::Damaged { path, reason }) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                format!("its file {name} is damaged: {reason}")
            }
            Self::Files(Error::Model { reason, .. }) => reason.clone(),
            Self::Files(other) => other.to_string(),
        }
    }

    /// Whether it may be gone by itself the next time.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Files(Error::File { .. } | Error::Torch(_)))
    }
}
