//! Training jobs: a queue in the database, a supervisor, and the trainer, a child process of the
//! same binary.

mod estimate;
mod evaluate;
mod golden;
mod journal;
mod message;
mod process;
mod publish;
mod queue;
mod record;
mod reporter;
mod retention;
mod spec;
mod supervisor;
mod tensorboard;
mod trainer;

pub(crate) use estimate::{Estimate, Plan, PlanError, Planner, plan};
pub(crate) use message::{Evaluation, JobEvent, Message, Note, Report};
pub(crate) use publish::MakeReady;
pub(crate) use queue::{CancelError, FEWEST_PAIRS, JobQueue, QueueError, model_id};
pub(crate) use retention::Retention;
pub(crate) use spec::{RunSpec, Saved, Table};
pub(crate) use supervisor::Supervisor;
pub(crate) use trainer::run;

#[cfg(test)]
mod tests;
