//! Workbooks as programs write them: `books/make.py` says how.

use super::super::*;
use super::{error, open, rows};

const XLSX: &[u8] = include_bytes!("books/calc.xlsx");
const XLS: &[u8] = include_bytes!("books/calc.xls");
const ODS: &[u8] = include_bytes!("books/calc.ods");
const FODS: &[u8] = include_bytes!("books/calc.fods");

#[test]
fn a_workbook_is_the_same_table_whatever_its_format() {
    let expected = open(XLSX).unwrap();
    let (dialect, header) = (expected.dialect.clone(), expected.header.clone());
    assert_eq!(dialect.sheets, ["表紙", "データ", "隠し"]);
    assert_eq!((dialect.sheet.as_deref(), dialect.header_row), (Some("データ"), Some(2)));
    let expected: Vec<Row> = expected.map(|row| row.unwrap()).collect();
    for (name, bytes) in [("xls", XLS), ("ods", ODS), ("fods", FODS)] {
        let source = open(bytes).unwrap();
        assert_eq!((&source.dialect, &source.header), (&dialect, &header), "{name}");
        let rows: Vec<Row> = source.map(|row| row.unwrap()).collect();
        for (row, expected) in rows.iter().zip(&expected) {
            assert_eq!(row, expected, "{name}");
        }
        assert_eq!(rows.len(), expected.len(), "{name}");
    }
}

#[test]
fn an_old_workbook_by_a_program_is_read() {
    let source = open(include_bytes!("books/xlwt.xls")).unwrap();
    assert_eq!(source.dialect.sheets, ["組", "隠し"]);
    assert_eq!(source.header.as_deref().unwrap(), ["文1", "文2", "スコア", "日付", "確認"]);
    let rows: Vec<Row> = source.map(|row| row.unwrap()).collect();
    assert_eq!(rows[0].cells, ["職種 1", "job 1 é", "0.01", "2026-11-27", "true"]);
    assert_eq!((&rows[0].dates, rows.len()), (&vec![3], 100));
    // A span of 36 hours is no date.
    assert_eq!((rows[1].cells[3].as_str(), rows[1].dates.len()), ("1.5", 0));
    assert_eq!(rows[99].cells, ["職種 100", "job 100 é", "1", "", ""]);
}

#[test]
fn what_an_open_document_says_once_stands_wherever_it_is_repeated() {
    let rows = rows(include_bytes!("books/odfpy.ods"));
    assert_eq!(rows[0].cells, ["職種 1", "job 1", "0.25", "", ""]);
    for (place, row) in rows[4..7].iter().enumerate() {
        assert_eq!(row.cells, ["同じ  文\n職業", "同じ  文\n職業", "1", "true", "12:30"]);
        assert_eq!(row.row, 6 + place);
    }
    let last = &rows[7];
    assert_eq!((last.cells[0].as_str(), last.cells[2].as_str(), last.row), ("最後", "0", 1_000_009));
    assert_eq!(last.unreadable, [(3, Unreadable::Formula)]);
    assert_eq!(rows.len(), 8);
}

#[test]
fn a_named_sheet_is_read_from_every_format() {
    for bytes in [XLSX, XLS, ODS, FODS] {
        let input = Input::bytes(bytes.into());
        let sheet = |name: &str| FileOptions { sheet: Some(name.to_owned()), ..FileOptions::default() };
        let hidden = Source::open(&input, &sheet("隠し")).unwrap();
        assert_eq!(hidden.map(|row| row.unwrap().cells).collect::<Vec<_>>(), [["a", "b", "0.5"]]);
        assert_eq!(Source::open(&input, &sheet("無い")).err().unwrap().code, "sheet_not_found");
    }
}

#[test]
fn a_workbook_that_was_cut_off_or_changed_is_told_or_read_and_never_panics() {
    for (name, bytes) in [("xls", XLS), ("ods", ODS), ("fods", FODS)] {
        let whole = rows(bytes);
        for part in 1..40 {
            let told = open(&bytes[..bytes.len() * part / 40]);
            assert!(told.is_err_and(|told| ["unreadable", "not_a_table"].contains(&told.code)), "{name}: {part} of 40");
        }
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..300 {
            let mut changed = bytes.to_vec();
            for _ in 0..3 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let place = (random >> 33) as usize % changed.len();
                changed[place] ^= 1 << (random & 7);
            }
            if let Ok(source) = open(&changed) {
                assert!(source.take(1000).count() <= whole.len() + 1000);
            }
        }
    }
}

