//! Any way in which a spreadsheet, a database or a notebook writes a table gives the same cells; and what was made
//! to do harm is refused with a reason.

use std::io::{Cursor, Read, Write};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const ENGLISH: &[[&str; 3]] = &[
    ["base", "ref", "similarity"],
    ["nurse, senior", "care assistant", "0.5"],
    ["data \"scientist\"", "data; analyst", "1"],
    ["two\nlines", "tab\there", "0,25"],
];
const JAPANESE: &[[&str; 3]] = &[
    ["職種A", "職種B", "点数"],
    ["看護師、正", "看護助手", "高"],
    ["データ分析者,上級", "データアナリスト;主任", "４／５"],
    ["①ソフト～表", "ﾊﾝｶｸ纊", "○"],
];
const NO_HEADER: &[[&str; 3]] =
    &[["飛行機が離陸します。", "飛行機", "5.0"], ["男が笛を吹く。", "笛", "3.8"], ["鳥", "豚が踊る", "0"]];

pub(super) fn open(bytes: &[u8]) -> Result<Source, Problems> {
    Source::open(&Input::bytes(bytes.into()), &FileOptions::default())
}

fn made(make: impl Fn() -> pack::Stream + Send + Sync + 'static) -> Result<Source, Problems> {
    Source::open_from(&Origin::Made(std::sync::Arc::new(make)), &FileOptions::default())
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    open(bytes).unwrap().map(|row| row.unwrap()).collect()
}

/// All cells of a table, the header among them.
fn cells(source: Source) -> Vec<Vec<String>> {
    let header = source.header.clone();
    header.into_iter().chain(source.map(|row| row.unwrap().cells)).filter(|row| !is_blank(row)).collect()
}

fn error(bytes: &[u8]) -> Problems {
    match open(bytes) {
        Err(problems) => problems,
        Ok(source) => match source.filter_map(Result::err).last() {
            Some(Fault::Table(problems)) => problems,
            other => panic!("read without an error: {other:?}"),
        },
    }
}

fn write(table: &[[&str; 3]], delimiter: char, ending: &str) -> String {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter as u8)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    for row in table {
        writer.write_record(row).unwrap();
    }
    let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    // Line breaks within a cell stay as they are.
    text.replace("two\nlines", "\u{1}").replace('\n', ending).replace('\u{1}', "two\nlines")
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

