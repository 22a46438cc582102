//! Training jobs: a queue in the database, a supervisor, and the trainer, a child process of the
//! same binary.

mod message;
mod queue;
mod run;
mod supervisor;
mod tensorboard;

pub use message::{Evaluation, Message, Report};
pub use queue::{CancelError, FEWEST_PAIRS, JobQueue, JobRequest, QueueError, model_id};
pub use run::{RunSpec, run};
pub use supervisor::{Supervisor, SupervisorConfig};
