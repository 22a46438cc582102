//! What happened to a job: as a list, or as a stream (server-sent events).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use crate::bounds::{EventNumber, Page};
use crate::http::error::words::shown;
use crate::http::error::{ApiError, Result};
use crate::http::extract::{Path, Query};
use crate::http::jobs;
use crate::http::reply::rfc3339;
use crate::http::state::AppState;
use crate::jobs::JobQueue;
use crate::store::Event;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// Only events after this `seq`.
    #[param(inline)]
    after: Option<EventNumber>,
    /// At most so many: 500 unless said, 1000 at most. A stream has no limit.
    #[param(inline)]
    limit: Option<Page>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header that is read by hand")]
struct LastSeen {
    /// The last `seq` that was seen; goes before `after`. An empty one is as if there were none.
    #[param(inline, rename = "Last-Event-ID")]
    id: Option<EventNumber>,
}

/// Something that happened to a job.
#[derive(Serialize, ToSchema)]
#[schema(as = Event, example = json!({
    "seq": 5, "at": "2026-01-31T12:00:00.123Z", "type": "phase", "data": { "phase": "training" }
}))]
struct EventBody {
    /// Ascends; the id of a stream's events.
    seq: i64,
    #[schema(format = DateTime)]
    at: String,
    /// `queued`, `started`, `phase`, `evaluation`, `heatmap`, `epoch`, `warning`, `checkpoint`, `resumed`, ..,
    /// and as the last one `succeeded`, `failed` or `cancelled`.
    r#type: String,
    /// Its particulars, by the type.
    #[schema(value_type = Object)]
    data: Value,
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        Self { seq: event.seq, at: rfc3339(event.at), r#type: event.r#type, data: event.data }
    }
}

#[derive(Serialize, ToSchema)]
struct Events {
    events: Vec<EventBody>,
    /// To go on from, as `after`.
    last_seq: i64,
}

/// Follow a job.
///
/// JSON, or where the client accepts `text/event-stream` a stream of server-sent events that ends with the
/// job. A client that comes back with `Last-Event-ID` misses nothing.
#[utoipa::path(
    get,
    path = "/jobs/{id}/events",
    tag = "Training",
    params(
        ("id" = String, Path, description = "The job's id."),
        EventsQuery,
        LastSeen,
    ),
    responses(
        (status = 200, description = "The events.", content(
            (Events = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 404, description = "There is no such job."),
    )
)]
pub(crate) async fn list_events(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let last_seen = match text("last-event-id") {
        None | Some("") => None,
        Some(id) => Some(id.parse().ok().and_then(EventNumber::new).ok_or_else(|| {
            let what = format!("{:?} is no number from 0 to {}", shown(id), i64::MAX);
            ApiError::out_of_range("Last-Event-ID", &what)
        })?),
    };
    let after = last_seen.or(query.after).map_or(0, EventNumber::signed);
    let job = jobs::find(&state, &id).await?;
    if text(header::ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream")) {
        let stop = state.stop.clone();
        let events = follow(state.queue.clone(), job.job_id, after).take_until(stop.cancelled_owned());
        let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
        // Proxies that gather answers would hold events back.
        let headers = [("x-accel-buffering", "no"), ("cache-control", "no-store")];
        return Ok((headers, Sse::new(events).keep_alive(keep_alive)).into_response());
    }
    let limit = query.limit.unwrap_or(Page::of(500)).signed();
    let events = state.store.events_after(&job.job_id, after, limit).await?;
    let last_seq = events.last().map_or(after, |event| event.seq);
    Ok(axum::Json(Events { events: events.into_iter().map(EventBody::from).collect(), last_seq }).into_response())
}

struct Following {
    queue: JobQueue,
    job_id: String,
    seen: i64,
    ready: VecDeque<Event>,
    happened: watch::Receiver<u64>,
    over: bool,
}

/// A job's events after `seen`, and new ones as they happen, until the last. The table is the truth:
/// a client that comes back with the last id that it saw misses nothing.
fn follow(queue: JobQueue, job_id: String, seen: i64) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let happened = queue.subscribe();
    let following = Following { queue, job_id, seen, ready: VecDeque::new(), happened, over: false };
    stream::unfold(following, |mut following| async move {
        loop {
            if let Some(event) = following.ready.pop_front() {
                following.seen = event.seq;
                following.over = event.is_last();
                return Some((Ok(sse_event(event)), following));
            }
            if following.over {
                return None;
            }
            // Seen *before* reading the table, so that an event in between wakes the wait below.
            following.happened.mark_unchanged();
            // The job *before* its events: one that was over then has told all that it will.
            let job = following.queue.store.job(&following.job_id).await.ok().flatten();
            let was_over = job.is_none_or(|job| job.status.is_terminal());
            match following.queue.store.events_after(&following.job_id, following.seen, 500).await {
                Ok(events) if events.is_empty() => {
                    if was_over {
                        return None;
                    }
                    following.happened.changed().await.ok()?;
                }
                Ok(events) => following.ready = events.into(),
                Err(error) => {
                    tracing::error!(job = following.job_id, %error, "events cannot be read");
                    return None;
                }
            }
        }
    })
}

fn sse_event(event: Event) -> sse::Event {
    let (seq, kind) = (event.seq, event.r#type.clone());
    let data = serde_json::to_string(&EventBody::from(event)).expect("events are plain structs");
    sse::Event::default().id(seq.to_string()).event(kind).data(data)
}
