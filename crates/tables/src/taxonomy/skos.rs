//! SKOS, the form in which libraries, ministries and standards bodies publish their vocabularies: concepts with
//! preferred and other labels in many languages, notes, and what is broader than what.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};

use oxjsonld::{JsonLdErrorCode, JsonLdParseError, JsonLdParser};
use oxrdf::vocab::rdf;
use oxrdf::{Literal, NamedNode, NamedOrBlankNode, Term};
use oxrdfxml::{RdfXmlParseError, RdfXmlParser};
use oxttl::{TurtleParseError, TurtleParser};

use super::entities::Entities;
use super::gather::{Gathering, Piece};
use super::{Form, MOST_CONCEPTS};
use crate::problems::{Problem, Problems};
use crate::source::{Input, unpacked};

const SKOS: &str = "http://www.w3.org/2004/02/skos/core#";
const DESCRIPTIONS: [&str; 2] = ["http://purl.org/dc/terms/description", "http://purl.org/dc/elements/1.1/description"];
/// Bytes by which a file's form is told.
const HEAD: u64 = 64 << 10;

/// One statement; blank nodes and what is no text or IRI are left out before.
struct Statement {
    subject: String,
    predicate: NamedNode,
    object: Term,
}

/// Text as a concept has it, in one language, and how well it serves: the less, the better.
type Note = (u8, String);

#[derive(Default)]
struct Subject {
    typed: Option<bool>,
    labels: Vec<Note>,
    alternatives: Vec<String>,
    notes: Vec<Note>,
    parents: Vec<String>,
}

pub(super) fn head(input: &Input) -> Result<Vec<u8>, Problems> {
    let mut head = Vec::new();
    unpacked(input)?.0.take(HEAD).read_to_end(&mut head).map_err(|error| unreadable(&error))?;
    Ok(head)
}

/// What the system says, or what was wrong with how the file is packed.
fn unreadable(error: &std::io::Error) -> Problems {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Problems>()) {
        Some(problems) => problems.clone(),
        None => Problems::table(
            "unreadable",
            format!("The file cannot be read: {error}."),
            "Check the file, then send it again.",
        ),
    }
}

/// Subjects in the order in which they were met.
#[derive(Default)]
struct Subjects {
    all: Vec<(String, Subject)>,
    places: HashMap<String, usize>,
}

impl Subjects {
    fn of(&mut self, id: String, into: &mut Gathering) -> Result<&mut Subject, Problems> {
        let place = match self.places.get(&id) {
            Some(&place) => place,
            // Schemes, collections and labels that are nodes of their own are subjects too.
            None if self.all.len() == 8 * MOST_CONCEPTS => return Err(super::gather::too_many()),
            None => {
                into.keep(2 * id.len() + size_of::<Subject>())?;
                self.places.insert(id.clone(), self.all.len());
                self.all.push((id, Subject::default()));
                self.all.len() - 1
            }
        };
        Ok(&mut self.all[place].1)
    }

