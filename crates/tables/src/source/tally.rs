//! How much a file stands for, whatever its format: one text that is stored once can stand in a million rows.

use super::pack::{self, MOST_RATIO, MOST_UNPACKED, Origin, told};
use super::{Fault, Row};
use crate::pair::{MOST_ROWS, too_many_rows};
use crate::problems::Problems;
use crate::stop::Stop;

/// Decoded bytes that are allowed whatever the ratio: a few columns of a small table may well be alike.
const SLACK: u64 = 8 << 20;

/// What a cell or a row counts besides its text: a million blank ones are work too.
const EACH: u64 = 1;

/// Counts what is made of a file, against the limit for packed ones. A plain file may be larger than that, and is then
/// allowed what another encoding takes.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    left: u64,
    pub(super) stop: Stop,
}

impl Tally {
    pub(super) fn of(origin: &Origin) -> Result<Self, Problems> {
        let size = origin.size().map_err(told)?;
        let left = (size.saturating_mul(MOST_RATIO) + SLACK).min(MOST_UNPACKED.max(size.saturating_mul(2)));
        Ok(Self { left, stop: origin.stop().clone() })
    }

    /// So many bytes were made, or are about to be.
    ///
    /// # Errors
    /// Where they are more than is allowed, or nobody wants them any more.
    pub(crate) fn count(&mut self, bytes: u64) -> Result<(), Problems> {
        self.stop.check()?;
        self.left = self.left.checked_sub(bytes + EACH).ok_or_else(pack::too_large)?;
        Ok(())
    }
}

/// The rows of a file. [`Source`](super::Source) takes no others, so that those of a format that is still to be written
/// are counted and stopped too.
pub(super) struct Watched {
    rows: Box<dyn Iterator<Item = Result<Row, Fault>> + Send>,
    tally: Tally,
    /// Rows with something in them.
    filled: usize,
    ended: bool,
}

impl Watched {
    pub(super) fn new(
        origin: &Origin,
        rows: impl Iterator<Item = Result<Row, Fault>> + Send + 'static,
    ) -> Result<Self, Problems> {
        Ok(Self { rows: Box::new(rows), tally: Tally::of(origin)?, filled: 0, ended: false })
    }
}

impl Iterator for Watched {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.rows.next()?;
        let (cells, bytes) = match &row {
            Ok(row) => (row.cells.len() as u64, row.cells.iter().map(|cell| cell.len() as u64).sum()),
            Err(_) => (0, EACH),
        };
        self.filled += usize::from(bytes > 0);
        let counted = self.tally.count(bytes + cells * EACH);
        // One of them may be the header.
        let fits = if self.filled > MOST_ROWS + 1 { Err(too_many_rows()) } else { Ok(()) };
        match counted.and(fits) {
            Ok(()) => Some(row),
            Err(problems) => {
                self.ended = true;
                Some(Err(problems.into()))
            }
        }
    }
}
