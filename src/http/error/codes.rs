//! Every stable code that the API's answers carry: what it means and what to do, in English and Japanese.
//!
//! All of it is data: `errors.toml`, out of which `build.rs` makes [`Code`] and [`ENTRIES`]. The API's description
//! lists the codes, `/docs/errors` shows them, and the page tells its Japanese readers the same words. A test finds
//! each code of the layers below in the sources and compares.

use axum::http::StatusCode;

include!(concat!(env!("OUT_DIR"), "/codes.rs"));

/// Where a code stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `code` of an error's body; the reply's status.
    Reply(u16),
    /// `errors[].code`: a row of a table.
    Row,
    /// `error.code` of a job.
    Job,
    /// `code` of a report's notes and of a job's warnings.
    Note,
    /// `code` of a table's findings.
    Finding,
}

/// A code and what is to be known of it: English first, then Japanese.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) code: &'static str,
    pub(crate) places: &'static [Place],
    pub(crate) meaning: [&'static str; 2],
    pub(crate) remedy: [&'static str; 2],
}

impl Code {
    /// The code that a layer below has written as text.
    pub(crate) fn named(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.entry().code == code)
    }

    pub(crate) fn entry(self) -> &'static Entry {
        &ENTRIES[self as usize]
    }

    /// The reply's status, and the kind of error in words.
    pub(crate) fn head(self) -> (StatusCode, &'static str) {
        let (status, title) = self.status_and_title();
        (StatusCode::from_u16(status).expect("a status of three digits"), title)
    }
}

/// The entries of a place, in their order.
pub(crate) fn entries(of: impl Fn(Place) -> bool) -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter().filter(move |entry| entry.places.iter().any(|place| of(*place)))
}
