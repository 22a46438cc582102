//! Comma, semicolon or tab separated tables.

use csv::{ReaderBuilder, StringRecord};

use super::{
    Cell, Layout, MOST_ROWS, PairDataset, Place, Problem, Problems, Scores, TableKind, check_kind, find_columns, pair,
    too_many_rows,
};

/// Stands after the last record, so that a quote left open is seen to have swallowed it.
const END: &str = "\u{1}end of table\u{1}";

/// Cells that a record may have; more is not a table of pairs.
const MOST_COLUMNS: usize = 1000;

/// Bytes that a line may have. The parser itself knows no bound.
const LONGEST_LINE: usize = 1 << 20;

pub(super) fn read(bytes: &[u8], scores: Scores) -> Result<PairDataset, Problems> {
    let text = decode(bytes)?;
    check_lines(&text)?;
    let (text, delimiter) = delimiter(text);
    let text = format!("{text}\n{END}\n");
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());

    let mut problems = Problems::default();
    let mut table: Option<Table> = None;
    let mut pairs = Vec::new();
    let (mut rows, mut breaks_in_cells, mut closed) = (0, 0, false);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| unreadable(&error))? {
        if record.len() == 1 && &record[0] == END {
            closed = true;
            break;
        }
        // Cells may hold line breaks, so an editor's line and a spreadsheet's row differ.
        let breaks: usize = record.iter().map(|cell| cell.matches('\n').count()).sum();
        let line = reader.position().line() as usize - 1 - breaks;
        let place = Place { row: line - breaks_in_cells, line };
        breaks_in_cells += breaks;
        if record.iter().any(|cell| cell.contains(END)) {
            // Nothing ended this record, so its last line is the present one, not the one before.
            return Err(open_quote(Place { row: place.row + 1, line: place.line + 1 }));
        }
        // Blank rows, of blank cells too, are no pairs, before the header or after it.
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        rows += 1;
        if rows > MOST_ROWS + 1 {
            return Err(too_many_rows());
        }
        let Some(table) = &table else {
            let header = Table::of(&record)?;
            check_kind(header.layout.kind, scores)?;
            if header.columns.is_none() {
                pairs.extend(header.pair(&record, place, scores, &mut problems));
            }
            table = Some(header);
            continue;
        };
        pairs.extend(table.pair(&record, place, scores, &mut problems));
    }
    debug_assert!(closed, "the end mark is the last record");
    let header = table.as_ref().is_some_and(|table| table.columns.is_some());
    problems.into_result(rows - usize::from(header))?;
    if pairs.is_empty() {
        return Err(Problems::table(
            "no_rows",
            "The table has no pairs.",
            "Send a CSV with the columns base, ref, similarity and one pair in each row.",
        ));
    }
    let (kind, columns) = table.map_or((TableKind::default(), None), |table| (table.layout.kind, table.columns));
    Ok(PairDataset { columns, kind: kind.refine(&pairs), pairs })
}

/// Where the columns stand, and what the header calls them.
struct Table {
    layout: Layout,
    width: usize,
    columns: Option<Vec<String>>,
}

impl Table {
    /// Reads the first record: a header, or the first pair of a table without one.
    fn of(record: &StringRecord) -> Result<Self, Problems> {
        let header: Vec<&str> = record.iter().collect();
        if header.len() > MOST_COLUMNS {
            let what = format!("The table has {} columns; {MOST_COLUMNS} are allowed.", header.len());
            return Err(Problems::table("too_many_columns", what, "Keep the two texts and the score."));
        }
        if let Some(layout) = find_columns(&header) {
            let columns = layout.places.iter().map(|&place| header[place].trim().to_owned()).collect();
            return Ok(Self { layout, width: header.len(), columns: Some(columns) });
        }
        if header.len() == 3 && header[2].trim().parse::<f64>().is_ok() {
            let layout = Layout { kind: TableKind::PairScore, places: vec![0, 1, 2] };
            return Ok(Self { layout, width: 3, columns: None });
        }
        let found = header.iter().take(8).map(|name| format!("\"{}\"", name.trim())).collect::<Vec<_>>().join(", ");
        Err(Problems::table(
            "columns_unclear",
            format!("The columns of the two texts and of the score were not found. The first row has: {found}."),
            "Name the columns base, ref, similarity (or sentence1, sentence2, score; anchor, positive; anchor, positive, negative), or send three columns without a header: text, text, number.",
        ))
    }

