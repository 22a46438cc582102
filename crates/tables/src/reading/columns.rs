//! Which column becomes what: as somebody said, by the names, or by what stands in the cells.

use std::collections::BTreeSet;

use super::labelled::{self, AsPairs, Places, Reading};
use super::names;
use super::score::{self, Written};
use crate::choices::{Column, Mapping, TableOptions, Why};
use crate::pair::{Scores, TableKind};
use crate::problems::Problems;
use crate::source::Row;
use crate::taxonomy;

/// Where the columns stand that are read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    /// What the rows are; `pair_class` only where it was said.
    pub(crate) kind: TableKind,
    /// Two texts, or three of a triplet, from 0.
    pub(crate) texts: Vec<usize>,
    /// The score, from 0.
    pub(crate) score: Option<usize>,
    /// Cells of a row.
    pub(crate) width: usize,
    /// Rows may have more cells and fewer, as long as those that are read are there: between tabs no text is cut in two.
    pub(crate) ragged: bool,
    pub(crate) names: Option<Vec<String>>,
}

impl Layout {
    /// A column as a choice names it: by its name, unless another has the same or there are none.
    fn column(&self, place: usize) -> Column {
        let is = |name: &str, other: &String| names::normal(other) == names::normal(name);
        match self.name(place) {
            Some(name) if self.names.iter().flatten().filter(|other| is(name, other)).count() == 1 => {
                Column::Name(name.to_owned())
            }
            _ => Column::Number(place + 1),
        }
    }

    pub(crate) fn mapping(&self) -> Mapping {
        let text = |place: usize| self.texts.get(place).map(|&column| self.column(column));
        let score = self.score.map(|place| self.column(place));
        if self.kind == TableKind::Labelled {
            return Mapping { text: text(0), label: text(1), ..Mapping::default() };
        }
        Mapping { text_a: text(0), text_b: text(1), negative: text(2), score, ..Mapping::default() }
    }

