//! A table that came in.

use tables::choices::FileFormat;

use crate::bounds::Label;
use crate::datasets::Received;

/// A table on the disk, with what its bytes do not say.
pub(crate) struct Table {
    pub(crate) received: Received,
    /// Which part of the request it is.
    pub(crate) part: &'static str,
    pub(crate) file_name: Option<String>,
    /// How it is written, where its first bytes alone do not tell.
    pub(crate) hint: Option<FileFormat>,
}

impl Table {
    /// What lists show.
    pub(crate) fn label(&self, name: Option<&Label>) -> String {
        crate::http::extract::names::label(name.map(|name| &**name).or(self.file_name.as_deref()), "pairs")
    }
}
