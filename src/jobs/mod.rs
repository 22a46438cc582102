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
mod spec;
mod supervisor;
mod tensorboard;
mod trainer;

pub use estimate::{Estimate, Plan, PlanError, Planner, plan};
pub use message::{Evaluation, JobEvent, Message, Note, Report, Rows};
pub use publish::MakeReady;
pub use queue::{CancelError, FEWEST_PAIRS, JobQueue, QueueError, model_id};
pub use spec::{RunSpec, Saved, Table};
pub use supervisor::{Supervisor, SupervisorConfig};
pub use trainer::run;

#[cfg(test)]
mod tests;