    fn pair(
        &self,
        record: &StringRecord,
        place: Place,
        scores: Scores,
        problems: &mut Problems,
    ) -> Option<super::Pair> {
        if record.len() != self.width {
            let cells = |count| if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") };
            problems.push(Problem {
                suggestion: None,
                row: place.row,
                line: place.line,
                column: None,
                column_name: None,
                value: record.iter().collect::<Vec<_>>().join(",").chars().take(80).collect(),
                code: "uneven_row",
                message: format!(
                    "The row has {}, the first row has {}. A comma inside a text needs quotes: \"a, b\".",
                    cells(record.len()),
                    cells(self.width)
                ),
            });
            return None;
        }
        let name = |index: usize| self.columns.as_ref().map_or("", |columns| columns[index].as_str());
        let cells: Vec<Cell<'_>> =
            (0..).zip(&self.layout.places).map(|(index, &place)| (&record[place], place, name(index))).collect();
        pair(place, self.layout.kind, &cells, scores, problems)
    }
}

/// UTF-8 without its byte order mark, lines ended by `\n`.
fn decode(bytes: &[u8]) -> Result<String, Problems> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        Problems::table(
            "not_utf8",
            format!("The table is not UTF-8 text: line {line} holds bytes that are no UTF-8 character."),
            "In the spreadsheet choose \"CSV UTF-8\" when you save, then send it again.",
        )
    })?;
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Refuses what the parser would read into memory without an end, and what stands for the end itself.
fn check_lines(text: &str) -> Result<(), Problems> {
    for (line, content) in (1..).zip(text.lines()) {
        if content.len() > LONGEST_LINE {
            let what = format!("Line {line} has {} bytes; {LONGEST_LINE} are allowed.", content.len());
            return Err(Problems::table("line_too_long", what, "Check that each row stands on a line of its own."));
        }
        if content.contains(END) {
            let what = format!("Line {line} holds control characters.");
            return Err(Problems::table("unreadable", what, "Remove them and send the table again."));
        }
    }
    Ok(())
}

/// The text and its separator: the one that makes at least three cells of the first line that is not
/// blank, or else two, or the one that a spreadsheet names in a first line `sep=;`, which is blanked.
fn delimiter(text: String) -> (String, u8) {
    if let Some(named) = text.strip_prefix("sep=").and_then(|rest| rest.split('\n').next())
        && let [named @ (b',' | b';' | b'\t')] = named.as_bytes()
    {
        let named = *named;
        return (text[5..].to_owned(), named);
    }
    let blank = |line: &&str| line.chars().all(|c| c.is_whitespace() || matches!(c, ',' | ';'));
    let first = text.lines().find(|line| !blank(line)).unwrap_or_default();
    let cells = |delimiter: u8| {
        let mut reader = ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(first.as_bytes());
        reader.records().next().and_then(Result::ok).map_or(0, |record| record.len())
    };
    let makes = |least: usize| [b',', b'\t', b';'].into_iter().find(|&delimiter| cells(delimiter) >= least);
    let delimiter = makes(3).or_else(|| makes(2)).unwrap_or(b',');
    (text, delimiter)
}

fn open_quote(place: Place) -> Problems {
    Problems::table(
        "quote_not_closed",
        format!("A quoted cell that begins in row {} (line {}) is never closed.", place.row, place.line),
        "Close it with a second \", and write a quote inside a quoted text twice: \"\".",
    )
}