fn gzip(bytes: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A text in each encoding in which spreadsheets write, what it is found to be, and whether a mark stands first.
fn encoded(text: &str) -> Vec<(Vec<u8>, Encoding, bool)> {
    let marked = format!("\u{feff}{text}");
    let japanese = |encoding: &'static encoding_rs::Encoding| encoding.encode(text).0.into_owned();
    let mut all = vec![
        (text.as_bytes().to_vec(), Encoding::Utf8, false),
        (marked.as_bytes().to_vec(), Encoding::Utf8, true),
        (utf16(&marked, u16::to_le_bytes), Encoding::Utf16Le, true),
        (utf16(&marked, u16::to_be_bytes), Encoding::Utf16Be, true),
        (utf16(text, u16::to_le_bytes), Encoding::Utf16Le, false),
        (utf16(text, u16::to_be_bytes), Encoding::Utf16Be, false),
    ];
    if !text.is_ascii() {
        all.push((japanese(encoding_rs::SHIFT_JIS), Encoding::Windows31J, false));
        all.push((japanese(encoding_rs::EUC_JP), Encoding::EucJp, false));
    }
    all
}

#[test]
fn the_same_cells_come_out_however_a_spreadsheet_wrote_them() {
    let mut files = 0;
    for table in [ENGLISH, JAPANESE, NO_HEADER] {
        for delimiter in [',', ';', '\t', '|'] {
            for ending in ["\n", "\r\n", "\r"] {
                let text = write(table, delimiter, ending);
                for (bytes, encoding, bom) in encoded(&text) {
                    let source = open(&bytes).unwrap();
                    let told = format!("{encoding:?} {delimiter:?} {ending:?} {text}");
                    let dialect = &source.dialect;
                    assert_eq!((dialect.encoding, dialect.bom), (Some(encoding), bom), "{told}");
                    assert_eq!(dialect.delimiter, Some(delimiter), "{told}");
                    assert_eq!(dialect.line_ending.as_deref(), Some(ending), "{told}");
                    assert_eq!(dialect.header, table != NO_HEADER, "{told}");
                    assert_eq!(cells(source), table, "{told}");
                    files += 1;
                }
            }
        }
    }
    assert_eq!(files, 4 * 3 * (6 + 8 + 8));
}

#[test]
fn packed_tables_are_the_same_tables() {
    let text = write(JAPANESE, ',', "\r\n");
    let (begins, ends) = text.as_bytes().split_at(40);
    let fast = flate2::Compression::fast();
    let members = [gzip(begins, fast), gzip(ends, fast)].concat();
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    for (bytes, compression) in [(members, Compression::Gzip), (zstd, Compression::Zstd)] {
        let source = open(&bytes).unwrap();
        assert_eq!(source.dialect.compression, Some(compression));
        assert_eq!(cells(source), JAPANESE);
        for length in [bytes.len() - 1, bytes.len() - 9, bytes.len() / 2] {
            let told = error(&bytes[..length]);
            assert_eq!(told.code, "pack_damaged", "{length}: {told:?}");
            assert!(told.what.contains("ends in the middle"), "{told:?}");
        }
    }
}

#[test]
fn what_is_said_is_not_found_out_anew() {
    let text = write(JAPANESE, ';', "\n");
    let bytes = encoding_rs::EUC_JP.encode(&text).0.into_owned();
    let said = FileOptions {
        encoding: Some(Encoding::EucJp),
        delimiter: Some(','),
        header: Some(false),
        format: Some(FileFormat::Csv),
        sheet: None,
        ..FileOptions::default()
    };
    let source = Source::open(&Input::bytes(bytes.as_slice().into()), &said).unwrap();
    assert_eq!((source.dialect.delimiter, source.dialect.header, &source.header), (Some(','), false, &None));
    assert_eq!(source.map(|row| row.unwrap().row).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let wrong = FileOptions { encoding: Some(Encoding::Windows31J), ..FileOptions::default() };
    let bytes: std::sync::Arc<[u8]> = b"base,ref,similarity\na,\xfd\xfe,1\n".as_slice().into();
    let told = Source::open(&Input::bytes(bytes), &wrong).err().unwrap();
    assert_eq!(told.code, "not_in_encoding");
    assert!(told.what.contains("line 2, column 3"), "{told:?}");
}

#[test]
fn rows_are_a_spreadsheets_and_lines_an_editors() {
    let table = "base,ref,similarity\r\na,b,0.5\r\n\"two\r\nlines\",c,1\r\n\r\nd,e,x";
    for ending in ["\r\n", "\n", "\r"] {
        let rows = rows(table.replace("\r\n", ending).as_bytes());
        let places: Vec<_> = rows.iter().map(|row| (row.row, row.line)).collect();
        assert_eq!(places, [(2, 2), (3, 3), (4, 5), (5, 6)], "{ending:?}");
    }
    for before in ["\n\n", " \n,,\n", "\r\n \r\n"] {
        let source = open(format!("{before}base,ref,similarity\na,b,1\n").as_bytes()).unwrap();
        assert_eq!(source.map(|row| row.unwrap().row).collect::<Vec<_>>(), [4], "{before:?}");
    }
    // A spreadsheet does not show the line that names the separator.
    for named in ["sep=;\r\n", "sep=;\n", "\"sep=;\"\r", "\u{feff}sep=;;;\n"] {
        let rows = rows(format!("{named}base;ref;similarity\na, b, c;d;1\n").as_bytes());
        assert_eq!((rows[0].row, rows[0].line, rows[0].cells[0].as_str()), (2, 3, "a, b, c"), "{named:?}");
    }
}

#[test]
fn stray_quotes_and_zeros_stay_in_their_cell() {
    let table = "base,ref,similarity\n5\" disk,a \"b\" c,1\n\"a\" b,c\"d,0\nnul\0,\u{1},0.5\n";
    let rows: Vec<_> = open(table.as_bytes()).unwrap().map(|row| row.unwrap().cells).collect();
    assert_eq!(rows, [["5\" disk", "a \"b\" c", "1"], ["a b", "c\"d", "0"], ["nul\0", "\u{1}", "0.5"]]);
}

#[test]
fn a_quote_that_is_never_closed_is_told_where_it_opened() {
    let told = error(b"base,ref,similarity\na,b,1\nc,\"d,0.5\nc,d,0.5\n");
    assert_eq!(told.code, "quote_not_closed");
    assert!(told.what.contains("row 3 (line 3)"), "{told:?}");
    let rest = "c,d,0.5\n".repeat(LARGE / 8);
    let told = error(format!("base,ref,similarity\na,\"two\nlines\",1\nc,\"d,0.5\n{rest}").as_bytes());
    assert_eq!(told.code, "quote_not_closed");
    assert!(told.what.contains("row 3 (line 4)") && told.what.contains("within 1048576 bytes"), "{told:?}");
}

/// More than a record may have.
const LARGE: usize = 2 << 20;

/// As many bytes as are asked for, all alike, which are nowhere kept.
fn endless(begin: &'static [u8], byte: u8, count: u64) -> impl Fn() -> pack::Stream + Send + Sync {
    move || Box::new(begin.chain(std::io::repeat(byte).take(count)))
}

#[test]
fn a_cell_of_a_gigabyte_is_refused_before_it_is_read() {
    let gigabyte = 1 << 30;
    let begun = Instant::now();
    for begin in [b"base,ref,similarity\n".as_slice(), b"base,ref,similarity\na,\"", b"[[\"", b"{\"text1\": \""] {
        let told = made(endless(begin, b'x', gigabyte)).err().unwrap();
        assert_eq!(told.code, "line_too_long", "{told:?}");
        assert!(told.what.contains("line 1") || told.what.contains("line 2"), "{told:?}");
    }
    // Validation passes over the whole file once; parsing must not.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn lines_without_end_are_passed_over_in_little_memory() {
    let told = made(endless(b"", b'\n', 30 << 20)).err().unwrap();
    assert_eq!(told.code, "no_rows");
    let source = made(endless(b"base,ref,similarity\na,b,1\n", b'\n', 1_000_000)).unwrap();
    let rows: Vec<usize> = source.map(|row| row.unwrap().row).collect();
    assert_eq!((rows.len(), rows.last()), (1_000_001, Some(&1_000_002)));
}

#[test]
fn a_bomb_is_refused_while_it_unpacks() {
    let zeros = vec![b'a'; 40 << 20];
    assert_eq!(error(&gzip(&zeros, flate2::Compression::best())).code, "unpacks_too_large");
    assert_eq!(error(&zstd::encode_all(zeros.as_slice(), 3).unwrap()).code, "unpacks_too_large");
}

#[test]
fn what_is_no_text_is_told_with_line_and_column() {
    let place = |bytes: &[u8]| {
        let told = error(bytes);
        (told.code, told.what)
    };
    // One letter of an older encoding may be several.
    let stray = open(b"base,ref,similarity\na,b,1\na,\xff,1\n").unwrap();
    assert!(stray.dialect.encoding_unsure.len() > 1, "{:?}", stray.dialect);
    // Damaged UTF-8 is not taken for Shift_JIS, in which nearly anything can be read.
    let mut text = write(JAPANESE, ',', "\n").into_bytes();
    let last = text.iter().rposition(|&byte| byte >= 0x80).unwrap();
    text.remove(last);
    let (code, what) = place(&text);
    assert_eq!(code, "not_utf8");
    assert!(what.contains("line 4, column 14"), "{what}");
    // A Western file is read as what it is.
    let western = open(b"base,ref,similarity\nanalyste de donn\xe9es,data analyst,1\ncaf\xe9 owner,x,0\n").unwrap();
    assert_eq!(western.dialect.encoding, Some(Encoding::Windows1252));
    assert_eq!(western.last().unwrap().unwrap().cells, ["café owner", "x", "0"]);
    // Marks among English words are Japanese.
    let source = open(b"base,ref,similarity\nnurse,carer,\x81\x9b\nnurse,pilot,\x81\x7e\n").unwrap();
    assert_eq!(source.dialect.encoding, Some(Encoding::Windows31J));
    let mut odd = utf16("base\tref\tscore\na\tb\t1\n", u16::to_le_bytes);
    odd.push(b'x');
    let told = error(&odd);
    assert_eq!(told.code, "not_in_encoding", "{told:?}");
    assert!(told.what.contains("line 3, column 1"), "{told:?}");
}

#[test]
fn an_encoding_is_found_where_its_first_character_stands() {
    let mut text = "nurse,care assistant,0.5\n".repeat(100_000);
    text.insert_str(0, "base,ref,similarity\n");
    text.push_str("看護師,看護助手,1\n");
    assert!(text.len() > 2 << 20);
    for (encoding, expected) in [(encoding_rs::SHIFT_JIS, Encoding::Windows31J), (encoding_rs::EUC_JP, Encoding::EucJp)]
    {
        let source = open(&encoding.encode(&text).0).unwrap();
        assert_eq!(source.dialect.encoding, Some(expected));
        assert_eq!(source.last().unwrap().unwrap().cells, ["看護師", "看護助手", "1"]);
    }
    // Valid EUC-JP at first, and Shift_JIS beyond the first part.
    let mut both = "base,ref,similarity\n".to_owned() + &"ｱｱ,ｲｲ,0.5\n".repeat(200_000);
    both.push_str("表示,看護助手,1\n");
    let source = open(&encoding_rs::SHIFT_JIS.encode(&both).0).unwrap();
    assert_eq!(source.dialect.encoding, Some(Encoding::Windows31J));
    assert_eq!(source.last().unwrap().unwrap().cells, ["表示", "看護助手", "1"]);
}

#[test]
fn an_encoding_that_is_not_sure_is_told() {
    let bytes = encoding_rs::EUC_JP.encode("看護師,助手,1\n").0.into_owned();
    let source = open(&bytes).unwrap();
    assert_eq!(source.dialect.encoding, Some(Encoding::EucJp));
    let also = encoding_rs::SHIFT_JIS.decode_without_bom_handling_and_without_replacement(&bytes).is_some();
    assert_eq!(source.dialect.encoding_candidates.contains(&Encoding::Windows31J), also);
    assert!(open("base,ref,score\né,b,1\n".as_bytes()).unwrap().dialect.encoding_candidates.is_empty());
}

#[test]
fn a_file_without_rows_is_told() {
    let blank = utf16("\u{feff}", u16::to_le_bytes);
    for bytes in [
        b"".as_slice(),
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf",
        &blank,
        b"\n",
        b",,\n,,",
        b"[]",
        b" [ ] ",
        b"sep=;\n",
    ] {
        assert_eq!(error(bytes).code, "no_rows", "{bytes:?}");
    }
}

#[test]
fn ten_thousand_columns_are_no_table_of_pairs() {
    let told = error(format!("x{}\n", ",x".repeat(9_999)).as_bytes());
    assert_eq!(told.code, "too_many_columns");
    assert!(told.what.contains("10000 columns"), "{told:?}");
    let object = (0..10_000).map(|key| format!("\"{key}\":1")).collect::<Vec<_>>().join(",");
    assert_eq!(error(format!("{{{object}}}").as_bytes()).code, "too_many_columns");
}

#[test]
fn a_file_that_is_no_table_is_named() {
    for (bytes, code, what) in [
        (b"%PDF-1.7\n%\xe2\xe3".as_slice(), "not_a_table", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "not_a_table", "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "not_a_table", "JPEG"),
        (b"SQLite format 3\0\x10\0", "not_a_table", "SQLite"),
        (b"<!DOCTYPE html><html>", "not_a_table", "HTML"),
        ("\u{feff}\n <Table border=1>".as_bytes(), "not_a_table", "HTML"),
        (b"<?xml version=\"1.0\"?><Workbook>", "not_a_table", "XML"),
    ] {
        let told = error(bytes);
        assert_eq!(told.code, code, "{bytes:?}");
        assert!(told.what.contains(what), "{told:?}");
    }
    for (name, content, code, what) in [
        ("mimetype", "application/vnd.oasis.opendocument.text", "not_a_table", "text document"),
        ("Index/Document.iwa", "", "format_not_supported", "Numbers"),
        ("xl/workbook.bin", "", "format_not_supported", ".xlsb"),
        ("word/document.xml", "", "not_a_table", "text document"),
        ("pairs.csv", "a,b,1", "not_a_table", "pairs.csv"),
    ] {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
        let told = error(&archive.finish().unwrap().into_inner());
        assert_eq!(told.code, code, "{name}: {told:?}");
        assert!(told.what.contains(what), "{told:?}");
    }
}

#[test]
fn a_header_is_told_from_a_first_row() {
    let header = |text: &str| open(text.as_bytes()).unwrap().dialect.header;
    for text in [
        "base,ref,similarity\n",
        "foo,bar,baz\na,b,0.5\n",
        ",0,1,2\n0,a,b,0.5\n1,c,d,0.5\n",
        "職種A,職種B\n看護師,看護助手\n教師,講師\n",
        "a,b,どう\n看護師,看護助手,○\n看護師,教師,×\n教師,講師,○\n医師,看護師,△\n医師,歌手,×\n犬,猫,△\n",
        "left one,right one,points\na,b,4月5日\nc,d,3\n",
        "[[\"x\",\"y\",\"z\"],[\"a\",\"b\",0.5]]",
    ] {
        assert!(header(text), "{text}");
    }
    for text in [
        "a,b,0.5\n",
        "看護師,看護助手,０．５\n教師,講師,１\n",
        "看護師,看護助手\n教師,講師\n医師,歯科医\n",
        "看護師,看護助手,○\n看護師,教師,×\n教師,講師,○\n医師,看護師,△\n医師,歌手,×\n犬,猫,△\n鳥,魚,○\n",
        "a,b,80%\nc,d,20%\n",
        "[[\"a\",\"b\",0.5],[\"c\",\"d\",1]]",
    ] {
        assert!(!header(text), "{text}");
    }
}

#[test]
fn a_separator_is_what_makes_rows_equally_wide() {
    let delimiter = |text: &str| open(text.as_bytes()).unwrap().dialect.delimiter.unwrap();
    assert_eq!(delimiter("a;b;0,5\nc;d;0,75\n"), ';');
    assert_eq!(delimiter("anchor;positive\na;b, c\n"), ';');
    assert_eq!(delimiter("a, b\tc, d\t1\ne\tf, g\t0\n"), '\t');
    assert_eq!(delimiter("base;ref;similarity\na, b;c, d;0,5\n"), ';');
    assert_eq!(delimiter("base|ref|similarity\na, b|c, d|0.5\n"), '|');
    assert_eq!(delimiter("a b,c d,1\n"), ',');
    assert_eq!(delimiter("only one column\nof texts\n"), ',');
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn cells_that_were_written_are_read_again(
        rows in proptest::collection::vec(proptest::collection::vec("[a-z\"',;\t|\r\n 看é\0{}<=-]{0,12}", 3), 1..20),
        delimiter in proptest::sample::select(vec![',', ';', '\t', '|']),
        ending in proptest::sample::select(vec![csv::Terminator::CRLF, csv::Terminator::Any(b'\n'), csv::Terminator::Any(b'\r')]),
    ) {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter as u8)
            .terminator(ending)
            .quote_style(csv::QuoteStyle::Always)
            .from_writer(Vec::new());
        writer.write_record(["text1", "text2", "score"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let source = open(&bytes).unwrap();
        prop_assert_eq!(source.dialect.delimiter, Some(delimiter));
        let read: Vec<Vec<String>> = source.map(|row| row.unwrap().cells).collect();
        prop_assert_eq!(read, rows);
    }
}

mod binary;
mod books;
mod hostile;
mod layout;
mod lines;

#[test]
fn a_table_that_nobody_wants_any_more_is_read_no_further() {
    let text = "a,b,0.5\n".repeat(100_000);
    let stop = Stop::new();
    let input = Input::bytes(text.into_bytes().into()).until(&stop);
    let mut source = Source::open(&input, &FileOptions::default()).unwrap();
    assert!(source.next().unwrap().is_ok());
    stop.stop();
    let Some(Err(Fault::Table(told))) = source.by_ref().find(Result::is_err) else { panic!("read to its end") };
    assert_eq!((told.code, source.next()), ("deadline", None));
    assert_eq!(Source::open(&input, &FileOptions::default()).err().unwrap().code, "deadline");
}
