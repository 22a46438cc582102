//! API keys, for `admin`. The command line does the same where there is no key yet.

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::bounds::{self, KeyLimit, KeyName, Lasts, List};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Json, Path};
use crate::http::reply::{Reply, rfc3339};
use crate::http::state::AppState;
use crate::keys::{KeyLimits, Scope, end_of_life};
use crate::store::{ApiKeyRow, UnreadableRow, now};

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
struct KeyBody {
    #[schema(example = "key_0198c0ffee007000800000000000cafe")]
    id: String,
    name: String,
    /// `embed`, `train`, `metrics`, `admin`.
    scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    /// To the minute.
    last_used_at: Option<String>,
    revoked_at: Option<String>,
    /// Its own limit; `null` where the server's setting counts.
    tokens_per_minute: Option<u32>,
    /// Likewise.
    requests_at_once: Option<u32>,
    /// Likewise.
    jobs_waiting: Option<u32>,
}

impl From<ApiKeyRow> for KeyBody {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            status: row.status(now()),
            id: row.key_id,
            name: row.name,
            scopes: row.scopes,
            created_at: rfc3339(row.created_at),
            expires_at: row.expires_at.map(rfc3339),
            last_used_at: row.last_used_at.map(rfc3339),
            revoked_at: row.revoked_at.map(rfc3339),
            tokens_per_minute: row.tokens_per_minute,
            requests_at_once: row.requests_at_once,
            jobs_waiting: row.jobs_waiting,
        }
    }
}

/// What a new key is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateKey {
    /// Whose it is, or what for: 1 to 100 characters.
    #[schema(inline, value_type = KeyNameOnly, example = "search app")]
    name: KeyName,
    /// At least one.
    #[schema(inline)]
    scopes: Scopes,
    /// How long it is good for, as in `90d`, `12h`, `30m`; for ever where this is left out.
    #[schema(inline, value_type = Option<LastsOnly>, example = "90d")]
    expires: Option<Lasts>,
    /// Tokens a minute that it may have embedded; what the server's setting says where this is left out.
    #[schema(inline)]
    tokens_per_minute: Option<KeyLimit>,
    /// Requests for vectors, similarities or tokens that it may have in flight; likewise.
    #[schema(inline)]
    requests_at_once: Option<KeyLimit>,
    /// Jobs that it may have waiting; likewise.
    #[schema(inline)]
    jobs_waiting: Option<KeyLimit>,
}

/// A bound of [`KeyLimit`] fits.
fn count(limit: KeyLimit) -> u32 {
    u32::try_from(limit.get()).unwrap_or(u32::MAX)
}

/// What a key may do: there are four scopes.
type Scopes = List<Scope, 1, 4>;

/// Texts as the API's description tells them.
struct KeyNameOnly;
struct LastsOnly;

impl PartialSchema for KeyNameOnly {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^(?=.*\S)[^\u0000-\u001f\u007f-\u009f]+$";
        bounds::text_schema(&KeyName::RANGE, false).pattern(Some(pattern)).build().into()
    }
}

impl ToSchema for KeyNameOnly {}

impl PartialSchema for LastsOnly {
    fn schema() -> RefOr<Schema> {
        bounds::text_schema(&Lasts::RANGE, false).pattern(Some("^[1-9][0-9]{0,4}[mhd]$")).build().into()
    }
}

impl ToSchema for LastsOnly {}

/// A new key.
#[derive(Serialize, ToSchema)]
struct NewKeyBody {
    /// The key itself. It is told this once and kept nowhere.
    #[schema(example = "sk_0198c0ffee007000800000000000cafe_3mJr7AoUXx2Wqd0PZ8vYt5Lk1nB6cH9sEfGiQaRuTyI")]
    key: String,
    #[serde(flatten)]
    about: KeyBody,
}

/// All keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct Keys {
    keys: Vec<KeyBody>,
    /// Those that are there and cannot be read: damaged rows, or another version's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableRow>,
}

/// Make a key.
///
/// From the first key on, every request to the API needs one.
#[utoipa::path(post, path = "/keys", tag = "Keys", request_body(content = CreateKey, example = json!({ "name": "search app", "scopes": ["embed"] })),
    responses((status = 201, description = "The key, told this once.", body = NewKeyBody)))]
pub(crate) async fn create_key(State(state): State<AppState>, Json(request): Json<CreateKey>) -> Result<Response> {
    let name = request.name.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        let detail = "The name is blank, or has control characters.";
        return Err(
            ApiError::about(Code::NameNotUsable, "name", detail).hint("Say whose the key is, or what it is for.")
        );
    }
    let expires_at = match request.expires.as_deref().map(end_of_life) {
        Some(None) => {
            let detail = "\"expires\" is no length of time.";
            return Err(ApiError::about(Code::ExpiresNotUsable, "expires", detail));
        }
        end => end.flatten(),
    };
    let limits = KeyLimits {
        tokens_per_minute: request.tokens_per_minute.map(count),
        requests_at_once: request.requests_at_once.map(count),
        jobs_waiting: request.jobs_waiting.map(count),
    };
    let key = state.keys.create(name, &request.scopes, expires_at, limits).await?;
    tracing::info!(key = key.row.key_id, "an API key was made");
    let headers: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
    let body = NewKeyBody { key: key.text, about: key.row.into() };
    Ok((StatusCode::CREATED, headers, axum::Json(body)).into_response())
}

/// List the keys.
///
/// The newest first, without their secrets; also those that are no longer good.
#[utoipa::path(get, path = "/keys", tag = "Keys", responses((status = 200, description = "The keys.", body = Keys)))]
pub(crate) async fn list_keys(State(state): State<AppState>) -> Reply<Keys> {
    let keys = state.store.api_keys().await?;
    let unreadable = keys.unreadable.clone();
    Ok(axum::Json(Keys { keys: keys.into_iter().map(KeyBody::from).collect(), unreadable }))
}

/// Revoke a key.
///
/// It opens nothing from now on. A second time changes nothing.
#[utoipa::path(delete, path = "/keys/{id}", tag = "Keys", params(("id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "It is revoked."), (status = 404, description = "There is no such key.")))]
pub(crate) async fn revoke_key(State(state): State<AppState>, Path(id): Path<String>) -> Result<StatusCode> {
    if !state.keys.revoke(&id).await? {
        let detail = format!("There is no key {:?}.", crate::http::error::words::shown(&id));
        return Err(ApiError::about(Code::KeyNotFound, "id", detail));
    }
    tracing::info!(key = id, "an API key was revoked");
    Ok(StatusCode::NO_CONTENT)
}
