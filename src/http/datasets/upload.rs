//! Tables on their way in: a raw body, a form's file, pairs inside JSON. Files go to the disk as they arrive.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use crate::datasets::{DatasetError, Upload};
use crate::http::datasets::json_body;
use crate::http::datasets::options::{self, DatasetMeta, OptionsBody};
use crate::http::datasets::table::Table;
use crate::http::error::words::shown;
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{self, Part, content_type};
use crate::http::state::AppState;
use crate::ml::encoder;
use crate::registry::DEFAULT_ALIAS;
use crate::store::{Dataset, Purpose};
use tables::choices::FileFormat;
use tables::inspect::InspectContext;

/// Bytes of a part of a form that is no file.
const LONGEST_PART: usize = 64 << 10;
/// Parts that a form may have.
const MOST_PARTS: usize = 64;

/// A request that brings a table.
pub(crate) struct Sent {
    pub(crate) table: Table,
    pub(crate) label: DatasetMeta,
    pub(crate) wanted: OptionsBody,
    /// What else was said, and allowed.
    pub(crate) others: Map<String, Value>,
    /// Of the table's bytes and all fields: two requests that say the same have the same.
    pub(crate) sha256: String,
}

/// Takes a request's table and what is said about it. `query` are the fields of the path; those of a form or of a JSON
/// body count more. `others` are names of fields that the route knows besides.
pub(crate) async fn receive(
    state: &AppState,
    query: Map<String, Value>,
    others: &[&'static str],
    request: Request,
) -> Result<Sent> {
    let known = [&options::READING[..], &options::META, others];
    options::only_known(query.keys(), &known)?;
    let media_type = content_type(request.headers());
    let mut fields = query;
    let mut header = None;
    let table = match media_type.as_str() {
        "multipart/form-data" => {
            let (table, parts) = form(state, request).await?;
            for part in parts {
                if !known.concat().contains(&part.name.as_str()) {
                    return Err(ApiError::unknown_field(&part.name, &[&["file"], &known.concat()[..]].concat()));
                }
                fields.insert(part.name.clone(), part.text()?.into());
            }
            table.ok_or_else(no_file)?
        }
        "application/json" => {
            let mut body = request.into_body().into_data_stream();
            let mut begun = Vec::new();
            while begun.trim_ascii_start().is_empty() {
                let Some(bytes) = body.next().await else { break };
                begun.extend_from_slice(&bytes.map_err(|error| extract::body_broken(&error.to_string()))?);
                if begun.len() > LONGEST_PART {
                    break;
                }
            }
            let is_list = begun.trim_ascii_start().first() == Some(&b'[');
            let rest = futures_util::stream::once(async { Ok(Bytes::from(begun)) }).chain(body);
            if is_list {
                // A table that is one list: a file like others.
                raw(state, Body::from_stream(rest), &media_type).await?
            } else {
                let body = json_body::read(state, Body::from_stream(rest)).await?;
                let Some(pairs) = body.pairs else {
                    return Err(extract::data_error("missing field `pairs`", "the body"));
                };
                options::only_known(body.fields.keys(), &[&["pairs"], known[0], known[1], known[2]])?;
                fields.extend(body.fields);
                header = pairs.header;
                pairs.table
            }
        }
        media_type if is_table(media_type) => raw(state, request.into_body(), media_type).await?,
        other => return Err(ApiError::media_type(other, TABLES)),
    };
    let mut own = Map::new();
    for name in others {
        own.extend(fields.remove_entry(*name));
    }
    let mut of_meta = Map::new();
    for name in options::META {
        of_meta.extend(fields.remove_entry(name));
    }
    let told = serde_json::to_vec(&(&fields, &of_meta, &own)).map_err(ApiError::internal)?;
    let mut wanted: OptionsBody = options::read(&fields)?;
    wanted.header = wanted.header.or(header);
    Ok(Sent {
        sha256: crate::http::extract::idempotency::sha256([table.received.sha256.as_bytes(), &told]),
        label: options::read(&of_meta)?,
        wanted,
        others: own,
        table,
    })
}

/// What a media type may be for its body to be a table.
const TABLES: &str = "text/csv or multipart/form-data or application/json or any of the types of tables";

fn is_table(media_type: &str) -> bool {
    matches!(
        media_type,
        "" | "text/csv"
            | "application/csv"
            | "text/tab-separated-values"
            | "text/plain"
            | "application/jsonl"
            | "application/x-ndjson"
            | "application/x-jsonlines"
            | "application/octet-stream"
            | "application/gzip"
            | "application/x-gzip"
            | "application/zstd"
            | "application/vnd.ms-excel"
            | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
            | "application/vnd.oasis.opendocument.spreadsheet"
            | "application/vnd.oasis.opendocument.spreadsheet-flat-xml"
            | "application/vnd.apache.parquet"
            | "application/x-parquet"
            // Taxonomies; where pairs are wanted, the reader says that these are none.
            | "text/turtle"
            | "application/n-triples"
            | "application/ld+json"
    )
}

/// A body that is a file.
async fn raw(state: &AppState, body: Body, media_type: &str) -> Result<Table> {
    let mut draft = state.datasets.receive().await?;
    let mut body = body.into_data_stream();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| extract::body_broken(&error.to_string()))?;
        if draft.bytes() + bytes.len() as u64 > state.limits.max_upload as u64 {
            return Err(ApiError::of(Code::BodyTooLarge));
        }
        draft.write(&bytes).await.map_err(DatasetError::from)?;
    }
    let received = draft.finish().await.map_err(DatasetError::from)?;
    let hint = match media_type {
        "text/csv" | "application/csv" | "text/tab-separated-values" => Some(FileFormat::Csv),
        "application/jsonl" | "application/x-ndjson" | "application/x-jsonlines" => Some(FileFormat::Jsonl),
        _ => None,
    };
    let hint = hint.filter(|hint| in_doubt(&received.head, *hint));
    Ok(Table { received, part: "the body", file_name: None, hint })
}

