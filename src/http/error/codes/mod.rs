//! Every stable code that the API's answers carry: what it means and what to do, in English and Japanese.
//!
//! The API's description lists them and `/docs/errors` shows them. A test finds each code in the sources
//! and compares.

mod data;
mod jobs;
mod requests;

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
pub(crate) struct Code {
    pub(crate) code: &'static str,
    pub(crate) places: &'static [Place],
    /// What happened and why.
    pub(crate) meaning: [&'static str; 2],
    /// What to do.
    pub(crate) remedy: [&'static str; 2],
}

const fn code(
    code: &'static str,
    places: &'static [Place],
    meaning: [&'static str; 2],
    remedy: [&'static str; 2],
) -> Code {
    Code { code, places, meaning, remedy }
}

/// The codes of a place, in their order.
pub(crate) fn codes(of: impl Fn(Place) -> bool) -> impl Iterator<Item = &'static Code> {
    all().filter(move |code| code.places.iter().any(|place| of(*place)))
}

/// All codes.
pub(crate) fn all() -> impl Iterator<Item = &'static Code> {
    [requests::CODES, data::CODES, jobs::CODES].into_iter().flatten()
}
