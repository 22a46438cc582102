//! From a taxonomy to pairs: concepts with their labels, alternative labels and descriptions, and where they stand
//! among each other. The step before a table of pairs: who has a classification has hundreds of concepts, and no
//! scores.

mod candidates;
mod entities;
mod gather;
mod held_out;
mod kinship;
mod names;
mod pairs;
mod recipe;
mod skos;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::source::contents::{Rdf, rdf};
use super::source::{Input, Source};
use crate::choices::FileOptions;
use crate::problems::{Problem, Problems};

pub use pairs::{Counts, Made, MadePair, VectorsOf, make, write};
pub use recipe::{HeldOut, Kind, Recipe, Targets, TargetsError};

/// Concepts that a taxonomy may have.
pub const MOST_CONCEPTS: usize = 500_000;

/// Something that has a name and a place in a classification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concept {
    /// What the file calls it: a code, an IRI; its label where the file has neither.
    pub id: String,
    /// The ids of what stands directly above it: concepts, or groups that have no name of their own.
    pub parents: Vec<String>,
    /// Its name.
    pub label: String,
    /// Other names of it, none twice, the label not among them.
    pub alternatives: Vec<String>,
    /// What it is, in sentences.
    pub description: Option<String>,
}

/// How a taxonomy's file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A row a concept: ESCO's and O*NET's tables, a spreadsheet of one's own.
    Table,
    /// SKOS in Turtle or N-Triples.
    Turtle,
    /// SKOS in JSON-LD.
    JsonLd,
    /// SKOS in RDF/XML.
    RdfXml,
}

/// Concepts and the groups that they stand in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taxonomy {
    /// In the order of the file.
    pub concepts: Vec<Concept>,
    /// Groups that are no concepts themselves, and what stands above each: an ISCO code's prefixes.
    pub groups: BTreeMap<String, Vec<String>>,
    /// What was left out or mended, the first hundred.
    pub problems: Vec<Problem>,
    /// How much that was.
    pub problems_total: usize,
}

/// A file of a taxonomy.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, if it has one: the ending tells how it is written.
    pub name: Option<String>,
    /// Its bytes.
    pub input: Input,
}

impl Taxonomy {
    /// Reads a taxonomy of one file or of several, whose rows about the same concept come together (O*NET has its
    /// titles in one table and the alternative titles in another). `language` picks one of a SKOS file's languages;
    /// without it, the one that names most concepts.
    ///
    /// # Errors
    /// Where a file cannot be read, names no concept, or passes a limit. What is wrong with single concepts is told
    /// in `problems`: they are left out, or a circle among them is cut.
    pub fn read(files: &[File], read_as: &FileOptions, language: Option<&str>) -> Result<Self, Problems> {
        let mut gathering = gather::Gathering::default();
        for file in files {
            let head = skos::head(&file.input)?;
            match Form::of(file.name.as_deref(), &head)? {
                Form::Table => {
                    let source = Source::open(&file.input, read_as)?;
                    let header = source.header.clone();
                    table::read(header.as_deref(), source, &mut gathering)?;
                }
                form => skos::read(&file.input, form, language, &mut gathering)?,
            }
        }
        gathering.finish()
    }
}

impl Form {
    /// How a file is written: by the end of its name, or by how it begins.
    fn of(name: Option<&str>, head: &[u8]) -> Result<Self, Problems> {
        let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_lowercase());
        match ending.as_deref() {
            Some("ttl" | "nt" | "turtle") => return Ok(Self::Turtle),
            Some("jsonld") => return Ok(Self::JsonLd),
            Some("csv" | "tsv" | "xlsx" | "xls" | "ods" | "fods" | "parquet" | "jsonl" | "ndjson") => {
                return Ok(Self::Table);
            }
            _ => {}
        }
        Ok(match rdf(&String::from_utf8_lossy(head)) {
            Some(Rdf::Xml) => Self::RdfXml,
            Some(Rdf::Turtle) => Self::Turtle,
            Some(Rdf::JsonLd) => Self::JsonLd,
            None => Self::Table,
        })
    }
}

/// Whether a header's columns are those of a taxonomy: a name with other names, or with what stands above it.
pub(crate) fn has_columns(header: &[String]) -> bool {
    let roles: Vec<_> = header.iter().filter_map(|name| Some((names::role(name)?.1, names::plain(name)))).collect();
    let has = |wanted: names::Role| roles.iter().any(|(role, _)| *role == wanted);
    let above = ["broader", "parent", "親", "上位"];
    let above = roles
        .iter()
        .any(|(role, name)| *role == names::Role::Parent && above.iter().any(|word| name.starts_with(word)));
    has(names::Role::Label) && (has(names::Role::Alternatives) || (above && has(names::Role::Id)))
}

/// What makes two texts the same one: compatible forms (NFKC), case and runs of blanks do not count.
pub(super) fn key(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}