/// Whether a file's first bytes leave open how it is written, so that its name or its media type may say so.
/// Otherwise they count: spreadsheets and browsers call many things by the wrong name.
fn in_doubt(head: &[u8], hint: FileFormat) -> bool {
    let binary =
        [&b"PK\x03\x04"[..], b"\xd0\xcf\x11\xe0", b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xff\xfe", b"\xfe\xff"];
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let looks_json = matches!(text.first(), Some(b'{' | b'['));
    !binary.iter().any(|magic| head.starts_with(magic)) && looks_json == (hint == FileFormat::Csv)
}

/// A form: its part `file`, on the disk, and its other parts, each of which is there once.
pub(crate) async fn form(state: &AppState, request: Request) -> Result<(Option<Table>, Vec<Part>)> {
    let mut form =
        Multipart::from_request(request, state).await.map_err(|error| extract::body_broken(&error.body_text()))?;
    let (mut table, mut parts) = (None, Vec::<Part>::new());
    while let Some(mut field) = form.next_field().await.map_err(|error| extract::form_broken(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        if (name == "file" && table.is_some()) || parts.iter().any(|part| part.name == name) {
            let detail = format!("The part {:?} is there twice.", shown(&name));
            return Err(ApiError::about(Code::PartRepeated, name, detail));
        }
        if name == "file" {
            let file_name = field.file_name().map(str::to_owned);
            let mut draft = state.datasets.receive().await?;
            while let Some(bytes) = field.chunk().await.map_err(|error| extract::form_broken(&error))? {
                draft.write(&bytes).await.map_err(DatasetError::from)?;
            }
            let received = draft.finish().await.map_err(DatasetError::from)?;
            let hint = of_name(file_name.as_deref()).filter(|hint| in_doubt(&received.head, *hint));
            table = Some(Table { received, part: "file", file_name, hint });
            continue;
        }
        if parts.len() == MOST_PARTS {
            return Err(ApiError::of(Code::BodyTooLarge)
                .detail(format!("The form has more than {MOST_PARTS} parts beside its file."))
                .hint("Send each field once; no route knows so many."));
        }
        let mut bytes = Vec::new();
        while let Some(some) = field.chunk().await.map_err(|error| extract::form_broken(&error))? {
            bytes.extend_from_slice(&some);
            if bytes.len() > LONGEST_PART {
                return Err(ApiError::of(Code::BodyTooLarge)
                    .detail(format!("The part {:?} has more than {LONGEST_PART} bytes.", shown(&name)))
                    .hint("Send the table as the part \"file\"; what else is said about it is short."));
            }
        }
        parts.push(Part { name, bytes: bytes.into() });
    }
    Ok((table, parts))
}

/// How a file is written, by the end of its name.
fn of_name(file_name: Option<&str>) -> Option<FileFormat> {
    let (_, ending) = file_name?.rsplit_once('.')?;
    match ending.to_lowercase().as_str() {
        "csv" | "tsv" => Some(FileFormat::Csv),
        "jsonl" | "ndjson" => Some(FileFormat::Jsonl),
        "json" => Some(FileFormat::Json),
        _ => None,
    }
}

/// A form without a table.
pub(crate) fn no_file() -> ApiError {
    ApiError::about(Code::MissingField, "file", "The form has no part \"file\".")
        .hint("Send the table as the part \"file\".")
}

/// What tables are looked at with here: the server's benchmark, and what its default model reads of a text.
pub(crate) async fn inspect_context(state: &AppState, for_training: bool) -> Result<InspectContext> {
    let mut context = InspectContext::default();
    if let Some(id) = state.limits.default_benchmark.as_ref().filter(|_| for_training)
        && let Some(benchmark) = state.store.dataset(id).await?
    {
        context.knowledge.benchmark = state.datasets.pair_keys(&benchmark).await?;
    }
    if let Ok(model) = state.pool.get(DEFAULT_ALIAS).await {
        context.knowledge.most_tokens = Some(model.max_tokens());
        let is_truncated = move |text: &str| model.tokenize("", text, encoder::TruncationDirection::Right).dropped > 0;
        context.is_truncated = Some(std::sync::Arc::new(is_truncated));
    }
    Ok(context)
}

/// Stores a table that came in, and says whether it is new here.
pub(crate) async fn store(
    state: &AppState,
    table: Table,
    label: DatasetMeta,
    wanted: OptionsBody,
    version_of: Option<String>,
) -> Result<(Dataset, bool)> {
    let part = table.part;
    let upload = Upload { version_of, ..upload_of(state, table, label, wanted).await? };
    state.datasets.add(upload).await.map_err(|error| ApiError::of_table(error, part))
}

/// The same, ready to be stored.
pub(crate) async fn upload_of(
    state: &AppState,
    table: Table,
    label: DatasetMeta,
    wanted: OptionsBody,
) -> Result<Upload> {
    let purpose = label.purpose();
    let mut choices = wanted.choices();
    choices.read_as.format = choices.read_as.format.or(table.hint);
    Ok(Upload {
        name: table.label(label.name.as_ref()),
        purpose,
        choices,
        context: inspect_context(state, purpose == Purpose::Training).await?,
        table: table.received,
        version_of: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_only_where_the_bytes_do_not_tell() {
        assert!(in_doubt(b"[1], is how this text begins", FileFormat::Csv));
        assert!(!in_doubt(b"left,right,score\n", FileFormat::Csv));
        assert!(in_doubt(b"not json", FileFormat::Jsonl));
        assert!(!in_doubt(b"\xef\xbb\xbf {\"a\": 1}", FileFormat::Jsonl));
        assert!(!in_doubt(b"PK\x03\x04...", FileFormat::Csv));
        assert_eq!(of_name(Some("表.CSV")), Some(FileFormat::Csv));
        assert_eq!(of_name(Some("table.xlsx")), None);
    }
}
