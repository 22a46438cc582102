//! A run between two steps, on disk.
//!
//! What a step draws by chance is a function of the seed and the place in the run, so that weights,
//! moments and counters are all there is: a run that goes on from here gives the same bits as one that
//! never stopped, on the same machine with the same number of threads.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::early_stopping::Waiting;
use super::{EpochRecord, TrainConfig, TrainData};
use crate::ml::encoder::{read_tensors, write_tensors};
use crate::ml::files::{complete_or_absent, json, read, write_new};
use crate::ml::sha256::{Sha256Hex, sha256};
use crate::ml::{Error, Result};

const TENSORS: &str = "state.safetensors";
const COUNTERS: &str = "state.json";
const MANIFEST: &str = "manifest.json";

/// What another version of this layout would count up.
const FORMAT: u32 = 1;

/// A run after one of its steps.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where it stands.
    pub counters: Counters,
    /// Weights, moments, the rows of the table, and the epoch that is kept.
    pub(super) tensors: BTreeMap<String, Tensor>,
}

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Steps done in the whole run.
    pub step: usize,
    /// The present epoch, from 1.
    pub epoch: usize,
    /// Steps done in it.
    pub steps_of_epoch: usize,
    /// The sum of its rows' losses.
    pub loss_of_rows: f64,
    /// Rows that it has trained on.
    pub rows_of_epoch: usize,
    /// Seconds that it took so far.
    pub seconds_of_epoch: f64,
    /// Each step's loss by epochs, the present one last.
    pub step_losses: Vec<Vec<f64>>,
    /// The epochs before it.
    pub epochs: Vec<EpochRecord>,
    /// What early stopping waits for.
    pub(super) waiting: Waiting,
    /// The epoch whose weights are kept; 0 for the base.
    pub(super) kept_epoch: usize,
}

/// What a checkpoint was made with. Other bits come of other numbers here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// SHA-256 of the settings.
    pub config_sha256: String,
    /// SHA-256 of the rows as they were read, with the weights that the run began with.
    pub data_sha256: String,
    /// Threads of libtorch.
    pub threads: i32,
    /// The library's version.
    pub libtorch: String,
    /// What the processor can do.
    pub cpu: String,
    /// Pairs at a time, where they are fewer than the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
}

impl Conditions {
    /// Of a run with these settings and rows, from the model of this fingerprint, in this process.
    pub fn of(config: &TrainConfig, data: &TrainData<'_>, fingerprint: &str) -> Self {
        let mut rows = Sha256Hex::default();
        rows.update(fingerprint.as_bytes());
        for part in [data.training, data.validation, data.replay, data.general] {
            rows.update(&(part.len() as u64).to_le_bytes());
            for pair in part {
                rows.update(&pair.score.to_le_bytes());
                pair.labels.iter().for_each(|labels| rows.update(&labels.own.to_le_bytes()));
                for text in pair.texts() {
                    rows.update(&(text.len() as u64).to_le_bytes());
                    text.iter().for_each(|id| rows.update(&id.to_le_bytes()));
                }
            }
        }
        Self {
            config_sha256: sha256(&json(config)),
            data_sha256: rows.finish(),
            threads: tch::get_num_threads(),
            libtorch: env!("SHAMISEN_LIBTORCH").to_owned(),
            cpu: processor().to_owned(),
            micro_batch: None,
        }
    }
}

/// The widest instructions, by which libtorch's kernels are chosen.
fn processor() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        return "x86_64 avx512";
    } else if std::arch::is_x86_feature_detected!("avx2") {
        return "x86_64 avx2";
    }
    if cfg!(target_arch = "aarch64") { "aarch64" } else { "other" }
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    step: usize,
    conditions: Conditions,
    /// SHA-256 of each file.
    files: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Writes the checkpoint into the new folder `folder`, complete or absent: under another name,
    /// synced, renamed. Gives the SHA-256 of its manifest, which vouches for the rest.
    pub fn save(&self, folder: &Path, conditions: &Conditions) -> Result<String> {
        complete_or_absent(folder, |draft| {
            write_tensors(&draft.join(TENSORS), &self.tensors)?;
            write_new(&draft.join(COUNTERS), &json(&self.counters))?;
            let mut files = BTreeMap::new();
            for name in [TENSORS, COUNTERS] {
                files.insert(name.to_owned(), sha256(&read(&draft.join(name))?));
            }
            let manifest = Manifest { format: FORMAT, step: self.counters.step, conditions: conditions.clone(), files };
            let manifest = json(&manifest);
            write_new(&draft.join(MANIFEST), &manifest)?;
            Ok(sha256(&manifest))
        })
    }

    /// Reads a checkpoint whose manifest has this SHA-256. The flag says whether it was made under these
    /// very conditions, so that the run goes on bit by bit.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where anything in it is not what was written, or it is of another run; [`Error::File`]
    /// where that could not be found out.
    pub fn load(folder: &Path, manifest_sha256: &str, conditions: &Conditions) -> Result<(Self, bool)> {
        let damaged = |reason: &str| Error::Checkpoint { reason: reason.to_owned() };
        let whole = |name: &str, expected: &str| {
            let path = folder.join(name);
            let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => damaged(&format!("{name} is missing")),
                _ => Error::file(&path, error),
            })?;
            if sha256(&bytes) == expected { Ok(bytes) } else { Err(damaged(&format!("{name} has changed"))) }
        };
        let manifest: Manifest = serde_json::from_slice(&whole(MANIFEST, manifest_sha256)?)
            .map_err(|error| damaged(&format!("{MANIFEST}: {error}")))?;
        if manifest.format != FORMAT {
            return Err(damaged("another version of Shamisen wrote it"));
        }
        let Conditions { config_sha256, data_sha256, .. } = &manifest.conditions;
        if *config_sha256 != conditions.config_sha256 || *data_sha256 != conditions.data_sha256 {
            return Err(damaged("it is of another run"));
        }
        let file = |name: &str| {
            let expected = manifest.files.get(name).ok_or_else(|| damaged(&format!("{name} is missing")))?;
            whole(name, expected)
        };
        let counters: Counters =
            serde_json::from_slice(&file(COUNTERS)?).map_err(|error| damaged(&format!("{COUNTERS}: {error}")))?;
        file(TENSORS)?;
        let tensors = read_tensors(&folder.join(TENSORS))?;
        Ok((Self { counters, tensors }, manifest.conditions == *conditions))
    }
}
