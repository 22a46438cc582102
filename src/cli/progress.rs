//! A run on a terminal: a bar with an estimate, and the figures as they come.

use indicatif::{ProgressBar, ProgressStyle};

use crate::jobs::{Evaluation, Message};

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
                let left = std::time::Duration::from_secs(progress.seconds_remaining as u64);
                self.0.set_message(format!(
                    "epoch {} of {}, loss {:.5}, at most {} left",
                    progress.epoch,
                    progress.epochs,
                    progress.loss,
                    indicatif::HumanDuration(left)
                ));
            }
            Message::Evaluation { when, evaluation } => self.line(&format!("{when:>11} {}", figures(evaluation))),
            Message::Epoch { record, .. } => {
                let spearman = record.val_spearman.map(|value| format!(", Spearman {value:.4}")).unwrap_or_default();
                let mrr = record.val_mrr.map(|value| format!(", MRR {value:.4}")).unwrap_or_default();
                self.line(&format!(
                    "   epoch {:>2} loss {:.5}, validation loss {:.5}{spearman}{mrr}, {:.1} s",
                    record.epoch, record.loss, record.val_loss, record.seconds
                ));
            }
            Message::Resumed { step, .. } => self.line(&format!("    resumed after step {step}")),
            Message::Warning(note) => self.line(&format!("       note {}", note.message)),
            Message::Failed(error) => self.line(&format!("     failed {} {}", error.message, error.hint)),
            Message::Done { .. } => self.0.finish_and_clear(),
            Message::Checkpoint { .. } | Message::Heatmap { .. } => {}
        }
    }
}

fn figures(evaluation: &Evaluation) -> String {
    let told = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let validation = &evaluation.validation;
    let mut figures = vec![format!("{} validation pairs, Spearman {}", validation.pairs, told(validation.spearman))];
    if let Some(retrieval) = validation.retrieval {
        figures.push(format!("MRR {:.4}", retrieval.mrr));
    }
    for benchmark in evaluation.benchmark.iter().chain([&evaluation.retention]) {
        figures.push(format!("{} Pearson {}", benchmark.name, told(benchmark.pearson)));
    }
    figures.join("; ")
}
