//! Training jobs: a queue in the database, a supervisor, and the trainer, a child process of the
//! same binary.

mod exams;
mod failure;
mod message;
mod notes;
mod plan;
mod planner;
mod probes;
mod queue;
mod record;
mod run;
mod supervisor;
mod teller;
mod tensorboard;

pub use message::{Evaluation, Message, Note, Report, Rows};
pub use plan::{Estimate, Plan, plan};
pub use planner::{PlanError, Planner};
pub use queue::{CancelError, FEWEST_PAIRS, JobQueue, JobRequest, QueueError, model_id};
pub use run::{RunSpec, Saved, Table, read as read_table, run};
pub use supervisor::{MakeReady, Supervisor, SupervisorConfig};
