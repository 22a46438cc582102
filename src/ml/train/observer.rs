//! Progress out of a run, cancellation into it.

use super::{Checkpoint, EpochRecord};
use crate::ml::Result;
use crate::ml::encoder::Encoder;

/// Where a run stands after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// From 1.
    pub epoch: usize,
    /// Over the whole run, from 1.
    pub step: usize,
    /// Steps of the whole run if it does not stop early.
    pub total_steps: usize,
    /// This step's loss, before its update.
    pub loss: f64,
}

/// Watches a run. An error that it returns ends the run.
pub trait Observer {
    /// After each step. `state` gives the run as it stands, to go on from later.
    fn step(&mut self, step: Step, state: &dyn Fn() -> Checkpoint) -> Result<()>;

    /// After each epoch.
    fn epoch(&mut self, record: &EpochRecord, encoder: &dyn Encoder) -> Result<()>;
}