    pub(crate) fn name(&self, place: usize) -> Option<&str> {
        self.names.as_ref()?.get(place).map(String::as_str).filter(|name| !name.is_empty())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// `None` where it is not clear which columns are the texts.
    pub(crate) layout: Option<Layout>,
    /// What each column that is read becomes, and why.
    pub(crate) roles: Vec<(usize, &'static str, Why)>,
    /// Columns (from 0) that may say how alike two texts are, of which none was taken: then the texts are known, and
    /// there is no layout before somebody says what these are.
    pub(crate) unread: Vec<usize>,
    /// The columns are those of a taxonomy, and nobody said that they are pairs.
    pub(crate) taxonomy: bool,
}

impl Found {
    fn as_pairs(&self) -> Option<AsPairs> {
        let Layout { texts, score, .. } = self.layout.as_ref()?;
        let by_content = |place: &&usize| self.roles.iter().any(|(at, _, why)| at == *place && *why == Why::Content);
        Some(AsPairs { by_content: texts.iter().filter(by_content).copied().collect(), score: *score })
    }
}

fn as_labelled(places: Places, header: Option<&[String]>, width: usize, ragged: bool) -> Found {
    let Places { text, label } = places;
    let layout = Layout {
        kind: TableKind::Labelled,
        texts: vec![text.0, label.0],
        score: None,
        width,
        ragged,
        names: header.map(<[String]>::to_vec),
    };
    let roles = vec![(text.0, "text", text.1), (label.0, "label", label.1)];
    Found { layout: Some(layout), roles, ..Found::default() }
}

/// Finds the columns. `sample` holds the first rows.
pub(crate) fn find(
    header: Option<&[String]>,
    sample: &[Row],
    choices: &TableOptions,
    scores: Scores,
) -> Result<Found, Problems> {
    let width = header.map_or_else(|| width(sample), <[String]>::len);
    let ragged = choices.read_as.delimiter == Some('\t');
    if labelled::check_said(choices)? {
        let Mapping { text, label, .. } = &choices.mapping;
        let at = |said: &Option<Column>| said.as_ref().map(|said| place(said, header, width)).transpose();
        let places = [at(text)?, at(label)?];
        return match label {
            Some(label) if places[0] == places[1] => Err(taken_twice(label)),
            _ => {
                let places = labelled::as_said(header, width, sample, places);
                Ok(places.map_or_else(Found::default, |places| as_labelled(places, header, width, ragged)))
            }
        };
    }
    let normal = header.unwrap_or_default().iter().map(|name| names::normal(name)).collect();
    let seen = (0..width).map(|column| Seen::of(column, sample, choices)).collect();
    let written = header.unwrap_or_default();
    let mut columns = Columns { names: normal, written, seen, roles: [None; 4], answers: false };
    let Mapping { text_a, text_b, negative, score, .. } = &choices.mapping;
    for (role, said) in [(TEXT_A, text_a), (TEXT_B, text_b), (NEGATIVE, negative), (SCORE, score)] {
        if let Some(said) = said {
            let place = place(said, header, width)?;
            if columns.is_taken(place) {
                return Err(taken_twice(said));
            }
            columns.roles[role] = Some((place, Why::Said));
        }
    }
    let kind = choices.kind;
    columns.by_name(kind);
    columns.by_content(kind);
    let mut layout = columns.layout(kind, scores, header).map(|layout| Layout { ragged, ..layout });
    let unread = match &layout {
        Some(layout) if kind.is_none() && !layout.kind.scored() => columns.may_be_scores(),
        _ => Vec::new(),
    };
    let by_name = |role: usize| columns.roles[role].is_some_and(|(_, why)| why != Why::Content);
    let taxonomy = kind.is_none() && !(by_name(TEXT_A) && by_name(TEXT_B)) && taxonomy::has_columns(written);
    if !unread.is_empty() || taxonomy {
        layout = None;
    }
    // Where the columns are not clear, nothing is chosen beforehand but what was said.
    let is_told = |place: usize, why: Why| match &layout {
        Some(layout) => layout.texts.contains(&place) || layout.score == Some(place),
        // Where only the score is not clear, the texts are told.
        None => why == Why::Said || (!unread.is_empty() && Some(place) != columns.roles[SCORE].map(|(score, _)| score)),
    };
    let roles =
        ROLES.into_iter().zip(columns.roles).filter_map(|(name, role)| role.map(|(place, why)| (place, name, why)));
    let roles = roles.filter(|(place, _, why)| is_told(*place, *why)).collect();
    let asked = taxonomy || !unread.is_empty();
    let found = Found { layout, roles, unread: if taxonomy { Vec::new() } else { unread }, taxonomy };
    let nothing_said = choices.kind.is_none() && choices.mapping == Mapping::default() && width > 1;
    if asked || !nothing_said {
        return Ok(found);
    }
    Ok(match labelled::reading(header, width, sample, found.as_pairs().as_ref()) {
        Reading::Labelled(places) => as_labelled(places, header, width, ragged),
        Reading::Doubt => Found::default(),
        Reading::Other => found,
    })
}

/// How many cells most rows have; of as many the wider ones.
pub(crate) fn width(sample: &[Row]) -> usize {
    let widths: Vec<usize> = sample.iter().map(|row| row.cells.len()).collect();
    let of = |width: usize| widths.iter().filter(|other| **other == width).count();
    widths.iter().copied().max_by_key(|&width| (of(width), width)).unwrap_or_default()
}

const TEXT_A: usize = 0;
const TEXT_B: usize = 1;
const NEGATIVE: usize = 2;
const SCORE: usize = 3;
const ROLES: [&str; 4] = ["text_a", "text_b", "negative", "score"];

/// What a column's first cells look like.
#[derive(Debug, Default)]
struct Seen {
    rows: usize,
    filled: usize,
    /// Cells that could be scores.
    scored: usize,
    /// Characters of all different cells.
    length: usize,
    /// Cells that are no text and no number.
    unreadable: usize,
    /// Different cells.
    distinct: usize,
    /// Whether it counts or names: whole numbers that only grow, or digits with zeros before them.
    counts: bool,
    /// Cells of digits that begin with a zero, as numbers of things do.
    padded: usize,
}

impl Seen {
    fn of(column: usize, sample: &[Row], choices: &TableOptions) -> Self {
        let mut seen = Self { rows: sample.len(), counts: true, ..Self::default() };
        let mut different = BTreeSet::new();
        let mut last = f64::NEG_INFINITY;
        for row in sample {
            let Some(cell) = row.cells.get(column).map(|cell| cell.trim()).filter(|cell| !cell.is_empty()) else {
                continue;
            };
            seen.filled += 1;
            if row.unreadable.iter().any(|(place, _)| *place == column) {
                seen.unreadable += 1;
                seen.counts = false;
                continue;
            }
            let written = score::read(cell, row.dates.contains(&column), &|word| choices.words.contains_key(word));
            seen.scored += usize::from(!matches!(written, Written::Other | Written::Empty));
            seen.padded +=
                usize::from(cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit()));
            match written {
                Written::Number(number) if number.fract() == 0.0 && number > last => last = number,
                _ => seen.counts = false,
            }
            if different.insert(cell) {
                seen.length += cell.chars().count();
            }
        }
        seen.counts &= seen.filled >= 3;
        seen.counts |= 5 * seen.padded > seen.filled;
        seen.distinct = different.len();
        seen
    }

    fn is_text(&self) -> bool {
        2 * self.filled > self.rows && 2 * self.scored < self.filled && 2 * self.unreadable < self.filled
    }

    fn is_score(&self) -> bool {
        2 * self.filled > self.rows && 5 * self.scored >= 4 * self.filled && !self.counts
    }

    /// Whether it may say of each row how alike its texts are: numbers, or a few short words that come again.
    fn may_be_score(&self) -> bool {
        let words = self.distinct <= 10 && 3 * self.distinct <= self.filled && self.length <= 30 * self.distinct;
        2 * self.filled > self.rows && self.distinct > 1 && !self.counts && (words || self.is_score())
    }

    /// Whether at least half of the cells could be scores.
    fn is_number(&self) -> bool {
        self.scored > 0 && 2 * self.scored >= self.filled
    }
}

struct Columns<'a> {
    /// As names are compared.
    names: Vec<String>,
    /// As the header has them.
    written: &'a [String],
    seen: Vec<Seen>,
    /// By role: the column, and why.
    roles: [Option<(usize, Why)>; 4],
    /// The second text answers the first: no other column is taken for a score by its content.
    answers: bool,
}

