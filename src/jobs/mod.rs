//! Training jobs: a queue in the database, a supervisor, and the trainer, a child process of the
//! same binary.

mod death;
mod estimate;
mod evaluate;
mod golden;
mod journal;
mod memory;
mod message;
mod outcome;
mod process;
mod publish;
mod queue;
mod record;
mod reporter;
mod retention;
mod retry;
mod room;
mod spec;
mod supervisor;
mod tensorboard;
mod tidy;
mod trainer;

pub(crate) use estimate::{Estimate, Plan, PlanError, Planner, plan};
pub(crate) use memory::tell_signs_of_life;
pub(crate) use message::{Evaluation, JobEvent, Message, Note, Report};
pub(crate) use publish::MakeReady;
pub(crate) use queue::{CancelError, JobQueue, QueueError, model_id};
pub(crate) use retention::Retention;
pub(crate) use room::TooLarge;
pub(crate) use spec::{RunSpec, Saved, Table};
pub(crate) use supervisor::Supervisor;
pub(crate) use trainer::run;

#[cfg(test)]
mod tests;