/// A number in a compound file or a stream in it.
fn put(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

#[test]
fn a_list_of_sectors_that_is_longer_than_the_file_is_refused_before_they_are_read() {
    let mut bytes = XLS.to_vec();
    bytes.resize(40 << 20, 0xff);
    // From the second half on, lists of the same sector, each of which tells where the next one is.
    let (first, count) = (1 << 15, 40_000);
    put(&mut bytes, 0x44, first);
    put(&mut bytes, 0x48, count);
    for list in first..first + count {
        let begin = (list as usize + 1) * 512;
        for entry in 0..127 {
            put(&mut bytes, begin + entry * 4, 0);
        }
        put(&mut bytes, begin + 508, list + 1);
    }
    let begun = std::time::Instant::now();
    assert_eq!(error(&bytes).code, "unreadable");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_row_that_is_repeated_without_end_is_refused() {
    let (begin, end) = FODS_AROUND;
    let of = |rows: &str| format!("{begin}{rows}{end}").into_bytes();
    let cell = |text: &str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let repeated = of(&format!(
        "<table:table-row table:number-rows-repeated=\"4000000000\">{}</table:table-row>",
        cell(&"x".repeat(1000))
    ));
    assert_eq!(error(&repeated).code, "unpacks_too_large");
    let wide = of(
        "<table:table-row><table:table-cell office:value-type=\"float\" office:value=\"1\" table:number-columns-repeated=\"4000000000\"/></table:table-row>",
    );
    assert_eq!(error(&wide).code, "too_many_columns");
    let blanks = of(&format!("<table:table-row>{}</table:table-row>", cell("<text:s text:c=\"4000000000\"/>")));
    assert_eq!(error(&blanks).code, "line_too_long");
    let blank_cells = of(
        "<table:table-row table:number-rows-repeated=\"4294967295\"><table:table-cell table:number-columns-repeated=\"4294967295\"/><table:table-cell table:number-columns-repeated=\"4294967295\"/></table:table-row>",
    );
    assert_eq!(error(&blank_cells).code, "no_rows");
}

const FODS_AROUND: (&str, &str) = (
    "<?xml version=\"1.0\"?><office:document office:mimetype=\"application/vnd.oasis.opendocument.spreadsheet\"><office:body><office:spreadsheet><table:table table:name=\"s\">",
    "</table:table></office:spreadsheet></office:body></office:document>",
);

#[test]
fn what_an_old_document_is_that_is_no_table_is_told() {
    let compound = |stream: &str| {
        let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
        std::io::Write::write_all(&mut file.create_stream(format!("/{stream}")).unwrap(), &[0; 5000]).unwrap();
        file.into_inner().into_inner()
    };
    for (stream, code, what) in [
        ("EncryptedPackage", "format_not_supported", "password"),
        ("Book", "format_not_supported", "Excel 95"),
        ("WordDocument", "not_a_table", "text document"),
        ("PowerPoint Document", "not_a_table", "presentation"),
        ("__properties_version1.0", "not_a_table", "e-mail"),
        ("other", "not_a_table", "old office document"),
    ] {
        let told = error(&compound(stream));
        assert_eq!(told.code, code, "{stream}: {told:?}");
        assert!(told.what.contains(what), "{told:?}");
    }
    // A record that says that all after it is encrypted.
    let begins = [0x09_u8, 0x08, 4, 0, 0, 6, 5, 0];
    let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    let stream = [begins.as_slice(), &[0x2f, 0, 6, 0, 1, 0, 1, 0, 1, 0]].concat();
    std::io::Write::write_all(&mut file.create_stream("/Workbook").unwrap(), &stream).unwrap();
    assert!(error(&file.into_inner().into_inner()).what.contains("password"));
}
