//! Lets every binary of this package find libtorch at run time, wherever cargo put the binary, and makes Rust of the
//! table of codes.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What the API's answers are coded with.
const CODES: &str = "src/http/error/errors.toml";

fn main() {
    println!("cargo:rerun-if-changed={CODES}");
    let table = std::fs::read_to_string(CODES).expect("the table of codes is there");
    let made = format!("{}/codes.rs", std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::write(made, codes(&table)).expect("OUT_DIR can be written");

    // A new migration must be seen by sqlx::migrate!().
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=static");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_default();
    println!("cargo:rustc-env=SHAMISEN_LIBTORCH={}", version(&libtorch).unwrap_or("unknown".to_owned()));
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    // Beside an installed binary first (bin/shamisen, lib/torch/lib), then the checkout's own deps/.
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/torch/lib");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{root}/deps/libtorch/lib");
}

/// libtorch's version, as its header has it: a model's card names it.
fn version(libtorch: &str) -> Option<String> {
    let header = std::fs::read_to_string(format!("{libtorch}/include/torch/headeronly/version.h")).ok()?;
    let part = |name: &str| {
        let line = header.lines().find_map(|line| line.strip_prefix("#define TORCH_VERSION_")?.strip_prefix(name));
        line.map(str::trim)
    };
    Some(format!("{}.{}.{}", part("MAJOR ")?, part("MINOR ")?, part("PATCH ")?))
}

/// A table of the file: its name and its lines.
type Section<'a> = (&'a str, BTreeMap<&'a str, &'a str>);

/// The file's sections. Each value stands on a line of its own.
fn sections(toml: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (index, line) in toml.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let place = format!("{CODES}:{}", index + 1);
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push((name, BTreeMap::new()));
            continue;
        }
        let (key, value) = line.split_once(" = ").unwrap_or_else(|| panic!("{place}: expected key = value"));
        let (_, fields) = sections.last_mut().unwrap_or_else(|| panic!("{place}: expected a section first"));
        assert!(fields.insert(key, value).is_none(), "{place}: {key} is there twice");
    }
    sections
}

/// `Code`, a variant for each code that a reply has, and `ENTRIES`, all codes. The file's strings go over as they
/// stand, since Rust reads them alike; whatever else is wrong in them does not compile.
fn codes(toml: &str) -> String {
    let mut sections = sections(toml);
    let (_, titles) = sections.remove(0);
    let (mut variants, mut names, mut heads, mut entries) = <(String, String, String, String)>::default();
    for (index, (section, mut fields)) in sections.into_iter().enumerate() {
        let mut take = |key: &str| fields.remove(key);
        let (kind, code) = section.split_once('.').unwrap_or_else(|| panic!("[{section}]: expected [place.code]"));
        let mut places = match (kind, take("status")) {
            ("reply", Some(status)) => {
                let title = take("title").or_else(|| titles.get(status).copied());
                let title = title.unwrap_or_else(|| panic!("[{section}]: no title, and [title] has none for {status}"));
                let variant = camel(code);
                let _ = writeln!(variants, "{variant} = {index},");
                let _ = writeln!(names, "Self::{variant},");
                let _ = writeln!(heads, "Self::{variant} => ({status}, {title}),");
                format!("Place::Reply({status}), ")
            }
            ("row" | "job" | "note" | "finding", None) => format!("Place::{}, ", camel(kind)),
            _ => panic!("[{section}]: a reply has a status, and nothing else has"),
        };
        if let Some(also) = take("also") {
            let _ = write!(places, "Place::{}", camel(also.trim_matches('"')));
        }
        let [meaning, remedy] = ["meaning", "remedy"].map(|what| {
            let words = ["en", "ja"].map(|language| take(&format!("{what}_{language}")));
            words
                .map(|words| words.unwrap_or_else(|| panic!("[{section}]: {what} is to be told in two languages")))
                .join(", ")
        });
        assert!(fields.is_empty(), "[{section}]: what is {fields:?}?");
        let _ = writeln!(
            entries,
            "Entry {{ code: \"{code}\", places: &[{places}], meaning: [{meaning}], remedy: [{remedy}] }},"
        );
    }
    format!(
        "/// A code of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {{\n{variants}}}
impl Code {{
    const ALL: &[Self] = &[\n{names}];
    const fn status_and_title(self) -> (u16, &'static str) {{ match self {{\n{heads}}} }}
}}
/// All codes, in the table's order.
pub(crate) const ENTRIES: &[Entry] = &[\n{entries}];
"
    )
}

/// `not_json` as Rust writes it: `NotJson`.
fn camel(name: &str) -> String {
    let big = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('_').map(big).collect()
}