fn unreadable(error: &csv::Error) -> Problems {
    Problems::table(
        "unreadable",
        format!("The table cannot be read: {error}."),
        "Save it as CSV UTF-8 and send it again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> Result<PairDataset, Problems> {
        read(text.as_bytes(), Scores::Unit)
    }

    #[test]
    fn rows_are_a_spreadsheets_and_lines_an_editors() {
        let table = "base,ref,similarity\na,b,0.5\n\"two\nlines\",c,1\n\nd,e,x\n";
        let problems = unit(table).unwrap_err();
        assert_eq!((problems.shown[0].row, problems.shown[0].line), (5, 6));
        assert_eq!(problems.shown[0].code, "score_not_a_number");
        let table = unit(&table.replace("d,e,x", "d,e,0")).unwrap();
        assert_eq!(table.pairs[1].left, "two\nlines");
        assert_eq!(table.pairs.iter().map(|pair| pair.row).collect::<Vec<_>>(), [2, 3, 5]);
    }

    #[test]
    fn a_mark_carriage_returns_and_other_separators_change_nothing() {
        let plain = unit("base,ref,similarity\na,\"b, c\",0.5\n").unwrap();
        assert_eq!(unit("\u{feff}base,ref,similarity\r\na,\"b, c\",0.5\r\n").unwrap(), plain);
        assert_eq!(unit("base\tref\tsimilarity\na\tb, c\t0.5").unwrap(), plain);
        assert_eq!(unit("base;ref;similarity\na;b, c;0.5").unwrap(), plain);
        assert_eq!(unit("similarity,ref,id,BASE \n0.5,\"b, c\",7,a\n").unwrap().pairs, plain.pairs);
    }

    #[test]
    fn a_table_without_a_header_is_read_by_place() {
        let table = read(b"a,b,5.0\nc,d,0\n", Scores::Any).unwrap();
        assert_eq!((table.columns, table.pairs.len(), table.pairs[0].row), (None, 2, 1));
    }

    #[test]
    fn pairs_that_belong_together_and_triplets_are_told_by_their_columns() {
        let table = unit("anchor;positive\na;b, c\n").unwrap();
        assert_eq!(
            (table.kind, table.pairs[0].right.as_str(), table.pairs[0].score),
            (TableKind::PairPositive, "b, c", 1.0)
        );
        let table = unit("id,positive,anchor,negative\n1,b,a,c\n").unwrap();
        assert_eq!((table.kind, table.pairs[0].negative.as_deref()), (TableKind::Triplet, Some("c")));
        assert_eq!(unit("anchor,positive,negative\na,b,\n").unwrap_err().shown[0].code, "text_missing");
        assert_eq!(unit("base,ref,similarity\na,b,1\nc,d,0\n").unwrap().kind, TableKind::PairClass);
        assert_eq!(unit("base,ref,similarity\na,b,1\nc,d,0.5\n").unwrap().kind, TableKind::PairScore);
        assert_eq!(read(b"anchor,positive\na,b\n", Scores::Any).unwrap_err().code, "no_scores");
    }

    #[test]
    fn all_problems_are_told_together_and_counted() {
        let rows: String = (0..150).map(|_| "a,b,7\n").collect();
        let problems = unit(&format!("sentence1,sentence2,score\n,b,0.1\na,b\n{rows}")).unwrap_err();
        assert_eq!((problems.total, problems.shown.len()), (152, 100));
        assert_eq!(problems.shown[0].code, "text_missing");
        assert_eq!(problems.shown[0].column_name.as_deref(), Some("sentence1"));
        assert_eq!(problems.shown[1].code, "uneven_row");
        assert_eq!(problems.shown[2].code, "score_out_of_range");
        assert!(problems.hint.contains("divide them by 10"), "{}", problems.hint);
    }

    #[test]
    fn blank_rows_and_a_named_separator_before_the_header_do_no_harm() {
        for before in ["\n", " \n", ",,\n", "sep=,\n"] {
            let table = unit(&format!("{before}base,ref,similarity\na,b,0.5\n")).unwrap();
            assert_eq!((table.pairs.len(), table.pairs[0].row), (1, 3), "{before:?}");
        }
        assert_eq!(unit("sep=;\nbase;ref;similarity\na;b;0.5\n").unwrap().pairs.len(), 1);
    }

    #[test]
    fn a_table_without_measure_is_refused() {
        let code = |text: &str| unit(text).unwrap_err().code;
        assert_eq!(code(&",".repeat(2 << 20)), "line_too_long");
        assert_eq!(code(&",".repeat(2000)), "no_rows");
        assert_eq!(code(&format!("x{}", ",x".repeat(2000))), "too_many_columns");
        let rows = "a,b,1\n".repeat(MOST_ROWS + 1);
        assert_eq!(code(&format!("base,ref,similarity\n{rows}")), "too_many_rows");
        assert_eq!(code(&format!("base,ref,similarity\na,b,1\n{END}\nc,d,1\n")), "unreadable");
    }

    #[test]
    fn a_table_that_is_none_is_named() {
        let code = |text: &str| unit(text).unwrap_err().code;
        assert_eq!(code(""), "no_rows");
        assert_eq!(code("base,ref,similarity\n"), "no_rows");
        assert_eq!(code("name,age\na,3\n"), "columns_unclear");
        assert_eq!(code("base,ref,similarity\n\"a,b,0.5\nc,d,0.5\n"), "quote_not_closed");
        assert_eq!(read(b"base,ref,similarity\na,\xff,1\n", Scores::Unit).unwrap_err().code, "not_utf8");
    }
}
