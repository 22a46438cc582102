//! What a file is, told by its first bytes, whatever its name says.

use crate::problems::Problems;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// A zip archive: a workbook, or something that only looks like one from here.
    Zip,
    /// A compound file: an old workbook, a workbook with a password, or another document of that time.
    Compound,
    /// An OpenDocument spreadsheet in one piece of XML (.fods).
    FlatOpenDocument,
    Parquet,
    /// Text, or nothing that is known.
    Text,
}

/// What spreadsheets can write and this program can read.
const SAVE_AS: &str = "Open it in the program that wrote it, save it as .xlsx or as \"CSV UTF-8\", and send that.";

/// Beginnings of files that are no tables of pairs, and what they are.
const OTHERS: [(&[u8], &str); 16] = [
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"RIFF", "a sound, a film or an image (RIFF)"),
    (b"II*\0", "an image (TIFF)"),
    (b"MM\0*", "an image (TIFF)"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"BZh", "packed with bzip2"),
    (b"\xfd7zXZ\0", "packed with xz"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"ARROW1\0\0", "an Arrow or Feather file"),
    (b"\x1f\x8b", "packed twice"),
    (b"{\\rtf", "a text document (RTF)"),
];

/// What a file is; what is known to be no table that can be read here is named.
pub(super) fn of(head: &[u8]) -> Result<Contents, Problems> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Contents::Zip);
    }
    if head.starts_with(b"PAR1") {
        return Ok(Contents::Parquet);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Ok(Contents::Compound);
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(other(what, SEND));
    }
    let begins = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = begins[..begins.len().min(64)].to_ascii_lowercase();
    if [b"<!doctype html".as_slice(), b"<html", b"<head", b"<table", b"<body"].iter().any(|tag| begins.starts_with(tag))
    {
        return Err(other("a web page (HTML), even if its name ends in .xls or .csv", SAVE_AS));
    }
    if begins.starts_with(b"<?xml") || begins.starts_with(b"<rdf:") || begins.starts_with(b"<!doctype rdf:") {
        if head.windows(7).any(|part| part == b"rdf:RDF") {
            return Err(taxonomy());
        }
        if head.windows(SPREADSHEET.len()).any(|part| part == SPREADSHEET.as_bytes()) {
            return Ok(Contents::FlatOpenDocument);
        }
        return Err(other("XML", SAVE_AS));
    }
    Ok(Contents::Text)
}

/// What OpenDocument calls a spreadsheet.
pub(super) const SPREADSHEET: &str = "application/vnd.oasis.opendocument.spreadsheet";

const SEND: &str = "Send a table: CSV, .xlsx, .xls, .ods, JSON Lines or Parquet.";

/// What an archive is that is no workbook, by the names of its parts and by what OpenDocument says of itself.
pub(super) fn other_archive(names: &[String], mimetype: &str) -> Problems {
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    if any(&|name| name == "xl/workbook.bin") {
        return unsupported("a binary workbook (.xlsb)");
    }
    if any(&|name| name.starts_with("Index/") || name == "Index.zip") {
        return unsupported("a Numbers document");
    }
    if mimetype.contains("opendocument") || any(&|name| name.starts_with("word/")) {
        return other("a text document", SEND);
    }
    if any(&|name| name.starts_with("ppt/")) {
        return other("a presentation", SEND);
    }
    let files: Vec<&str> = names.iter().filter(|name| !name.ends_with('/')).take(5).map(String::as_str).collect();
    other(&format!("an archive with {}", files.join(", ")), "Unpack it, and send the table in it by itself.")
}

/// What a compound file is that is no workbook, by a stream in it.
pub(super) fn other_compound(has: impl Fn(&str) -> bool) -> Problems {
    if has("Book") {
        return unsupported("a workbook of Excel 95 or before");
    }
    let kinds = [
        ("WordDocument", "a text document (.doc)"),
        ("PowerPoint Document", "a presentation (.ppt)"),
        ("__properties_version1.0", "an e-mail (.msg)"),
    ];
    let what = kinds.iter().find(|(stream, _)| has(stream)).map_or("an old office document", |(_, what)| what);
    other(what, SEND)
}

/// A spreadsheet's format that is not read here.
pub(super) fn unsupported(what: &str) -> Problems {
    Problems::table("format_not_supported", format!("The file is {what}; it cannot be read here."), SAVE_AS)
}

/// No table at all.
pub(super) fn other(what: &str, hint: &str) -> Problems {
    Problems::table("not_a_table", format!("The file is no table: it is {what}."), hint)
}

/// How RDF is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rdf {
    Turtle,
    JsonLd,
    Xml,
}

/// Whether a text begins as RDF does, in which taxonomies are published.
pub(crate) fn rdf(beginning: &str) -> Option<Rdf> {
    let text = beginning.trim_start_matches('\u{feff}').trim_start();
    if ["<?xml", "<rdf:", "<!DOCTYPE rdf:"].iter().any(|begins| text.starts_with(begins)) {
        return (!text.contains(SPREADSHEET)).then_some(Rdf::Xml);
    }
    if text.starts_with(['{', '[']) {
        let linked = ["\"@context\"", "\"@id\"", "\"@graph\""].iter().any(|member| text.contains(member));
        return linked.then_some(Rdf::JsonLd);
    }
    let first = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let line = first.to_lowercase();
    let directive = ["@prefix", "@base", "prefix ", "base <"].iter().any(|word| line.starts_with(word));
    (directive || line.starts_with("<http") && line.contains('>')).then_some(Rdf::Turtle)
}

/// What is no table of pairs and can become one.
pub(crate) fn taxonomy() -> Problems {
    Problems::table(
        "is_taxonomy",
        "The file is a taxonomy: it names concepts, and holds no pairs.",
        "Have pairs made of it: POST /datasets/from-taxonomy, or `shamisen pairs` on the command line.",
    )
}
