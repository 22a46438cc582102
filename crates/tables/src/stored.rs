//! A table of pairs as this program keeps it: decoded, mapped, on one scale, with each pair's row in the user's own
//! file. CSV with the columns `row,line,left,right,negative,score`.

use std::fmt::Display;
use std::io::{self, BufRead, Write};

use crate::pair::{Pair, PairDataset, TableKind};
use crate::problems::Problems;

/// The columns, in their order.
const COLUMNS: [&str; 6] = ["row", "line", "left", "right", "negative", "score"];

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
    out: csv::Writer<W>,
    number: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(out: W) -> io::Result<Self> {
        let mut out = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(out);
        out.write_record(COLUMNS)?;
        Ok(Self { out, number: Vec::new() })
    }

    /// Writes a pair. Its score is written shortest, so that the same number is read again.
    pub fn write(&mut self, pair: &Pair, line: usize) -> io::Result<()> {
        self.number(pair.row)?;
        self.number(line)?;
        self.out.write_field(&pair.left)?;
        self.out.write_field(&pair.right)?;
        self.out.write_field(pair.negative.as_deref().unwrap_or_default())?;
        self.number(pair.score)?;
        Ok(self.out.write_record(None::<&[u8]>)?)
    }

    fn number(&mut self, number: impl Display) -> io::Result<()> {
        self.number.clear();
        write!(self.number, "{number}")?;
        Ok(self.out.write_field(&self.number)?)
    }

    /// Writes what is still held back.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        self.out.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Reads pairs one by one, as they are asked for. After a row that is not one of ours there is no other.
pub fn pairs<R: BufRead>(from: R) -> impl Iterator<Item = Result<StoredPair, Problems>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).buffer_capacity(1 << 16).from_reader(from);
    let mut record = csv::StringRecord::new();
    let mut number = 0_usize;
    let mut over = false;
    std::iter::from_fn(move || {
        while !over {
            number += 1;
            let read = reader.read_record(&mut record);
            let pair = match read {
                Ok(true) if number == 1 && record == COLUMNS[..] => continue,
                Ok(true) if number > 1 => stored(&record).ok_or_else(|| damaged(number, "it is not a pair")),
                Ok(false) if number > 1 => return None,
                Ok(_) => Err(damaged(number, "the columns' names are missing")),
                Err(error) => Err(damaged(number, &error.to_string())),
            };
            over = pair.is_err();
            return Some(pair);
        }
        None
    })
}

/// Reads a whole table.
///
/// # Errors
/// Where it is not one of ours, or a triplet lacks its third text.
pub fn read<R: BufRead>(from: R, kind: TableKind) -> Result<PairDataset, Problems> {
    let mut all = Vec::new();
    for (place, stored) in pairs(from).enumerate() {
        let pair = stored?.pair;
        if (kind == TableKind::Triplet) != pair.negative.is_some() {
            return Err(damaged(place + 2, "its texts are not those of this kind of table"));
        }
        all.push(pair);
    }
    Ok(PairDataset { columns: None, kind, pairs: all })
}

fn stored(record: &csv::StringRecord) -> Option<StoredPair> {
    let text = |place: usize| record.get(place).filter(|text| !text.is_empty()).map(str::to_owned);
    let score: f64 = record.get(5)?.parse().ok()?;
    let pair = Pair {
        left: text(2)?,
        right: text(3)?,
        negative: text(4),
        score: Some(score).filter(|score| score.is_finite())?,
        row: record.get(0)?.parse().ok()?,
    };
    Some(StoredPair { pair, line: record.get(1)?.parse().ok()? })
}

fn damaged(record: usize, why: &str) -> Problems {
    Problems::table(
        "stored_table_damaged",
        format!(
            "Record {record} of the stored table cannot be read: {why}. The file was changed on this server's disk."
        ),
        "Send the table again, or restore the server's data folder from a backup.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(left: &str, right: &str, negative: Option<&str>, score: f64, row: usize) -> Pair {
        Pair { left: left.to_owned(), right: right.to_owned(), negative: negative.map(str::to_owned), score, row }
    }

    fn write(pairs: &[Pair]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for pair in pairs {
            writer.write(pair, pair.row + 1).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn texts_and_scores_come_back_to_the_last_bit() {
        let written = vec![
            pair("a, \"b\"", "line\nbreak\r\nand\rthat ", None, 0.1 + 0.2, 2),
            pair(" データ　", "\u{a0}x\u{feff}\t", None, 0.746_816_688_893_364_9, 5),
            pair("=1+1", "'", None, -1.5e-300, 1_000_000),
            pair("a", "b", None, 1e300, 7),
        ];
        let bytes = write(&written);
        let read_again = read(&bytes[..], TableKind::PairScore).unwrap();
        assert_eq!(read_again.pairs, written);
        let lines: Vec<usize> = pairs(&bytes[..]).map(|stored| stored.unwrap().line).collect();
        assert_eq!(lines, [3, 6, 1_000_001, 8]);
        assert!(bytes.starts_with(b"row,line,left,right,negative,score\n2,3,"));
    }

    #[test]
    fn a_triplet_keeps_its_third_text() {
        let written = vec![pair("q", "p", Some("n\n"), 1.0, 2)];
        assert_eq!(read(&write(&written)[..], TableKind::Triplet).unwrap().pairs, written);
        assert_eq!(read(&write(&written)[..], TableKind::PairScore).unwrap_err().code, "stored_table_damaged");
    }

    #[test]
    fn an_empty_table_is_a_table() {
        assert_eq!(read(&write(&[])[..], TableKind::PairScore).unwrap().pairs, []);
    }

    #[test]
    fn what_is_not_ours_is_refused_with_its_record() {
        for (bytes, record) in [
            (&b""[..], "Record 1 "),
            (b"left,right\na,b\n", "Record 1 "),
            (b"row,line,left,right,negative,score\n2,2,a,b,,1\n3,3,a,b,,x\n", "Record 3 "),
            (b"row,line,left,right,negative,score\n2,2,a,b,,1\n3,3,a\n4,4,a,b,,1\n", "Record 3 "),
            (b"row,line,left,right,negative,score\n2,2,a,b,,NaN\n", "Record 2 "),
            (b"row,line,left,right,negative,score\n2,2,a,\xff,,1\n", "Record 2 "),
        ] {
            let problems = read(bytes, TableKind::PairScore).unwrap_err();
            assert!(problems.what.starts_with(record), "{}", problems.what);
        }
        let bytes = b"row,line,left,right,negative,score\n2,2,a\n4,4,a,b,,1\n";
        assert_eq!(pairs(&bytes[..]).count(), 1);
    }
}
