//! Extractors whose rejections are problem details.

pub(crate) mod idempotency;
pub(crate) mod names;

use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::bounds::OUT_OF_RANGE;
use crate::http::error::words::shown;
use crate::http::error::{ApiError, Code, Result};
use crate::http::middleware::deadline::MostBytes;
use crate::http::middleware::json_text::mended_bytes;
use crate::ml::error::sentence;

/// A JSON body. Unknown fields are told with the nearest known one.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let kind = content_type(request.headers());
        if kind != "application/json" && !kind.ends_with("+json") {
            return Err(ApiError::media_type(&kind, "application/json"));
        }
        Ok(Self(object(&body(request, state).await?)?))
    }
}

/// The path's parameters. All of ours are text, so the route has matched them already.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let axum::extract::Path(value) = axum::extract::Path::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::of(Code::PathNotReadable).detail(sentence(&error.body_text())))?;
        Ok(Self(value))
    }
}

pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let axum::extract::Query(value) =
            axum::extract::Query::from_request_parts(parts, state).await.map_err(|error| {
                let text = error.body_text();
                let reason = text.rsplit_once("query string: ").map_or(text.as_str(), |(_, reason)| reason);
                // "limit: invalid digit found in string"
                let (place, reason) = reason.split_once(": ").unwrap_or(("the query", reason));
                data_error(reason, place)
            })?;
        Ok(Self(value))
    }
}

/// The media type without its parameters, in lower case; empty where there is none.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_lowercase()
}

/// The whole body, within the route's limit.
pub(crate) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    let most = request.extensions().get().map(|MostBytes(most)| *most);
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    Bytes::from_request(request, state).await.map_err(|error| match most {
        Some(most) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(announced, most),
        _ => body_refused(error.status(), &error.body_text()),
    })
}

/// How large a body may be, and into how many it is to be split. `announced` is its length, where it told one.
fn too_large(announced: Option<usize>, most: usize) -> ApiError {
    let limit = "the setting SHAMISEN_MAX_BODY";
    match announced.filter(|length| *length > most) {
        Some(length) => {
            // Requests that are just full would be too large with the next long text.
            let share = (most as f64 / length as f64 * 900.0).floor().max(1.0);
            let requests = (1000.0 / share).ceil();
            ApiError::of(Code::BodyTooLarge)
                .detail(format!("The body has {length} bytes; {most} are read at once ({limit})."))
                .hint(format!(
                    "Split the texts into {requests} requests: of every 1,000 of them, send {share} at a time."
                ))
        }
        None => ApiError::of(Code::BodyTooLarge)
            .detail(format!("The body has more than {most} bytes, unpacked, which are the most here ({limit})."))
            .hint("Send half as many texts at a time, and half of those again where they are too many still."),
    }
}

fn body_refused(status: StatusCode, reason: &str) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE { ApiError::of(Code::BodyTooLarge) } else { body_broken(reason) }
}

pub(crate) fn body_broken(reason: &str) -> ApiError {
    ApiError::of(Code::BodyNotReadable).detail(sentence(reason))
}

/// A form's part that is no file.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

impl Part {
    pub(crate) fn text(&self) -> Result<String> {
        String::from_utf8(self.bytes.to_vec()).map_err(|_| {
            ApiError::about(Code::NotUtf8, &self.name, format!("The part {:?} is not UTF-8 text.", self.name))
                .hint("Send it as UTF-8.")
        })
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        parse(&mended_bytes(&self.bytes)).map_err(|error| error.param(&self.name))
    }
}

/// A form that cannot be read on.
pub(crate) fn form_broken(error: &MultipartError) -> ApiError {
    body_refused(error.status(), &error.body_text())
}

/// Reads JSON, or says where it is none and which field is not as it should be.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer);
    let value = value.map_err(|error| {
        if let Some(encoding) = other_encoding(bytes) {
            return ApiError::of(Code::UnsupportedMediaType)
                .detail(format!("The body is no UTF-8 text{encoding}."))
                .hint("Send the JSON as UTF-8.");
        }
        let path = error.path().to_string();
        json_error(error.inner(), &path)
    })?;
    deserializer.end().map_err(|error| json_error(&error, "."))?;
    Ok(value)
}

