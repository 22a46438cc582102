//! A whole table at once.

use std::sync::Arc;

use crate::choices::TableOptions;
use crate::inspect::{self, InspectContext};
use crate::pair::{PairDataset, Scores};
use crate::problems::Problems;
use crate::source::Input;

/// Reads a whole table into memory, whatever wrote it: encoding, separator, columns and scale are found out.
///
/// # Errors
/// All problems together, with rows and lines; nothing is left out in silence.
pub fn read(bytes: &[u8], scores: Scores) -> Result<PairDataset, Problems> {
    read_with(&Input::bytes(Arc::from(bytes)), &TableOptions::default(), scores)
}

/// Reads a whole table into memory, as far as somebody said how.
///
/// # Errors
/// As [`read`], and where a choice does not fit the table.
pub fn read_with(input: &Input, choices: &TableOptions, scores: Scores) -> Result<PairDataset, Problems> {
    let context = InspectContext { scores, ..InspectContext::default() };
    let inspection = inspect::inspect(input, choices, &context)?;
    let mut pairs = Vec::with_capacity(inspection.rows.usable);
    inspect::pairs(input, &inspection, &mut |pair, _| {
        pairs.push(pair);
        Ok(())
    })?;
    let names = |role: &str| {
        let column = inspection.columns.iter().find(|column| column.becomes == Some(role));
        column.map(|column| column.name.clone())
    };
    let columns = ["text_a", "text_b", "negative", "score", "text", "label"].into_iter().filter_map(names).collect();
    Ok(PairDataset { columns, kind: inspection.kind.unwrap_or_default(), pairs })
}
