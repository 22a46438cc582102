//! Where the server's log goes, and its traces.

use anyhow::Context;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{LogFormat, Serve};

/// The log of a server, for as long as this is held.
#[must_use]
pub(super) struct Log {
    #[cfg(feature = "otel")]
    traces: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// Logs to the error output from now on.
pub(super) fn start(config: &Serve) -> anyhow::Result<Log> {
    let filter =
        EnvFilter::try_new(&config.log).with_context(|| format!("SHAMISEN_LOG {:?} cannot be read", config.log))?;
    let lines = match config.log_format {
        LogFormat::Text => fmt::layer().with_writer(std::io::stderr).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otel")]
    let (subscriber, log) = {
        use opentelemetry::trace::TracerProvider;
        use tracing_subscriber::filter::LevelFilter;
        let traces = config.otlp_endpoint.as_deref().filter(|url| !url.is_empty()).map(traces).transpose()?;
        let layer = traces.as_ref().map(|traces| {
            let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer("shamisen"));
            layer.with_filter(LevelFilter::INFO)
        });
        (subscriber.with(layer), Log { traces })
    };
    #[cfg(not(feature = "otel"))]
    let log = Log {};
    subscriber.init();
    Ok(log)
}

/// Sends spans to a collector, many at a time, on a thread of its own.
#[cfg(feature = "otel")]
fn traces(collector: &str) -> anyhow::Result<opentelemetry_sdk::trace::SdkTracerProvider> {
    use opentelemetry_otlp::{SpanExporter, WithExportConfig};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;

    let endpoint = format!("{}/v1/traces", collector.trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_endpoint(&endpoint).build();
    let exporter = exporter.with_context(|| format!("SHAMISEN_OTLP_ENDPOINT: {endpoint:?} cannot be used"))?;
    let resource = Resource::builder().with_service_name("shamisen").build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

#[cfg(feature = "otel")]
impl Drop for Log {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces {
            // What a collector does not take by now is lost, and the server ends all the same.
            let _ = traces.shutdown();
        }
    }
}
