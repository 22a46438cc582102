//! Workbooks and columns.

use std::io::{Cursor, Write};
use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};

use super::super::*;
use super::{cells, error, open, rows};

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("表紙").unwrap();
    let sheet = book.add_worksheet().set_name("データ").unwrap();
    for (column, name) in ["職種A", "職種B", "点数", "メモ"].into_iter().enumerate() {
        sheet.write(2, column as u16, name).unwrap();
    }
    sheet.write(3, 0, "看護師").unwrap();
    sheet.write(3, 1, "看護助手\n(二行)").unwrap();
    sheet.write(3, 2, 0.1 + 0.2).unwrap();
    sheet.write(4, 0, "医師").unwrap();
    sheet.write(4, 1, "教師").unwrap();
    let date = ExcelDateTime::from_ymd(2026, 4, 5).unwrap();
    sheet.write_with_format(4, 2, &date, &Format::new().set_num_format("m\"月\"d\"日\"")).unwrap();
    sheet.write(4, 3, true).unwrap();
    sheet.write(6, 0, 5.0).unwrap();
    sheet.write(6, 1, Formula::new("=NA()").set_result("#N/A")).unwrap();
    sheet.write(6, 2, 4).unwrap();
    let other = book.add_worksheet().set_name("other").unwrap();
    other.write(0, 0, "x").unwrap();
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbooks_first_sheet_with_something_in_it_is_read() {
    let bytes = workbook();
    let source = open(&bytes).unwrap();
    let dialect = &source.dialect;
    assert_eq!((dialect.format, dialect.encoding, dialect.header), (FileFormat::Xlsx, None, true));
    assert_eq!(dialect.sheet.as_deref(), Some("データ"));
    assert_eq!(dialect.sheets, ["表紙", "データ", "other"]);
    assert_eq!(source.header.as_deref().unwrap(), ["職種A", "職種B", "点数", "メモ"]);
    let rows: Vec<Row> = source.map(|row| row.unwrap()).collect();
    assert_eq!(rows[0].cells, ["看護師", "看護助手\n(二行)", "0.30000000000000004", ""]);
    assert_eq!(rows[1].cells, ["医師", "教師", "2026-04-05", "true"]);
    assert_eq!((&rows[0].dates, &rows[1].dates), (&vec![], &vec![2]));
    assert_eq!((rows[2].cells[0].as_str(), rows[2].cells[2].as_str()), ("5", "4"));
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [4, 5, 7]);
}

#[test]
fn a_named_sheet_is_read_and_a_missing_one_told() {
    let input = Input::bytes(workbook().into());
    let sheet = |name: &str| FileOptions { sheet: Some(name.to_owned()), ..FileOptions::default() };
    assert_eq!(cells(Source::open(&input, &sheet("other")).unwrap()), [["x"]]);
    let told = Source::open(&input, &sheet("nope")).err().unwrap();
    assert_eq!(told.code, "sheet_not_found");
    assert!(told.what.contains("\"データ\""), "{told:?}");
    assert_eq!(Source::open(&input, &sheet("表紙")).err().unwrap().code, "no_rows");
}

#[test]
fn two_far_corners_take_no_memory_and_many_columns_are_refused() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "a").unwrap();
    sheet.write(1_048_575, 999, "b").unwrap();
    let rows = rows(&book.save_to_buffer().unwrap());
    assert_eq!((rows.len(), rows[1].row, rows[1].cells.len()), (2, 1_048_576, 1000));
    let mut book = Workbook::new();
    book.add_worksheet().write(0, 1000, "b").unwrap();
    assert_eq!(error(&book.save_to_buffer().unwrap()).code, "too_many_columns");
}

/// A workbook's other parts around a sheet's text.
fn with_sheet(sheet: &mut dyn std::io::Read) -> Vec<u8> {
    let mut from = zip::ZipArchive::new(Cursor::new(workbook())).unwrap();
    let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let mut part = from.by_index(index).unwrap();
        let name = part.name().unwrap().into_owned();
        let packed = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        to.start_file(name.as_str(), packed).unwrap();
        if name == "xl/worksheets/sheet1.xml" {
            std::io::copy(sheet, &mut to).unwrap();
        } else {
            std::io::copy(&mut part, &mut to).unwrap();
        }
    }
    to.finish().unwrap().into_inner()
}

#[test]
fn a_workbook_that_unpacks_without_end_is_refused() {
    let mut blanks = std::io::Read::take(std::io::repeat(b' '), 200_000_000);
    let mut bytes = with_sheet(&mut blanks);
    assert!(bytes.len() < 1 << 20);
    assert_eq!(error(&bytes).code, "sheet_too_large");
    // A directory that tells less than there is changes nothing.
    let size = 200_000_000_u32.to_le_bytes();
    while let Some(place) = bytes.windows(4).position(|four| four == size) {
        bytes[place..place + 4].copy_from_slice(&1000_u32.to_le_bytes());
    }
    assert!(["sheet_too_large", "unreadable"].contains(&error(&bytes).code));
}

