//! What the user should know about a run's numbers, before they come.

use super::message::Note;
use super::run::RunSpec;
use crate::ml::dataset::TableKind;
use crate::ml::eval::RETENTION_NAME;
use crate::ml::train::{LossKind, Split};

/// What the user should know about the numbers that follow.
pub(super) fn notes(spec: &RunSpec, kind: TableKind, split: &Split) -> Vec<Note> {
    let validation = &split.validation;
    let note = |code: &str, message| Note { code: code.to_owned(), message };
    let mut notes = Vec::new();
    if spec.benchmark.is_none() {
        let message = format!(
            "General ability was not measured with a benchmark: none was given. {RETENTION_NAME}, a small built-in set, is the only hint of it."
        );
        notes.push(note("no_benchmark", message));
    }
    if kind == TableKind::PairPositive {
        let message = "The table has no scores: each validation pair is judged beside a pair of texts from different rows, which counts as 0.".to_owned();
        notes.push(note("judged_by_strangers", message));
    }
    let scored = matches!(kind, TableKind::PairScore | TableKind::PairClass);
    let unsaid = scored && spec.dataset.lowest_means.is_none();
    if unsaid && validation.iter().chain(&split.training).any(|pair| pair.score < 0.5) {
        let message = "Nobody said what the lowest score of this table means: that texts have nothing in common, or that they mean opposite things. The loss took the scores as similarities on its own measure. Send the table again with \"lowest_means\" to say so.".to_owned();
        notes.push(note("lowest_score_not_said", message));
    }
    if unsaid
        && spec.config.loss == LossKind::AngularMse
        && validation.iter().chain(&split.training).any(|pair| pair.score < 0.25)
    {
        let message = "Some scores are below 0.25. This loss reads scores as angular similarities, where 0.5 is unrelated and 0 is opposite: it pulls such texts to opposite sides. If 0 means unrelated in your table, choose the loss \"cosine_mse\".".to_owned();
        notes.push(note("scores_below_unrelated", message));
    }
    if scored && validation.iter().all(|pair| pair.score == validation[0].score) {
        let message = format!(
            "All {} validation rows have the score {}: a correlation cannot be measured, and the validation loss says little. The last rows of the file validate; set \"split\" to \"random\" or \"grouped\" to change that.",
            validation.len(),
            validation[0].score
        );
        notes.push(note("one_validation_score", message));
    }
    if split.leaking > 0 {
        let message = format!(
            "{} of {} validation rows share a text with the training rows: the numbers on them flatter the model.{}",
            split.leaking,
            validation.len(),
            match split.hubs {
                0 => " Set \"split\" to \"grouped\" to keep such rows together.".to_owned(),
                1 => " One text is in so many rows that it stands on both sides.".to_owned(),
                hubs => format!(" {hubs} texts are in so many rows that they stand on both sides."),
            }
        );
        notes.push(note("validation_leaks", message));
    }
    notes
}
