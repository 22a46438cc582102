//! Where a table stands in its file, and what stands around it.

use std::io::{Cursor, Read, Write};

use rust_xlsxwriter::{Format, Formula, Workbook};

use super::{cells, error, open};
use crate::source::{Row, Unreadable};

/// An archive, a text in its parts replaced.
fn rewritten(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).unwrap();
        let name = part.name().unwrap().into_owned();
        let mut text = String::new();
        part.read_to_string(&mut text).unwrap();
        out.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(text.replace(from, to).as_bytes()).unwrap();
    }
    out.finish().unwrap().into_inner()
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    super::rows(bytes)
}

#[test]
fn a_quote_between_tabs_is_a_character_like_others_unless_all_of_them_quote() {
    let plain = "text1\ttext2\tscore\n\"Quoted\" at first\tb\t1\n\"never closed\tc\t0\nd\t5\" pipe\t0.5\n";
    let read = cells(open(plain.as_bytes()).unwrap());
    assert_eq!(read[1][0], "\"Quoted\" at first");
    assert_eq!((read.len(), read[2][0].as_str(), read[3][1].as_str()), (4, "\"never closed", "5\" pipe"));
    let quoted = "\"text1\"\t\"text2\"\t\"score\"\n\"a \"\"b\"\"\"\t\"c\"\t\"1\"\n\"two\nlines\"\t\"d\"\t\"0\"\n\"e\"\t\"f\"\t\"0\"\n";
    assert_eq!(cells(open(quoted.as_bytes()).unwrap())[1..3], [["a \"b\"", "c", "1"], ["two\nlines", "d", "0"]]);
}

#[test]
fn a_quote_behind_a_backslash_is_the_texts_own() {
    let text =
        "\"text1\",\"text2\",\"score\"\n\"called \\\"it\\\", once\",\"b\",\"1\"\n\"c \\\\ d\",\"e\\\"f\",\"0\"\n";
    assert_eq!(
        cells(open(text.as_bytes()).unwrap())[1..],
        [["called \"it\", once", "b", "1"], ["c \\ d", "e\"f", "0"]]
    );
    // A path at a cell's end is no escape.
    let path = "text1,text2,score\n\"C:\\dir\\\",b,1\n\"c, d\",e,0\n";
    assert_eq!(cells(open(path.as_bytes()).unwrap())[1..], [["C:\\dir\\", "b", "1"], ["c, d", "e", "0"]]);
}

#[test]
fn titles_and_comments_above_a_table_are_none_of_its_rows() {
    for above in ["Review 2026\nby: QA\n\n", "# exported, with, commas\n# twice\n", "Review 2026,,\n,,\n"] {
        let table = format!("{above}Text A,Text B,Score\na,b,1\nc,d,0\ne,f,0.5\n");
        let source = open(table.as_bytes()).unwrap();
        let row = above.lines().count() + 1;
        assert_eq!((source.dialect.header, source.dialect.header_row), (true, Some(row)), "{above:?}");
        assert_eq!(source.header.as_deref().unwrap(), ["Text A", "Text B", "Score"]);
        let first = source.map(|row| row.unwrap()).find(|row| !row.cells[0].is_empty()).unwrap();
        assert_eq!((first.row, first.cells[0].as_str()), (row + 1, "a"));
    }
    // Where nothing stands above it, nothing is told.
    assert_eq!(open(b"text1,text2\na,b\nc,d\n").unwrap().dialect.header_row, None);
    // A list of one column has no title.
    assert_eq!(rows(b"a\nb\nc\n").len() + usize::from(open(b"a\nb\nc\n").unwrap().dialect.header), 3);
}

#[test]
fn the_sheet_with_the_pairs_is_read_below_its_title_and_with_its_merged_cells() {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("README").unwrap().write_string(0, 0, "How to rate").unwrap();
    let sheet = book.add_worksheet().set_name("組").unwrap();
    sheet.write_string(0, 0, "類似度の評価").unwrap();
    for (column, name) in (0..).zip(["職種A", "職種B", "類似度", "計算"]) {
        sheet.write_string(2, column, name).unwrap();
    }
    sheet.merge_range(3, 0, 4, 0, "看護師", &Format::new()).unwrap();
    for (row, (other, score)) in (3..).zip([("看護助手", 0.9), ("操縦士", 0.1), ("教師", 0.2)]) {
        sheet.write_string(row, 1, other).unwrap();
        sheet.write_number(row, 2, score).unwrap();
        sheet.write_formula(row, 3, Formula::new("=1+1").set_result("4711")).unwrap();
    }
    sheet.write_string(5, 0, "保育士").unwrap();
    let bytes = rewritten(&book.save_to_buffer().unwrap(), "<v>4711</v>", "");
    let source = open(&bytes).unwrap();
    assert_eq!((source.dialect.sheet.as_deref(), source.dialect.header_row), (Some("組"), Some(3)));
    assert_eq!(source.dialect.sheets, ["README", "組"]);
    let rows: Vec<Row> = source.map(|row| row.unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row.cells[0].as_str()).collect::<Vec<_>>(), ["看護師", "看護師", "保育士"]);
    assert_eq!((rows[0].merged.as_slice(), rows[1].merged.as_slice()), (&[][..], &[0][..]));
    assert_eq!(rows[0].unreadable, [(3, Unreadable::Formula)]);
}

#[test]
fn a_taxonomy_in_rdf_is_no_table() {
    for text in [
        "\u{feff}@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n",
        "<?xml version=\"1.0\"?><rdf:RDF></rdf:RDF>",
    ] {
        assert_eq!(error(text.as_bytes()).code, "is_taxonomy");
    }
}
