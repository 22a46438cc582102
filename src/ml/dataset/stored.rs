//! A table of pairs as this program keeps it: decoded, mapped, on one scale, with each pair's row in the user's own
//! file. CSV with the columns `row,line,left,right,negative,score`.

use std::io::{BufRead, Write};

use super::{Pair, PairDataset, Problems, TableKind};

/// A pair and its line in the user's file.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPair {
    /// The pair; its row is that of the user's file.
    pub pair: Pair,
    /// As an editor counts it.
    pub line: usize,
}

/// Writes pairs one by one.
pub struct Writer<W: Write> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(out: W) -> std::io::Result<Self> {
        Ok(Self { out })
    }

    /// Writes a pair.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, pair: &Pair, line: usize) -> std::io::Result<()> {
        let _ = (pair, line, &mut self.out);
        unimplemented!()
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(self) -> std::io::Result<W> {
        Ok(self.out)
    }
}

/// Reads pairs one by one, as they are asked for.
pub fn pairs<R: BufRead>(from: R) -> impl Iterator<Item = Result<StoredPair, Problems>> {
    let _ = from;
    std::iter::empty()
}

/// Reads a whole table.
///
/// # Errors
/// Where it is not one of ours.
pub fn read<R: BufRead>(from: R, kind: TableKind) -> Result<PairDataset, Problems> {
    let _ = (from, kind);
    unimplemented!()
}
