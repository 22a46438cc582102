//! Pieces of concepts become a taxonomy: what belongs to the same concept comes together, codes become groups,
//! circles are cut, and what cannot be used is told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::names::code_above;
use super::{Concept, MOST_CONCEPTS, Taxonomy, key};
use crate::pair::LONGEST_TEXT;
use crate::problems::{Problem, Problems};

/// What one row or one subject says of a concept.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    pub(super) id: String,
    pub(super) parents: Vec<String>,
    pub(super) label: Option<String>,
    pub(super) alternatives: Vec<String>,
    pub(super) description: Option<String>,
    /// As a spreadsheet counts it; 0 in a file that has no rows.
    pub(super) row: usize,
    /// As an editor counts it; 0 where it is not known.
    pub(super) line: usize,
}

/// What is known of a concept so far, and where it was first seen.
#[derive(Default)]
struct Known {
    concept: Concept,
    row: usize,
    line: usize,
}

/// Bytes of names and texts that a taxonomy may have: it is held in memory, and the whole of ESCO in one language has 20
/// million.
const MOST_TEXT: usize = 256 << 20;

/// Bytes of what a concept or a group is called in the file; more is no name, and what stands above a code of `n`
/// characters are up to `n` others.
const LONGEST_ID: usize = 1000;

/// Parents that a concept may have. Of most there is one.
const MOST_PARENTS: usize = 200;

/// Concepts that are being read.
#[derive(Default)]
pub(super) struct Gathering {
    known: Vec<Known>,
    places: HashMap<String, usize>,
    groups: BTreeMap<String, Vec<String>>,
    /// What columns the label was looked for among, for the error.
    pub(super) looked_at: Vec<String>,
    pub(super) problems: Problems,
    /// Bytes of all that is kept.
    bytes: usize,
}

impl Gathering {
    /// A group that is no concept, under another one.
    pub(super) fn group(&mut self, id: &str, parent: Option<&str>) -> Result<(), Problems> {
        if !self.groups.contains_key(id) {
            self.keep(id.len() + parent.map_or(0, str::len))?;
        }
        let parents = self.groups.entry(id.to_owned()).or_default();
        if let Some(parent) = parent
            && !parents.iter().any(|known| known == parent)
        {
            parents.push(parent.to_owned());
        }
        Ok(())
    }

    /// Counts what is kept: a few bytes of a file may stand for many of them.
    pub(super) fn keep(&mut self, bytes: usize) -> Result<(), Problems> {
        self.bytes += bytes + size_of::<String>();
        if self.bytes > MOST_TEXT { Err(too_much_text()) } else { Ok(()) }
    }

    pub(super) fn add(&mut self, mut piece: Piece) -> Result<(), Problems> {
        let at = (piece.row, piece.line);
        if piece.id.len() > LONGEST_ID {
            self.too_long(at, &piece.id);
            return Ok(());
        }
        piece.parents.retain(|parent| parent.len() <= LONGEST_ID || self.too_long(at, parent));
        let texts = piece.alternatives.iter().chain(&piece.parents).chain(&piece.label).chain(&piece.description);
        let bytes = texts.map(|text| text.len() + size_of::<String>()).sum::<usize>();
        self.keep(bytes + 2 * piece.id.len())?;
        let place = match self.places.get(&piece.id) {
            Some(&place) => place,
            None if self.known.len() == MOST_CONCEPTS => return Err(too_many()),
            None => {
                self.places.insert(piece.id.clone(), self.known.len());
                let concept = Concept { id: piece.id.clone(), ..Concept::default() };
                self.known.push(Known { concept, row: piece.row, line: piece.line });
                self.known.len() - 1
            }
        };
        let label = piece.label.and_then(|text| self.usable(at, &text));
        let description = piece.description.and_then(|text| self.usable(at, &text));
        let alternatives: Vec<String> = piece.alternatives.iter().filter_map(|text| self.usable(at, text)).collect();
        let concept = &mut self.known[place].concept;
        if let Some(label) = label {
            if concept.label.is_empty() {
                concept.label = label;
            } else if key(&concept.label) != key(&label) {
                let message = format!(
                    "The concept {:?} is called {:?} already; this name of it is not used.",
                    piece.id, concept.label
                );
                self.problems.push(problem(at, label, "concept_repeated", message));
            }
        }
        let concept = &mut self.known[place].concept;
        for parent in piece.parents {
            if parent == piece.id || concept.parents.contains(&parent) {
                continue;
            }
            if concept.parents.len() == MOST_PARENTS {
                let message = format!(
                    "The concept {:?} stands in more than {MOST_PARENTS} groups; those that follow are not used.",
                    piece.id
                );
                self.problems.push(problem(at, parent, "too_many_parents", message));
                break;
            }
            concept.parents.push(parent);
        }
        concept.alternatives.extend(alternatives);
        concept.description = concept.description.take().or(description);
        Ok(())
    }