impl Columns<'_> {
    fn is_taken(&self, place: usize) -> bool {
        self.roles.iter().flatten().any(|(taken, _)| *taken == place)
    }

    fn named(&self, name: &str) -> Option<usize> {
        (0..self.names.len()).find(|&place| self.names[place] == name && !self.is_taken(place))
    }

    fn free(&self) -> impl Iterator<Item = usize> {
        (0..self.seen.len()).filter(|&place| !self.is_taken(place))
    }

    fn by_name(&mut self, kind: Option<TableKind>) {
        let texts = |columns: &Self, (one, other): (usize, usize)| {
            let fits = |role: usize, place: usize| columns.roles[role].is_none_or(|(said, _)| said == place);
            fits(TEXT_A, one) && fits(TEXT_B, other)
        };
        let place = |columns: &Self, role: usize, name: &str| {
            // A column that was said keeps its role.
            let said = columns.roles[role].map(|(said, _)| said);
            said.filter(|&said| columns.names.get(said).is_some_and(|known| known == name))
                .or_else(|| columns.named(name))
        };
        let known = names::texts().find_map(|(one, other, answers)| {
            let places = (place(self, TEXT_A, one)?, place(self, TEXT_B, other)?);
            texts(self, places).then_some((places, answers))
        });
        let twins = || {
            let ones = (0..self.names.len()).filter(|&one| self.seen[one].is_text());
            let both = ones.flat_map(|one| (0..self.names.len()).map(move |other| (one, other)));
            both.filter(|&(one, other)| names::are_twins(&self.names[one], &self.names[other]))
                .find(|&(one, other)| self.seen[other].is_text() && texts(self, (one, other)))
                .map(|places| (places, false))
        };
        if let Some(((one, other), answers)) = known.or_else(twins) {
            self.answers = answers;
            self.roles[TEXT_A].get_or_insert((one, Why::Name));
            self.roles[TEXT_B].get_or_insert((other, Why::Name));
        }
        if self.roles[NEGATIVE].is_none() && kind.is_none_or(|kind| kind == TableKind::Triplet) {
            let negative = names::NEGATIVES.split(' ').find_map(|name| self.named(name));
            self.roles[NEGATIVE] = negative.map(|place| (place, Why::Name));
        }
        if self.roles[SCORE].is_none() && kind.is_none_or(TableKind::scored) {
            let score = names::SCORES.split(' ').find_map(|name| self.named(name)).or_else(|| self.named_in_part());
            self.roles[SCORE] = score.map(|place| (place, Why::Name));
        }
    }

    fn by_content(&mut self, kind: Option<TableKind>) {
        let plain = self.names.is_empty() && self.seen.len() == 3 && self.roles.iter().all(Option::is_none);
        // Two texts and a score, as files without a header have them; the texts may be anything.
        if plain && kind.is_none_or(TableKind::scored) && self.seen[2].is_number() {
            let content = |place| Some((place, Why::Content));
            self.roles = [content(0), content(1), None, content(2)];
            return;
        }
        if let Some(places) = self.longest_texts() {
            let mut places = places.into_iter();
            for role in [TEXT_A, TEXT_B] {
                if self.roles[role].is_none() {
                    self.roles[role] = places.next().map(|place| (place, Why::Content));
                }
            }
        }
        let asked = kind.is_some_and(TableKind::scored) || (kind.is_none() && !self.answers);
        if self.roles[SCORE].is_none() && self.roles[NEGATIVE].is_none() && asked {
            let mut scores = self
                .free()
                .filter(|&place| self.seen[place].is_score() && !self.is_counter(place) && !self.is_distance(place));
            if let (Some(place), None) = (scores.next(), scores.next()) {
                drop(scores);
                self.roles[SCORE] = Some((place, Why::Content));
            }
        }
    }

    /// The one column of numbers or words for them a part of whose name says that it is a score.
    fn named_in_part(&self) -> Option<usize> {
        let is = |place: &usize| self.seen[*place].may_be_score() && names::may_be_score(&self.written[*place]);
        let mut found = (0..self.written.len()).filter(|place| !self.is_taken(*place)).filter(is);
        found.next().filter(|_| found.next().is_none())
    }

    fn is_counter(&self, place: usize) -> bool {
        self.written.get(place).is_some_and(|name| names::is_counter(name))
    }

    fn is_distance(&self, place: usize) -> bool {
        self.written.get(place).is_some_and(|name| names::is_distance(name))
    }

    /// Free columns that may say how alike the texts are.
    fn may_be_scores(&self) -> Vec<usize> {
        self.free().filter(|&place| self.seen[place].may_be_score() && !self.is_counter(place)).collect()
    }

    /// The columns with the longest different texts, as many as are wanted, in the file's order. `None` where none
    /// is wanted, or where another column is nearly as long.
    fn longest_texts(&self) -> Option<Vec<usize>> {
        let wanted = [TEXT_A, TEXT_B].iter().filter(|&&role| self.roles[role].is_none()).count();
        let mut texts: Vec<usize> = self.free().filter(|&place| self.seen[place].is_text()).collect();
        texts.sort_by_key(|&place| std::cmp::Reverse(self.seen[place].length));
        if wanted == 0 || texts.len() < wanted {
            return None;
        }
        let next = texts.get(wanted).map_or(0, |&place| self.seen[place].length);
        let clear = 2 * next < self.seen[texts[wanted - 1]].length;
        texts.truncate(wanted);
        texts.sort_unstable();
        clear.then_some(texts)
    }

    fn layout(&self, kind: Option<TableKind>, scores: Scores, header: Option<&[String]>) -> Option<Layout> {
        let [one, other, negative, score] = self.roles;
        let by_content = [one, other].iter().flatten().any(|(_, why)| *why == Why::Content);
        let kind = match kind {
            Some(TableKind::Triplet) => negative.map(|_| TableKind::Triplet)?,
            Some(scored) if scored.scored() => score.map(|_| scored)?,
            Some(kind) => kind,
            // A benchmark is read by its scores.
            None if negative.is_some() && (score.is_none() || scores == Scores::Unit) => TableKind::Triplet,
            None if score.is_some() => TableKind::PairScore,
            // Two texts of which nothing says that they belong together.
            None if by_content => return None,
            None => TableKind::PairPositive,
        };
        let negative = negative.filter(|_| kind == TableKind::Triplet);
        let texts = [one, other].into_iter().map(|role| role.map(|(place, _)| place)).collect::<Option<Vec<_>>>()?;
        let texts = texts.into_iter().chain(negative.map(|(place, _)| place)).collect();
        let score = score.filter(|_| kind.scored()).map(|(place, _)| place);
        Some(Layout {
            kind,
            texts,
            score,
            width: self.seen.len(),
            ragged: false,
            names: header.map(<[String]>::to_vec),
        })
    }
}