/// What bytes that are no JSON may be instead, where they are text in another encoding than UTF-8.
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => Some(": it looks like UTF-16"),
        _ => std::str::from_utf8(bytes).is_err().then_some(""),
    }
}

/// Reads a JSON object. Structs would be read from arrays too; a body is none.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(body_is_list());
    }
    parse(bytes)
}

pub(crate) fn body_is_list() -> ApiError {
    let detail = "The body is a list; this route reads an object.";
    ApiError::about(Code::WrongType, "the body", detail).hint("Send {\"field\": value, ..}.")
}

/// Reads a JSON object that may be large, beside the async threads.
pub(crate) async fn large_object<T: DeserializeOwned + Send + 'static>(bytes: Bytes) -> Result<T> {
    tokio::task::spawn_blocking(move || object(&bytes)).await.map_err(ApiError::internal)?
}

pub(crate) fn json_error(error: &serde_json::Error, path: &str) -> ApiError {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    match error.classify() {
        Category::Data => {
            let place = if path == "." { "the body".to_owned() } else { path.to_owned() };
            data_error(reason, &place)
        }
        _ => ApiError::of(Code::NotJson).detail(format!(
            "The body is not JSON: line {}, column {}: {reason}.",
            error.line(),
            error.column()
        )),
    }
}

/// A well-formed value that is not what a field takes. `reason` is serde's.
pub(crate) fn data_error(reason: &str, place: &str) -> ApiError {
    let names: Vec<&str> = reason.split('`').skip(1).step_by(2).collect();
    let place = shown(place);
    if reason.contains(" is no scale; ") {
        return ApiError::about(Code::ScaleUnclear, place, format!("{}.", sentence(reason).trim_end_matches('.')));
    }
    if let Some(what) = reason.strip_prefix(OUT_OF_RANGE) {
        return ApiError::out_of_range(place, what);
    }
    if let Some((first, rest)) = names.split_first() {
        // "unknown field `foo`, expected one of `a`, `b`"; a name with a backtick in it leaves nothing to choose from.
        let known: Vec<&str> = rest.iter().copied().filter(|name| known_name(name)).collect();
        if reason.starts_with("unknown field") {
            let error = ApiError::unknown_field(first, &known);
            // The place ends in the name; what stands before it is where the field was looked for.
            let nested = place.strip_suffix(first).is_some_and(|before| before.ends_with('.'));
            return if nested { error.param(place) } else { error };
        }
        if reason.starts_with("unknown variant") {
            return ApiError::unknown_value(place, first, &known);
        }
        if reason.starts_with("missing field") {
            // What has a space is words for the whole, as "the body".
            let whole = place == "." || place.contains(' ');
            let field = if whole { (*first).to_owned() } else { format!("{place}.{first}") };
            return ApiError::about(Code::MissingField, &*field, format!("The field {field:?} is missing."));
        }
    }
    ApiError::about(Code::WrongType, place, format!("{}: {}.", sentence(place).trim_end_matches('.'), plain(reason)))
}

fn known_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Serde's reason without Rust's names for things.
fn plain(reason: &str) -> String {
    // What a query's text was to be is not told by whoever reads it.
    match reason {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            return "no whole number, or a negative one".to_owned();
        }
        "number too large to fit in target type" => return "the number is too large".to_owned(),
        _ => {}
    }
    let Some((found, expected)) = reason.split_once(", expected ") else { return shown(reason).to_owned() };
    let expected = match expected {
        "usize" | "u64" | "i64" => "a whole number",
        "a nonzero u32" => "a whole number from 1 on",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    let found = found
        .replace("sequence", "list")
        .replace("map", "object")
        .replace("floating point", "number")
        .replace("integer", "number");
    format!("{}, expected {expected}", shown(&found))
}