#[test]
fn a_damaged_workbook_is_told() {
    let bytes = workbook();
    for length in [10, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(error(&bytes[..length]).code, "unreadable");
    }
    for sheet in [b"<worksheet><sheetData><row r=\"1\"><c r=\"A0\"".as_slice(), b"\xff\xfe", b"<worksheet><sheetData><row r=\"5\"><c r=\"A5\"><v>1</v></c></row><row r=\"2\"><c r=\"A2\"><v>1</v></c></row></sheetData></worksheet>"] {
        let told = open(&with_sheet(&mut &sheet[..]));
        assert!(told.is_ok() || told.err().is_some_and(|told| told.code == "unreadable"));
    }
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, levels, None).unwrap();
    column.close().unwrap();
}

pub(super) fn columns(message: &str, write: bool) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut bytes = Vec::new();
    let mut file =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let groups = if write { 2 } else { 0 };
    for _ in 0..groups {
        let mut group = file.next_row_group().unwrap();
        let texts: Vec<ByteArray> = ["看護師", "a\nb"].map(ByteArray::from).to_vec();
        write_column::<ByteArrayType>(&mut group, &texts, None);
        write_column::<ByteArrayType>(&mut group, &texts[..1], Some(&[1, 0]));
        write_column::<DoubleType>(&mut group, &[0.5, 5.0], None);
        write_column::<Int32Type>(&mut group, &[0, 20_000], None);
        group.close().unwrap();
    }
    file.close().unwrap();
    bytes
}

const FLAT: &str = "message pairs { REQUIRED BYTE_ARRAY text_a (UTF8); OPTIONAL BYTE_ARRAY text_b; REQUIRED DOUBLE score; REQUIRED INT32 day (DATE); }";

#[test]
fn columns_in_binary_are_read_as_rows() {
    let bytes = columns(FLAT, true);
    let source = open(&bytes).unwrap();
    assert_eq!(source.dialect.format, FileFormat::Parquet);
    assert_eq!(source.header.as_deref().unwrap(), ["text_a", "text_b", "score", "day"]);
    let rows: Vec<Row> = source.map(|row| row.unwrap()).collect();
    assert_eq!(rows[0].cells, ["看護師", "看護師", "0.5", "1970-01-01"]);
    assert_eq!(rows[3].cells, ["a\nb", "", "5", "2024-10-04"]);
    assert_eq!((rows[3].row, rows[3].line, &rows[3].dates), (4, 4, &vec![3]));
    // Packed once more, and from the disk, they are the same.
    let packed = zstd::encode_all(bytes.as_slice(), 3).unwrap();
    assert_eq!(super::rows(&packed), rows);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let input = Input::file(file.path().to_owned());
    assert_eq!(
        Source::open(&input, &FileOptions::default()).unwrap().map(|row| row.unwrap()).collect::<Vec<_>>(),
        rows
    );
}

#[test]
fn days_that_no_calendar_has_are_no_trouble() {
    for (days, written) in [(0, "1970-01-01"), (-1, "1969-12-31"), (11_016, "2000-02-29"), (-719_528, "0000-01-01")] {
        assert_eq!(super::super::parquet::day(days), written);
    }
    assert!(!super::super::parquet::day(i64::from(i32::MIN)).is_empty());
    assert!(!super::super::parquet::day(i64::MAX / 86_400_000).is_empty());
}

#[test]
fn nested_and_damaged_columns_are_told() {
    let nested = columns("message m { OPTIONAL GROUP pair { REQUIRED BYTE_ARRAY left (UTF8); } }", false);
    let told = error(&nested);
    assert_eq!(told.code, "column_nested");
    assert!(told.what.contains("(pair)"), "{told:?}");
    let bytes = columns(FLAT, true);
    for length in [4, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(error(&bytes[..length]).code, "unreadable", "{length}");
    }
    let columns: String = (0..1001).map(|column| format!("REQUIRED DOUBLE c{column}; ")).collect();
    assert_eq!(error(&self::columns(&format!("message m {{ {columns} }}"), false)).code, "too_many_columns");
}

/// One text in many rows of a column, which a dictionary and a run keep as a few bytes.
fn one_text(bytes: usize, rows: usize) -> Vec<u8> {
    let schema = Arc::new(parse_message_type("message m { REQUIRED BYTE_ARRAY text (UTF8); }").unwrap());
    let mut out = Vec::new();
    let properties = WriterProperties::builder()
        .set_compression(::parquet::basic::Compression::ZSTD(Default::default()))
        .set_dictionary_page_size_limit(1 << 20)
        .build();
    let mut file = SerializedFileWriter::new(&mut out, schema, Arc::new(properties)).unwrap();
    let mut group = file.next_row_group().unwrap();
    write_column::<ByteArrayType>(&mut group, &vec![ByteArray::from("x".repeat(bytes).as_str()); rows], None);
    group.close().unwrap();
    file.close().unwrap();
    out
}

