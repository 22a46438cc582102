//! Where all that is counted and measured comes together.

use std::time::Duration;

use metrics::Unit::{Bytes, Seconds};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// From half a millisecond to a minute.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
const TEXTS: [f64; 12] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0];
const TOKENS: [f64; 10] = [8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// Where all that is counted and measured comes together.
#[derive(Clone, Debug)]
pub struct Recorder(pub(super) PrometheusHandle);

impl Recorder {
    /// Begins to count, for the whole process.
    ///
    /// # Errors
    /// Where the process counts already.
    pub fn install() -> std::result::Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Full("shamisen_batch_texts".to_owned()), &TEXTS)?
            .set_buckets_for_metric(Matcher::Full("shamisen_batch_tokens".to_owned()), &TOKENS)?
            .install_recorder()?;
        describe();
        gauge!("shamisen_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(recorder))
    }

    /// Gathers what was measured since, every few seconds for as long as the process lives: nobody may be
    /// scraping, and single measurements would fill the memory.
    pub async fn keep_up(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            self.0.run_upkeep();
        }
    }
}

fn describe() {
    describe_counter!("shamisen_requests_total", "Requests by route, method, status, and the model that answered.");
    describe_histogram!(
        "shamisen_request_seconds",
        Seconds,
        "From a request's head to its answer's, by route and method."
    );
    describe_counter!("shamisen_errors_total", "Requests that were refused or failed, by the error's code.");
    describe_gauge!("shamisen_connections", "Connections that are open.");
    describe_counter!("shamisen_texts_total", "Texts that were embedded, by model.");
    describe_counter!("shamisen_tokens_total", "Tokens that were embedded, by model.");
    describe_histogram!(
        "shamisen_stage_seconds",
        Seconds,
        "What a request's texts took: tokenize, queue (waiting for a thread), infer (the forward pass)."
    );
    describe_gauge!(
        "shamisen_queue_parts",
        "Parts of requests that wait for an inference thread; a small request has one."
    );
    describe_gauge!("shamisen_queue_texts", "Texts that wait for an inference thread.");
    describe_gauge!("shamisen_queue_tokens", "Tokens that wait for an inference thread.");
    describe_histogram!("shamisen_batch_texts", "Texts of one forward pass.");
    describe_histogram!(
        "shamisen_batch_tokens",
        "Tokens of one forward pass. None of them is padding: there is none, by design."
    );
    describe_gauge!(
        "shamisen_token_cache_bytes",
        Bytes,
        "What frozen models keep of single tokens, of at most 64 MiB."
    );
    describe_counter!("shamisen_token_cache_hits_total", "Tokens whose first layers were kept.");
    describe_counter!("shamisen_token_cache_misses_total", "Tokens whose first layers were computed.");
    describe_gauge!("shamisen_vector_cache_bytes", Bytes, "Vectors that are kept, where they are.");
    describe_counter!("shamisen_vector_cache_hits_total", "Texts whose vectors were kept.");
    describe_counter!("shamisen_vector_cache_misses_total", "Texts whose vectors were not.");
    describe_gauge!("shamisen_models_loaded", "Models in memory.");
    describe_counter!("shamisen_model_failures_total", "Models that could not be loaded, by the failure's code.");
    describe_gauge!(
        "shamisen_resident_bytes",
        Bytes,
        "The process's memory, mapped tables included as far as they were read."
    );
    describe_gauge!(
        "shamisen_database_writable",
        "1 while the database takes writes, as far as was seen in the last seconds; 0 while it does not."
    );
    describe_gauge!("shamisen_jobs", "Training jobs by status.");
    describe_gauge!("shamisen_training_step", "The running job's step, from 1; 0 while none trains.");
    describe_gauge!(
        "shamisen_training_steps_per_second",
        "The running job's rate, as its estimate of the time left has it."
    );
    describe_gauge!("shamisen_build_info", "1, with the program's version.");
}
