//! A run on a terminal: what it would take, a bar, and the figures as they come.

use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};

use crate::jobs::{Estimate, Evaluation, Message};
use crate::ml::eval::{Benchmark, LabelScores};

/// Shows a run's messages. Where there is no terminal, the figures alone are written, line by line.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{prefix:>11} {wide_bar} {pos}/{len} steps, {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Above the bar.
    #[expect(clippy::print_stdout, reason = "the figures are this command's output")]
    fn line(&self, line: &str) {
        self.0.suspend(|| println!("{line}"));
    }

    pub(super) fn show(&self, message: &Message) {
        match message {
            Message::Phase { phase } => {
                self.0.set_prefix(tables::choices::name_of(phase).replace('_', " "));
                self.0.tick();
            }
            Message::Progress(progress) => {
                self.0.set_length(progress.total_steps as u64);
                self.0.set_position(progress.step as u64);
                let left = Duration::from_secs(progress.seconds_remaining as u64);
                self.0.set_message(format!(
                    "epoch {} of {}, loss {:.5}, at most {} left",
                    progress.epoch,
                    progress.epochs,
                    progress.loss,
                    HumanDuration(left)
                ));
            }
            Message::Evaluation { when, evaluation } => {
                figures(evaluation).iter().for_each(|figures| self.line(&format!("{when:>11} {figures}")));
            }
            Message::Epoch { record, .. } => {
                let measured = [
                    ("rank correlation (Spearman)", record.val_spearman),
                    (RECIPROCAL_RANK, record.val_mrr),
                    (PRECISION, record.val_map),
                ];
                let measured = measured.into_iter().filter_map(|(name, value)| Some(format!(", {name} {:.4}", value?)));
                self.line(&format!(
                    "   epoch {:>2} loss {:.5}; on the validation pairs: loss {:.5}{}; {:.1} s",
                    record.epoch,
                    record.loss,
                    record.val_loss,
                    measured.collect::<String>(),
                    record.seconds
                ));
            }
            Message::Resumed { step, .. } => self.line(&format!("    resumed after step {step}")),
            Message::Warning(note) => self.line(&format!("       note {}", note.message)),
            Message::Failed(error) => self.line(&format!("     failed {} {}", error.message, error.hint)),
            Message::Done { .. } => self.0.finish_and_clear(),
            Message::Checkpoint { .. } | Message::Heatmap { .. } | Message::Alive(_) => {}
        }
    }
}

const RECIPROCAL_RANK: &str = "mean reciprocal rank (MRR)";
const PRECISION: &str = "mean average precision (MAP)";

/// A model's figures, a line for each table.
fn figures(evaluation: &Evaluation) -> Vec<String> {
    let told = |value: Option<f64>| value.map_or("not measurable".to_owned(), |value| format!("{value:.4}"));
    let validation = &evaluation.validation;
    let retrieval = validation.retrieval.map(|found| format!(", {RECIPROCAL_RANK} {:.4}", found.mrr));
    let mut lines = vec![format!(
        "{} validation pairs, held out of the table: rank correlation (Spearman) {}{}",
        validation.pairs,
        told(validation.spearman),
        retrieval.unwrap_or_default()
    )];
    let of_labels = |what: &str, labels: LabelScores| {
        let LabelScores { texts, labels, nearest_neighbour, nearest_centre, mean_average_precision } = labels;
        format!(
            "{what}, {texts} texts of {labels} labels: nearest text has the label {nearest_neighbour:.4}, nearest label centre {nearest_centre:.4}, {PRECISION} {mean_average_precision:.4}"
        )
    };
    lines.extend(validation.labels.map(|labels| of_labels("held out of the table", labels)));
    let general = |what: &str, benchmark: &Benchmark| {
        if let Some(labels) = benchmark.labels {
            return of_labels(&format!("{what} {}", benchmark.name), labels);
        }
        let Benchmark { name, pairs, pearson, .. } = benchmark;
        format!("{what} {name}, {pairs} pairs: linear correlation (Pearson) {}", told(*pearson))
    };
    lines.extend(evaluation.benchmark.as_ref().map(|benchmark| general("the benchmark", benchmark)));
    lines.push(general("the built-in general pairs", &evaluation.retention));
    lines
}

/// What a run would take, for people.
pub(super) fn estimate(estimate: &Estimate, benchmark: Option<&str>) -> String {
    let Estimate { rows, steps_per_epoch, total_steps, seconds, bytes, config, .. } = estimate;
    let time = |seconds: f64| HumanDuration(Duration::from_secs_f64(seconds.max(0.0)));
    let general = match benchmark {
        Some(name) => format!("the benchmark {name} (Pearson's correlation)"),
        None => "a few built-in pairs alone; --benchmark FILE names a table that says more".to_owned(),
    };
    format!(
        "Time        at most {}: {total_steps} steps, {steps_per_epoch} in each of {} epochs\n\
         Training    {} pairs\n\
         Validation  {} pairs, held out of the table; they are measured after each epoch (loss and rank correlation)\n\
         General     ability is measured before and after, {} each time, on {general}\n\
         Disk        at most {}",
        time(seconds.total),
        config.epochs,
        rows.training,
        rows.validation,
        time(seconds.evaluation),
        HumanBytes(*bytes as u64),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_and_estimates_say_what_was_measured_on_which_pairs() {
        let general = |name: &str| json!({ "name": name, "pairs": 250, "pearson": 0.81, "spearman": 0.8 });
        let evaluation = json!({
            "validation": { "pairs": 6, "measure": "cosine", "mse": 0.1, "mae": 0.1, "mape": 1.0, "pearson": null,
                "spearman": 0.7, "retrieval": { "queries": 6, "candidates": 9, "mrr": 0.9, "accuracy_at_1": 0.8 } },
            "benchmark": general("sts.csv"), "retention": general("shamisen-retention"),
        });
        let lines = figures(&serde_json::from_value(evaluation).unwrap());
        assert_eq!(
            lines,
            [
                "6 validation pairs, held out of the table: rank correlation (Spearman) 0.7000, mean reciprocal rank (MRR) 0.9000",
                "the benchmark sts.csv, 250 pairs: linear correlation (Pearson) 0.8100",
                "the built-in general pairs shamisen-retention, 250 pairs: linear correlation (Pearson) 0.8100",
            ]
        );

        let plan = json!({
            "rows": { "training": 24, "validation": 6, "leaking": 0 }, "steps_per_epoch": 3, "total_steps": 6,
            "seconds": { "total": 65.0, "step": 1.0, "epoch_end": 1.0, "evaluation": 2.0 }, "bytes": 1024,
            "config": { "epochs": 2 }, "notes": [],
        });
        let plan: Estimate = serde_json::from_value(plan).unwrap();
        let told = estimate(&plan, Some("sts.csv"));
        for words in ["at most 65 seconds: 6 steps", "6 pairs, held out", "the benchmark sts.csv", "at most 1.00 KiB"] {
            assert!(told.contains(words), "{told}");
        }
        assert!(estimate(&plan, None).contains("--benchmark FILE"));
    }
}