    /// A text without the blanks around it; `None`, and a problem, for one that cannot be a sentence.
    fn usable(&mut self, at: (usize, usize), text: &str) -> Option<String> {
        let trimmed = text.trim();
        let (code, message) = if trimmed.len() > LONGEST_TEXT {
            let size = trimmed.len();
            ("text_too_long", format!("The text has {size} bytes; {LONGEST_TEXT} are allowed. It is not used."))
        } else if trimmed.contains('\0') {
            ("text_has_nul", "The text contains a NUL character; it is not used.".to_owned())
        } else {
            return (!trimmed.is_empty()).then(|| trimmed.to_owned());
        };
        self.problems.push(problem(at, trimmed.chars().take(80).collect(), code, message));
        None
    }

    /// Tells of a name that is none; always false.
    fn too_long(&mut self, at: (usize, usize), id: &str) -> bool {
        let message = format!("The id has {} bytes; {LONGEST_ID} are allowed. It is not used.", id.len());
        self.problems.push(problem(at, id.chars().take(80).collect(), "text_too_long", message));
        false
    }

    pub(super) fn finish(mut self) -> Result<Taxonomy, Problems> {
        if self.known.iter().all(|known| known.concept.label.is_empty()) {
            return Err(no_labels(self.known.len(), &self.looked_at, self.problems));
        }
        let mut concepts = Vec::with_capacity(self.known.len());
        for Known { mut concept, row, line } in std::mem::take(&mut self.known) {
            if concept.label.is_empty() {
                // It still ties others together.
                let message = format!("The concept {:?} has no label; no pairs are made of it.", concept.id);
                self.problems.push(problem((row, line), String::new(), "concept_without_label", message));
                self.groups.entry(concept.id).or_default().append(&mut concept.parents);
                continue;
            }
            let mut seen = HashSet::from([key(&concept.label)]);
            concept.alternatives.retain(|text| seen.insert(key(text)));
            concepts.push(concept);
        }
        let groups = std::mem::take(&mut self.groups);
        let mut taxonomy = Taxonomy { concepts, groups, ..Taxonomy::default() };
        let codes = codes(&taxonomy, &mut |bytes| self.keep(bytes))?;
        taxonomy.groups.extend(codes);
        cut_circles(&mut taxonomy, &mut self.problems);
        taxonomy.problems_total = self.problems.total;
        taxonomy.problems = self.problems.shown;
        Ok(taxonomy)
    }
}

fn problem((row, line): (usize, usize), value: String, code: &'static str, message: String) -> Problem {
    Problem { row, line, value, ..Problem::new(code, message) }
}

pub(super) fn too_many() -> Problems {
    Problems::table(
        "too_many_concepts",
        format!("The taxonomy has more than {MOST_CONCEPTS} concepts."),
        "Send a part of it: one branch, or one kind of concept.",
    )
}

fn too_much_text() -> Problems {
    Problems::table(
        "too_many_concepts",
        format!("The names and texts of the taxonomy have more than {} MiB.", MOST_TEXT >> 20),
        "Send a part of it: one branch, or one language.",
    )
}