#[test]
fn a_text_that_is_stored_once_counts_in_each_row() {
    let bytes = one_text(90_000, 5_000);
    assert!(bytes.len() < 20_000, "{}", bytes.len());
    assert_eq!(error(&bytes).code, "unpacks_too_large");
    // So do rows without anything in them.
    let blank = one_text(0, 20_000_000);
    assert!(blank.len() < 100_000, "{}", blank.len());
    assert_eq!(error(&blank).code, "unpacks_too_large");
    // A small table whose rows are alike is none of that.
    assert_eq!(rows(&one_text(20, 50_000)).len(), 50_000);
}

#[test]
fn a_cell_of_a_workbook_that_is_stored_once_counts_wherever_it_stands() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let text = "x".repeat(30_000);
    for row in 0..2_000 {
        sheet.write(row, 0, &text).unwrap();
    }
    let bytes = book.save_to_buffer().unwrap();
    assert!(bytes.len() < 100_000, "{}", bytes.len());
    assert_eq!(error(&bytes).code, "unpacks_too_large");
}

#[test]
fn a_wide_row_among_many_narrow_ones_fills_no_memory() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 999, "wide").unwrap();
    for row in 1..100_000 {
        sheet.write(row, 0, row).unwrap();
    }
    let source = open(&book.save_to_buffer().unwrap()).unwrap();
    // 24 bytes each would be 2.4 GB.
    assert!(source.take(90_000).all(|row| row.unwrap().cells.len() == 1000));
}

#[test]
fn a_page_that_says_more_of_itself_than_it_holds_is_refused_before_room_is_made() {
    let written = |after: &str| {
        let names = (0..100).map(|place| ByteArray::from(format!("{place:03}{after}").as_str()));
        let schema = Arc::new(parse_message_type("message m { REQUIRED BYTE_ARRAY text (UTF8); }").unwrap());
        let properties = WriterProperties::builder().set_dictionary_page_size_limit(4 << 20);
        let properties = properties.set_compression(::parquet::basic::Compression::ZSTD(Default::default())).build();
        let mut bytes = Vec::new();
        let mut file = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
        let mut group = file.next_row_group().unwrap();
        write_column::<ByteArrayType>(&mut group, &names.collect::<Vec<_>>(), None);
        group.close().unwrap();
        file.close().unwrap();
        assert_eq!(rows(&bytes).len(), 100);
        bytes
    };
    let find = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|window| window == part).unwrap();
    // The dictionary's header: its type (2), its size, its size when packed, then a struct with how many values, 100.
    let mut bytes = written("");
    let values = find(&bytes, &[0x4c, 0x15, 0xc8, 0x01]);
    bytes[values + 2..values + 4].copy_from_slice(&[0xfe, 0x7f]);
    assert!(error(&bytes).what.contains("contradicts itself"), "{:?}", error(&bytes));
    // Of 2,000,700 bytes it becomes one of 128 MiB.
    let mut bytes = written(&"x".repeat(20_000));
    let size = find(&bytes, &[0x15, 0x04, 0x15, 0xf8, 0x9c, 0xf4, 0x01, 0x15]) + 3;
    bytes[size..size + 4].copy_from_slice(&[0xfe, 0xff, 0xff, 0x7f]);
    assert_eq!(error(&bytes).code, "unpacks_too_large");
}

#[test]
fn texts_that_begin_as_the_one_before_are_counted_whole() {
    let write = |texts: &[String]| {
        let schema = Arc::new(parse_message_type("message m { OPTIONAL BYTE_ARRAY text (UTF8); }").unwrap());
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_encoding(::parquet::basic::Encoding::DELTA_BYTE_ARRAY)
            .set_statistics_enabled(::parquet::file::properties::EnabledStatistics::None)
            .build();
        let mut out = Vec::new();
        let mut file = SerializedFileWriter::new(&mut out, schema, Arc::new(properties)).unwrap();
        let mut group = file.next_row_group().unwrap();
        let values: Vec<ByteArray> = texts.iter().map(|text| ByteArray::from(text.as_str())).collect();
        write_column::<ByteArrayType>(&mut group, &values, Some(&vec![1; texts.len()]));
        group.close().unwrap();
        file.close().unwrap();
        out
    };
    let texts: Vec<String> = (0..1000).map(|place| format!("a name {}", place * place % 977)).collect();
    let read = rows(&write(&texts));
    assert_eq!(read.iter().map(|row| &row.cells[0]).collect::<Vec<_>>(), texts.iter().collect::<Vec<_>>());
    let bytes = write(&vec!["x".repeat(90_000); 500]);
    assert!(bytes.len() < 100_000, "{}", bytes.len());
    assert_eq!(error(&bytes).code, "unpacks_too_large");
}

#[test]
fn a_table_of_nothing_but_lists_is_refused_though_it_has_no_groups() {
    let lists = columns("message m { REPEATED BYTE_ARRAY texts (UTF8); }", false);
    assert_eq!(error(&lists).code, "column_nested");
}
