//! How `shamisen serve` bounds connections, requests and callers.

use clap::Args;

use super::{seconds, within};
use crate::bounds;

/// What a key may use that was made without limits of its own; where there are no keys, all callers together.
#[derive(Clone, Debug, Args)]
pub struct Allowance {
    /// Tokens a minute that a key without a limit of its own may have embedded; then 429. Without keys, all callers
    /// together. 0 sets no limit.
    #[arg(long, env = "SHAMISEN_TOKENS_PER_MINUTE", default_value_t = 0)]
    pub tokens_per_minute: u32,
    /// Requests for vectors, similarities or tokens that such a key may have in flight; then 429. 0 sets no limit.
    #[arg(long, env = "SHAMISEN_REQUESTS_AT_ONCE", default_value_t = 0)]
    pub requests_at_once: u32,
    /// Jobs that such a key may have waiting; then 429. 0 sets no limit.
    #[arg(long, env = "SHAMISEN_JOBS_WAITING", default_value_t = 0)]
    pub jobs_waiting: u32,
}

/// How `shamisen serve` bounds connections and requests.
#[derive(Clone, Debug, Args)]
pub struct Connections {
    /// Pages of other sites that may call, as in `https://app.example,http://localhost:3000`; `*` for all.
    #[arg(long, env = "SHAMISEN_CORS_ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<String>,
    /// Open connections; where one is too many, the one whose client the server has waited for longest makes room.
    #[arg(long, env = "SHAMISEN_MAX_CONNECTIONS", value_parser = within::<usize>(&bounds::CONNECTIONS), default_value_t = 1024)]
    pub max_connections: usize,
    /// Open connections of one address; a proxy is one.
    #[arg(long, env = "SHAMISEN_MAX_CONNECTIONS_OF_ADDRESS", value_parser = within::<usize>(&bounds::CONNECTIONS), default_value_t = 768)]
    pub max_connections_of_address: usize,
    /// Seconds until a request's head has come.
    #[arg(long, env = "SHAMISEN_HEAD_TIMEOUT", value_parser = seconds(), default_value_t = 10)]
    pub head_timeout: u64,
    /// Seconds before a connection without a request, or a client that does not read its answer, is closed.
    #[arg(long, env = "SHAMISEN_IDLE_TIMEOUT", value_parser = seconds(), default_value_t = 75)]
    pub idle_timeout: u64,
    /// Bytes a second that a request's body is sent with at least, once it has made the server wait for longer than
    /// --body-grace; then 408. The slowest line that anyone sends texts over has several times as much.
    #[arg(long, env = "SHAMISEN_BODY_RATE", value_parser = within::<u64>(&bounds::BODY), default_value_t = 1024)]
    pub body_rate: u64,
    /// Seconds that a request's body may make the server wait for beside what its bytes pay for: a packet that is lost
    /// twice comes within them.
    #[arg(long, env = "SHAMISEN_BODY_GRACE", value_parser = seconds(), default_value_t = 10)]
    pub body_grace: u64,
    /// Seconds that a request's body may stand still; then 408.
    #[arg(long, env = "SHAMISEN_BODY_TIMEOUT", value_parser = seconds(), default_value_t = 20)]
    pub body_timeout: u64,
    /// Seconds until a request's answer begins; then 503. Vectors and similarities have as long as their model computes, and
    /// are given up when nothing was computed for so long. Uploads, jobs, changes of models and long questions to them have ten minutes, streams have
    /// no limit.
    #[arg(long, env = "SHAMISEN_REQUEST_TIMEOUT", value_parser = seconds(), default_value_t = 30)]
    pub request_timeout: u64,
    /// Seconds after SIGTERM before connections are refused: time for a load balancer to see that the server is not
    /// ready, and for clients with an open connection to read that it will be closed.
    #[arg(long, env = "SHAMISEN_STOP_WAIT", value_parser = within::<u64>(&bounds::SECONDS_OR_NONE), default_value_t = 1)]
    pub stop_wait: u64,
    /// Seconds for requests in flight when the server stops.
    #[arg(long, env = "SHAMISEN_DRAIN", value_parser = within::<u64>(&bounds::SECONDS_OR_NONE), default_value_t = 20)]
    pub drain: u64,
}
