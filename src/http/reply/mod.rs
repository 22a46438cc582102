//! What replies share.

pub(crate) mod schema;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds as clients read them: `2026-01-31T12:00:00.123Z`.
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