/// Where a column stands that was said.
fn place(said: &Column, header: Option<&[String]>, width: usize) -> Result<usize, Problems> {
    let names = header.unwrap_or_default();
    match said {
        Column::Number(number) if (1..=width).contains(number) => Ok(number - 1),
        Column::Number(number) => Err(Problems::table(
            "column_not_found",
            format!("There is no column {number}: the table has {width}."),
            format!("Give a number from 1 to {width}, or a column's name."),
        )),
        Column::Name(name) => {
            let wanted = names::normal(name);
            let exact = names.iter().position(|known| known == name);
            let found = exact.or_else(|| names.iter().position(|known| names::normal(known) == wanted));
            found.ok_or_else(|| not_found(name, names, width))
        }
    }
}

fn not_found(name: &str, names: &[String], width: usize) -> Problems {
    if names.is_empty() {
        return Problems::table(
            "column_not_found",
            format!("There is no column \"{name}\": the table has no header, its columns are numbered 1 to {width}."),
            format!("Give a number from 1 to {width}."),
        );
    }
    let near = near(name, names).map(|near| format!(" Did you mean \"{near}\"?")).unwrap_or_default();
    Problems::table(
        "column_not_found",
        format!("There is no column \"{name}\". The file has: {}.{near}", list(names)),
        "Name a column as the first row has it, or give its number, from 1.",
    )
}