    /// Takes what a statement says, text in the language alone.
    fn take(&mut self, statement: Statement, language: &str, into: &mut Gathering) -> Result<(), Problems> {
        let Statement { subject, predicate, object } = statement;
        let predicate = predicate.as_str();
        let bytes = length(&object);
        match (predicate.strip_prefix(SKOS), object) {
            (None, Term::NamedNode(class)) if predicate == rdf::TYPE.as_str() => {
                let typed = &mut self.of(subject, into)?.typed;
                match class.as_str().strip_prefix(SKOS) {
                    Some("Concept") => *typed = Some(true),
                    Some("ConceptScheme" | "Collection" | "OrderedCollection") => *typed = typed.or(Some(false)),
                    _ => {}
                }
            }
            (Some("broader"), Term::NamedNode(parent)) => {
                into.keep(bytes)?;
                self.of(subject, into)?.parents.push(parent.into_string());
            }
            (Some("narrower"), Term::NamedNode(child)) => {
                into.keep(subject.len())?;
                self.of(child.into_string(), into)?.parents.push(subject);
            }
            (name, Term::Literal(text)) => {
                let Some(fit) = fit(text.language(), language) else { return Ok(()) };
                into.keep(bytes)?;
                match name {
                    Some("prefLabel") => self.of(subject, into)?.labels.push((fit, value(text))),
                    Some("altLabel" | "hiddenLabel") => self.of(subject, into)?.alternatives.push(value(text)),
                    Some("definition") => self.of(subject, into)?.notes.push((fit, value(text))),
                    Some("scopeNote") => self.of(subject, into)?.notes.push((4 + fit, value(text))),
                    _ if DESCRIPTIONS.contains(&predicate) => {
                        self.of(subject, into)?.notes.push((2 + fit, value(text)))
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads concepts into a gathering. The file is read twice where no language is named: first to see which language
/// names most concepts.
pub(super) fn read(input: &Input, form: Form, language: Option<&str>, into: &mut Gathering) -> Result<(), Problems> {
    let language = match language {
        Some(language) => language.to_lowercase(),
        None => most_frequent_language(input, form)?,
    };
    let mut subjects = Subjects::default();
    for statement in statements(input, form)? {
        subjects.take(statement?, &language, into)?;
    }
    for (id, subject) in subjects.all {
        // What is not said to be a concept is one where it has a preferred label.
        if !subject.typed.unwrap_or(!subject.labels.is_empty()) {
            continue;
        }
        let best = |notes: Vec<Note>| notes.into_iter().min_by_key(|(fit, _)| *fit).map(|(_, text)| text);
        into.add(Piece {
            id,
            parents: subject.parents,
            label: best(subject.labels),
            alternatives: subject.alternatives,
            description: best(subject.notes),
            row: 0,
            line: 0,
        })?;
    }
    Ok(())
}

fn value(text: Literal) -> String {
    text.destruct().0
}

/// How well a text's language serves who wants `wanted`: the language itself, a dialect of it, no language said;
/// `None` for another language.
fn fit(language: Option<&str>, wanted: &str) -> Option<u8> {
    let Some(language) = language else { return Some(1) };
    let language = language.to_lowercase();
    (language.split('-').next() == wanted.split('-').next()).then_some(0)
}

/// The language that names most concepts; of equal ones English, then the first of the alphabet. Empty where none
/// is said.
fn most_frequent_language(input: &Input, form: Form) -> Result<String, Problems> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for statement in statements(input, form)? {
        let statement = statement?;
        if let Term::Literal(text) = &statement.object
            && statement.predicate.as_str().strip_prefix(SKOS) == Some("prefLabel")
            && let Some(language) = text.language()
        {
            *counts.entry(language.to_lowercase()).or_default() += 1;
        }
    }
    let most = counts.iter().max_by_key(|(language, count)| (**count, *language == "en", std::cmp::Reverse(*language)));
    Ok(most.map(|(language, _)| language.clone()).unwrap_or_default())
}

fn statements(input: &Input, form: Form) -> Result<Box<dyn Iterator<Item = Result<Statement, Problems>>>, Problems> {
    let (reader, mut tally) = unpacked(input)?;
    let mut reader = BufReader::new(reader);
    let mark: &[u8] = b"\xef\xbb\xbf";
    if reader.fill_buf().map_err(|error| unreadable(&error))?.starts_with(mark) {
        reader.consume(mark.len());
    }
    // A prefix that is written once may stand before every name.
    let mut kept = move |subject: NamedOrBlankNode, predicate: NamedNode, object: Term| {
        let subject_bytes = match &subject {
            NamedOrBlankNode::NamedNode(name) => name.as_str().len(),
            NamedOrBlankNode::BlankNode(node) => node.as_str().len(),
        };
        let bytes = subject_bytes + predicate.as_str().len() + length(&object);
        if let Err(problems) = tally.count(bytes as u64) {
            return Some(Err(problems));
        }
        match subject {
            NamedOrBlankNode::NamedNode(subject) => {
                Some(Ok(Statement { subject: subject.into_string(), predicate, object }))
            }
            NamedOrBlankNode::BlankNode(_) => None,
        }
    };
    // After the first error nothing that follows can be trusted.
    Ok(match form {
        Form::JsonLd => Box::new(JsonLdParser::new().lenient().for_reader(reader).filter_map(move |quad| match quad {
            Ok(quad) => kept(quad.subject, quad.predicate, quad.object),
            Err(error) => Some(Err(json_error(&error))),
        })),
        Form::RdfXml => {
            let parser = RdfXmlParser::new().lenient().for_reader(Entities::new(reader));
            Box::new(parser.filter_map(move |triple| match triple {
                Ok(triple) => kept(triple.subject, triple.predicate, triple.object),
                Err(error) => Some(Err(xml_error(&error))),
            }))
        }
        _ => Box::new(TurtleParser::new().lenient().for_reader(reader).filter_map(move |triple| match triple {
            Ok(triple) => kept(triple.subject, triple.predicate, triple.object),
            Err(error) => Some(Err(turtle_error(&error))),
        })),
    })
}

fn length(term: &Term) -> usize {
    match term {
        Term::NamedNode(name) => name.as_str().len(),
        Term::BlankNode(node) => node.as_str().len(),
        Term::Literal(text) => text.value().len(),
    }
}

fn turtle_error(error: &TurtleParseError) -> Problems {
    match error {
        TurtleParseError::Io(error) => unreadable(error),
        TurtleParseError::Syntax(error) => {
            malformed("Turtle", Some(error.location().start.line + 1), error.message(), "Correct the line below.")
        }
    }
}

fn xml_error(error: &RdfXmlParseError) -> Problems {
    match error {
        RdfXmlParseError::Io(error) => unreadable(error),
        RdfXmlParseError::Syntax(error) => {
            malformed("RDF/XML", None, &error.to_string(), "Correct the file, or convert it to Turtle.")
        }
    }
}

fn json_error(error: &JsonLdParseError) -> Problems {
    match error {
        JsonLdParseError::Io(error) => unreadable(error),
        JsonLdParseError::Syntax(error) => {
            let remote = matches!(
                error.code(),
                Some(JsonLdErrorCode::LoadingDocumentFailed | JsonLdErrorCode::LoadingRemoteContextFailed)
            );
            let hint = if remote {
                "Nothing is fetched from elsewhere: write the context itself into the file's \"@context\", or convert \
                 the file to Turtle."
            } else {
                "Correct the file, or convert it to Turtle."
            };
            malformed("JSON-LD", error.location().map(|place| place.start.line + 1), &error.to_string(), hint)
        }
    }
}

fn malformed(form: &str, line: Option<u64>, message: &str, hint: &str) -> Problems {
    let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
    let message = message.trim_end_matches('.');
    let mut problems =
        Problems::table("taxonomy_malformed", format!("The file cannot be read as {form}{place}: {message}."), hint);
    if let Some(line) = line {
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        let message = format!("This is not {form}: {message}.");
        problems.push(Problem { row: line, line, ..Problem::new("taxonomy_malformed", message) });
    }
    problems
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Taxonomy;
    use super::*;

    pub(crate) const TURTLE: &str = r#"
        @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
        @prefix : <http://example.org/> .
        :scheme a skos:ConceptScheme ; skos:prefLabel "Occupations"@en ; skos:hasTopConcept :ict .
        :ict a skos:Concept ; skos:prefLabel "ICT professionals"@en, "情報通信専門職"@ja ; skos:topConceptOf :scheme .
        :dev a skos:Concept ; skos:broader :ict ;
            skos:prefLabel "software developer"@en, "ソフトウェア開発者"@ja ;
            skos:altLabel "programmer"@en, "プログラマー"@ja, "coder"@en-GB ;
            skos:scopeNote "Includes testers."@en ;
            skos:definition "Software developers write programs."@en, "プログラムを書く。"@ja ;
            skos:related [ skos:prefLabel "nothing"@en ] .
        :test a skos:Concept ; skos:prefLabel "software tester"@en .
        :ict skos:narrower :test .
    "#;

    pub(crate) const JSON_LD: &str = r#"{
        "@context": {"skos": "http://www.w3.org/2004/02/skos/core#", "label": {"@id": "skos:prefLabel", "@container": "@language"},
            "alt": {"@id": "skos:altLabel", "@container": "@language"}, "broader": {"@id": "skos:broader", "@type": "@id"},
            "narrower": {"@id": "skos:narrower", "@type": "@id"}, "definition": {"@id": "skos:definition", "@container": "@language"}},
        "@graph": [
            {"@id": "http://example.org/ict", "@type": "skos:Concept", "label": {"en": "ICT professionals", "ja": "情報通信専門職"}, "narrower": "http://example.org/test"},
            {"@id": "http://example.org/dev", "@type": "skos:Concept", "broader": "http://example.org/ict",
             "label": {"en": "software developer", "ja": "ソフトウェア開発者"}, "alt": {"en": ["programmer"], "en-GB": "coder", "ja": "プログラマー"},
             "definition": {"en": "Software developers write programs.", "ja": "プログラムを書く。"}},
            {"@id": "http://example.org/test", "@type": "skos:Concept", "label": {"en": "software tester"}}
        ]}"#;

    pub(crate) fn taxonomy(text: &str, form: Form, language: Option<&str>) -> Result<Taxonomy, Problems> {
        let mut gathering = Gathering::default();
        read(&Input::bytes(text.as_bytes().into()), form, language, &mut gathering)?;
        gathering.finish()
    }

    #[test]
    fn turtle_and_json_ld_say_the_same() {
        let turtle = taxonomy(TURTLE, Form::Turtle, None).unwrap();
        let json = taxonomy(JSON_LD, Form::JsonLd, None).unwrap();
        let find = |taxonomy: &Taxonomy, id: &str| {
            let id = format!("http://example.org/{id}");
            taxonomy.concepts.iter().find(|concept| concept.id == id).unwrap().clone()
        };
        for id in ["ict", "dev", "test"] {
            assert_eq!(find(&turtle, id), find(&json, id), "{id}");
        }
        let developer = find(&turtle, "dev");
        assert_eq!(developer.label, "software developer");
        assert_eq!(developer.alternatives, ["programmer", "coder"], "British English is English");
        assert_eq!(developer.description.as_deref(), Some("Software developers write programs."));
        assert_eq!(find(&turtle, "test").parents, ["http://example.org/ict"], "narrower is broader turned round");
        assert_eq!(turtle.concepts.len(), 3, "a scheme is no concept, a blank node is none");
    }

    #[test]
    fn the_language_that_is_asked_for_is_read() {
        let read = taxonomy(TURTLE, Form::Turtle, Some("ja")).unwrap();
        let labels: Vec<&str> = read.concepts.iter().map(|concept| concept.label.as_str()).collect();
        assert_eq!(labels, ["情報通信専門職", "ソフトウェア開発者"]);
        assert_eq!(read.problems[0].code, "concept_without_label");
        let error = taxonomy(TURTLE, Form::Turtle, Some("de")).unwrap_err();
        assert_eq!(error.code, "labels_missing");
    }

    #[test]
    fn an_error_names_its_line() {
        let error = taxonomy("@prefix a: <http://a/> .\n\na:b a:c \"open .\n", Form::Turtle, None).unwrap_err();
        assert_eq!((error.code, error.shown[0].line), ("taxonomy_malformed", 3), "{error}");
        let error = taxonomy("{\"@context\": {},\n \"@graph\": [1,,]}", Form::JsonLd, None).unwrap_err();
        assert_eq!((error.code, error.shown[0].line), ("taxonomy_malformed", 2), "{error}");
    }

    #[test]
    fn a_context_from_elsewhere_is_not_fetched() {
        let text = r#"{"@context": "https://example.org/context.jsonld", "@id": "http://a/b"}"#;
        let error = taxonomy(text, Form::JsonLd, None).unwrap_err();
        assert!(error.hint.contains("Nothing is fetched"), "{error:?}");
    }

    #[test]
    fn the_form_is_told_by_name_or_beginning() {
        assert_eq!(Form::of(None, b"# words\n@prefix skos: <x> .").unwrap(), Form::Turtle);
        assert_eq!(Form::of(None, b"\xef\xbb\xbf{\"@context\": {}}").unwrap(), Form::JsonLd);
        assert_eq!(Form::of(None, b"[{\"label\": \"a\"}]").unwrap(), Form::Table);
        assert_eq!(Form::of(Some("a.csv"), b"id,label").unwrap(), Form::Table);
        assert_eq!(Form::of(Some("a.rdf"), b"<?xml version").unwrap(), Form::RdfXml);
        assert_eq!(Form::of(None, b"\xef\xbb\xbf<rdf:RDF").unwrap(), Form::RdfXml);
    }

    #[test]
    fn a_taxonomy_in_xml_and_one_with_a_mark_are_read() {
        let xml = r#"<?xml version="1.0"?><!DOCTYPE rdf:RDF [<!ENTITY skos "http://www.w3.org/2004/02/skos/core#">]>
            <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="&skos;">
            <skos:Concept rdf:about="http://a/ict"><skos:prefLabel xml:lang="en">ICT</skos:prefLabel></skos:Concept>
            <skos:Concept rdf:about="http://a/dev"><skos:prefLabel xml:lang="en">developer</skos:prefLabel>
              <skos:altLabel xml:lang="en">coder &amp; tester</skos:altLabel><skos:broader rdf:resource="http://a/ict"/></skos:Concept>
            </rdf:RDF>"#;
        let read = taxonomy(xml, Form::RdfXml, None).unwrap();
        let developer = read.concepts.iter().find(|concept| concept.label == "developer").unwrap();
        assert_eq!(developer.alternatives, ["coder & tester"]);
        let told = taxonomy("<rdf:RDF", Form::RdfXml, None).unwrap_err();
        assert_eq!(told.code, "taxonomy_malformed", "{told:?}");
        assert_eq!(taxonomy(&format!("\u{feff}{TURTLE}"), Form::Turtle, None), taxonomy(TURTLE, Form::Turtle, None));
    }
}