fn no_labels(concepts: usize, looked_at: &[String], problems: Problems) -> Problems {
    let what = if concepts == 0 {
        "No concept was found in the file.".to_owned()
    } else {
        format!("None of the {concepts} concepts has a label, so there is no text to make pairs of.")
    };
    let seen = match looked_at {
        [] => String::new(),
        columns => format!(" The columns are {}.", columns.join(", ")),
    };
    let hint = format!(
        "A table needs a column called label (or preferredLabel, title, name, 名称); a SKOS file needs skos:prefLabel \
         on each skos:Concept, in the language that is asked for.{seen}"
    );
    Problems { code: "labels_missing", what, hint, ..problems }
}

/// Parents that are codes and no concepts become groups, and what stands above a code is told by its digits: ISCO's
/// 2512 stands in 251, that in 25, that in 2; O*NET's 15-1252.00 in 15-1252, 15-1250, 15-0000. Plain numbers are
/// read so where all of them have as many digits: a database's own numbers hardly ever do.
fn codes(
    taxonomy: &Taxonomy,
    keep: &mut dyn FnMut(usize) -> Result<(), Problems>,
) -> Result<BTreeMap<String, Vec<String>>, Problems> {
    let concepts: HashSet<&str> = taxonomy.concepts.iter().map(|concept| concept.id.as_str()).collect();
    let known = |id: &str| concepts.contains(id) || taxonomy.groups.contains_key(id);
    let above = taxonomy.concepts.iter().flat_map(|concept| &concept.parents);
    let above = above.chain(taxonomy.groups.values().flatten());
    let missing: HashSet<String> = above.filter(|id| !known(id)).cloned().collect();
    let numbers: HashSet<usize> =
        missing.iter().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit())).map(String::len).collect();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in missing {
        let plain = id.bytes().all(|byte| byte.is_ascii_digit());
        let mut below = id;
        loop {
            let above = if plain && numbers.len() > 1 { None } else { code_above(&below) };
            keep(below.len() + above.as_ref().map_or(0, String::len))?;
            let met = groups.insert(below, above.iter().cloned().collect()).is_some();
            match above {
                // What has a row of its own says itself what is above it.
                Some(above) if !met && !known(&above) => below = above,
                _ => break,
            }
        }
    }
    Ok(groups)
}

/// A thing above itself cannot be placed: the step that closes a circle is left out.
fn cut_circles(taxonomy: &mut Taxonomy, problems: &mut Problems) {
    let above: HashMap<&str, &[String]> = (taxonomy.concepts.iter())
        .map(|concept| (concept.id.as_str(), &concept.parents[..]))
        .chain(taxonomy.groups.iter().map(|(id, parents)| (id.as_str(), &parents[..])))
        .collect();
    let mut done: HashSet<&str> = HashSet::new();
    let mut cuts: BTreeSet<(String, String)> = BTreeSet::new();
    let starts = taxonomy.concepts.iter().map(|concept| concept.id.as_str());
    for start in starts.chain(taxonomy.groups.keys().map(String::as_str)) {
        if done.contains(start) {
            continue;
        }
        // The way up from the start, and which parent of each comes next.
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        let mut on_way: HashSet<&str> = HashSet::from([start]);
        while let Some((id, next)) = way.last_mut() {
            let Some(parent) = above.get(id).and_then(|parents| parents.get(*next)) else {
                on_way.remove(id);
                done.insert(id);
                way.pop();
                continue;
            };
            *next += 1;
            if on_way.contains(parent.as_str()) {
                cuts.insert(((*id).to_owned(), parent.clone()));
            } else if !done.contains(parent.as_str()) {
                on_way.insert(parent);
                way.push((parent, 0));
            }
        }
    }
    for (below, above) in &cuts {
        let message = format!(
            "{below:?} stands below {above:?}, and {above:?} below {below:?}, directly or through others; the first \
             of the two is not used."
        );
        problems.push(problem((0, 0), below.clone(), "parents_in_a_circle", message));
    }
    let cut = |id: &String, parents: &mut Vec<String>| {
        parents.retain(|parent| !cuts.contains(&(id.clone(), parent.clone())));
    };
    taxonomy.concepts.iter_mut().for_each(|concept| cut(&concept.id, &mut concept.parents));
    taxonomy.groups.iter_mut().for_each(|(id, parents)| cut(id, parents));
}