fn list(names: &[String]) -> String {
    let shown = |name: &String| if name.is_empty() { "(no name)".to_owned() } else { name.chars().take(40).collect() };
    let mut told = names.iter().take(8).map(shown).collect::<Vec<String>>().join(", ");
    if names.len() > 8 {
        told.push_str(&format!(" and {} more", names.len() - 8));
    }
    told
}

/// The name that was probably meant.
fn near<'a>(name: &str, names: &'a [String]) -> Option<&'a String> {
    let wanted = names::normal(name);
    let limit = if wanted.is_ascii() { (wanted.chars().count() / 3).max(1) } else { 1 };
    let distance = |known: &&String| strsim::damerau_levenshtein(&wanted, &names::normal(known));
    names.iter().filter(|known| !known.is_empty()).min_by_key(distance).filter(|known| distance(known) <= limit)
}

fn taken_twice(said: &Column) -> Problems {
    let said = match said {
        Column::Number(number) => number.to_string(),
        Column::Name(name) => format!("\"{name}\""),
    };
    Problems::table(
        "column_taken_twice",
        format!("The column {said} is to become two things."),
        "Choose another column for one of them.",
    )
}

/// Two texts are known, and whether other columns say how alike they are is not: the names of those.
pub(crate) fn score_unread(names: &[String]) -> Problems {
    let (list, first) = (list(names), names.first().map_or("..", String::as_str));
    let distance = names.iter().find(|name| names::is_distance(name));
    let falls = distance.map_or_else(String::new, |name| {
        let name: String = name.chars().take(40).collect();
        format!(" For \"{name}\", where small numbers mean alike, say the scale from the farthest to the nearest as well: scale=\"1-0\".")
    });
    let one = names.len() == 1;
    Problems::table(
        "columns_unclear",
        format!(
            "The two texts are clear, and whether {} says how alike they are is not: {list}. Without a score every row would count as two texts that belong together.",
            if one { "another column" } else { "one of the other columns" },
        ),
        format!(
            "Say which is the score: mapping={{\"score\": \"{}\"}}.{falls} Where none of them is one, say kind=pair_positive: then all rows belong together.",
            first.chars().take(40).collect::<String>()
        ),
    )
}

pub(crate) fn unclear(header: Option<&[String]>, width: usize) -> Problems {
    let mut found = match header {
        Some(names) => format!("The file has: {}.", list(names)),
        None => format!("The table has no header and {width} columns."),
    };
    let label = header.into_iter().flatten().find(|name| labelled::is_label_name(&names::normal(name)));
    if let Some(label) = label {
        let label: String = label.chars().take(40).collect();
        found.push_str(&format!(
            " \"{label}\" can be read in two ways: as the label of a text in each row, or as a part of pairs."
        ));
    }
    Problems::table(
        "columns_unclear",
        format!("I could not tell which columns hold the two texts and the score. {found}"),
        "Say so: mapping={\"text_a\": .., \"text_b\": .., \"score\": ..} with names or numbers of columns; or name the columns base, ref, similarity (or sentence1, sentence2, score; anchor, positive; anchor, positive, negative). Where each row is a text and its label: mapping={\"text\": .., \"label\": ..}.",
    )
}
