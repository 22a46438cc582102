//! The first pass over a table: its columns, its rows' facts, its scores as they are written.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::{ColumnFacts, InspectContext, Preview, ScoreKinds};
use crate::checks::{Languages, RowFacts, Signs};
use crate::choices::{Fix, TableOptions};
use crate::pair::{MOST_ROWS, Pair, TableKind, too_many_rows};
use crate::problems::Problems;
use crate::reading::columns::{self, Found, Layout};
use crate::reading::labelled;
use crate::reading::rows::{self, Rule, Shape};
use crate::reading::scale::Numbers;
use crate::reading::score::{self, Written};
use crate::source::{Dialect, Fault, Input, Row, Source, is_blank, lists};

/// Rows by whose cells the columns are found.
const SAMPLE: usize = 1000;

/// Bytes of cells that this sample may hold.
const MOST_SAMPLE: usize = 4 << 20;

const PREVIEW: usize = 50;

/// Different scores, as they are written, that are counted.
const MOST_VALUES: usize = 2000;

/// What a score cell is, as far as one cell tells: its value waits in the row's facts until the scale is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Number,
    Part,
    /// A word; the value is its number.
    Word,
}

#[derive(Default)]
pub(super) struct Survey {
    pub(super) found: Found,
    pub(super) columns: Vec<ColumnFacts>,
    /// Rows that are not blank.
    pub(super) read: usize,
    /// Rows that cannot be used whatever the scale is.
    pub(super) bad: usize,
    /// All others. A score is as written until [`Survey::settle`].
    pub(super) facts: Vec<RowFacts>,
    pending: Vec<Pending>,
    pub(super) numbers: Numbers,
    pub(super) kinds: ScoreKinds,
    /// Words in use, in the order in which they were met.
    words: Vec<String>,
    /// Score cells and how many there are of each.
    pub(super) values: HashMap<String, usize>,
    pub(super) languages: Languages,
    /// Rows that became several, and how many of them more than is taken.
    pub(super) unfolded: (usize, usize),
    last_row: (usize, usize),
    /// Rows that have the value of a merged cell.
    pub(super) merged: usize,
    pub(super) preview: Vec<Preview>,
}

impl Survey {
    pub(super) fn of(
        input: &Input,
        choices: &TableOptions,
        context: &InspectContext,
    ) -> Result<(Self, Dialect), Problems> {
        let mut source = Source::open(input, &choices.read_as)?;
        let (dialect, header) = (source.dialect.clone(), source.header.clone());
        let (mut sample, mut faults) = (Vec::new(), 0);
        let mut bytes = 0;
        while sample.len() < SAMPLE && bytes < MOST_SAMPLE {
            match source.next() {
                None => break,
                Some(Ok(row)) if is_blank(&row.cells) => bytes += 64,
                Some(Ok(row)) => {
                    bytes += row.cells.iter().map(|cell| cell.len() + 24).sum::<usize>();
                    sample.push(row);
                }
                Some(Err(Fault::Row(_))) => {
                    faults += 1;
                    bytes += 64;
                }
                Some(Err(Fault::Table(problems))) => return Err(problems),
            }
        }
        let mut as_read = choices.clone();
        as_read.read_as.delimiter = dialect.delimiter;
        let found = columns::find(header.as_deref(), &sample, &as_read, context.scores)?;
        let width = header.as_ref().map_or_else(|| columns::width(&sample), Vec::len);
        let columns = (0..width).map(|place| column(place, header.as_deref(), &found)).collect();
        let mut survey = Self { columns, found, read: faults, bad: faults, ..Self::default() };
        let layout = survey.found.layout.clone();
        let dates = choices.apply.contains(&Fix::DatesAsFractions);
        for row in sample.into_iter().map(Ok).chain(source) {
            match row {
                Ok(row) if is_blank(&row.cells) => continue,
                Ok(row) => survey.row(row, layout.as_ref(), choices, dates, context),
                Err(Fault::Row(_)) => {
                    survey.read += 1;
                    survey.bad += 1;
                }
                Err(Fault::Table(problems)) => return Err(problems),
            }
            if survey.read > MOST_ROWS {
                return Err(too_many_rows());
            }
        }
        Ok((survey, dialect))
    }

    /// Looks at a row that is not blank.
    fn row(
        &mut self,
        mut row: Row,
        layout: Option<&Layout>,
        choices: &TableOptions,
        dates: bool,
        context: &InspectContext,
    ) {
        self.read += 1;
        self.last_row = if self.last_row.0 == row.row { (row.row, self.last_row.1 + 1) } else { (row.row, 1) };
        self.unfolded.0 += usize::from(self.last_row.1 == 2);
        self.unfolded.1 += usize::from(self.last_row.1 == lists::MOST);
        for (column, cell) in self.columns.iter_mut().zip(&row.cells) {
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            column.filled += 1;
            if column.examples.len() < 5 && !column.examples.iter().any(|seen| is_cut_of(seen, cell)) {
                column.examples.push(cell.chars().take(80).collect());
            }
        }
        if self.preview.len() < PREVIEW {
            let cells = row.cells.iter().map(|cell| cell.chars().take(200).collect()).collect();
            self.preview.push(Preview { row: row.row, line: row.line, cells, score: None });
        }
        let Some(layout) = layout else { return };
        if !matches!(rows::shape(layout, &row), Shape::Even) {
            self.bad += 1;
            return;
        }
        let needed = layout.texts.iter().chain(&layout.score);
        self.merged += usize::from(needed.clone().any(|place| row.merged.contains(place)));
        if needed.clone().any(|&place| rows::cell_fault(&row, place).is_some()) {
            if let Some(place) = layout.score {
                // It counts among the scores all the same.
                let _ = self.score(&row.cells[place], false, choices, dates);
            }
            self.bad += 1;
            return;
        }
        let score = match layout.score {
            None => Some((Pending::Part, 1.0)),
            Some(place) => self.score(&row.cells[place], row.dates.contains(&place), choices, dates),
        };
        let texts_fine = layout.texts.iter().all(|&place| rows::text_fault(&row.cells[place]).is_none());
        let Some((pending, score)) = score.filter(|_| texts_fine) else {
            self.bad += 1;
            return;
        };
        let mut text = |place: usize| std::mem::take(&mut row.cells[layout.texts[place]]);
        let (left, right) = (text(0), text(1));
        let negative = (layout.texts.len() == 3).then(|| text(2));
        let pair = Pair { left, right, negative, score, row: row.row };
        let is_truncated = context.is_truncated.as_deref().map(|asked| asked as &dyn Fn(&str) -> bool);
        let mut facts = RowFacts::of(&pair, row.line, is_truncated);
        if layout.kind == TableKind::Labelled {
            // A label is a name, in whatever language.
            self.languages.add(&pair.left, &pair.left);
            let several = labelled::looks_like_several(&pair.right);
            facts.signs = if several { facts.signs.and(Signs::LISTED) } else { facts.signs };
        } else {
            self.languages.add(&pair.left, &pair.right);
        }
        self.facts.push(facts);
        self.pending.push(pending);
    }

    /// Looks at a score cell; `None` where it can never be used.
    fn score(&mut self, cell: &str, date: bool, choices: &TableOptions, dates: bool) -> Option<(Pending, f64)> {
        let shown = cell.trim();
        if let Some(count) = self.values.get_mut(shown) {
            *count += 1;
        } else if self.values.len() < MOST_VALUES && !shown.is_empty() {
            self.values.insert(shown.chars().take(80).collect(), 1);
        }
        let kinds = &mut self.kinds;
        let (count, score) = match score::read(cell, date, &|word| choices.words.contains_key(word)) {
            Written::Number(number) => {
                self.numbers.add(number);
                (&mut kinds.numbers, Some((Pending::Number, number)))
            }
            Written::Percent(part) => (&mut kinds.percents, Some((Pending::Part, part))),
            Written::Fraction(part) => (&mut kinds.fractions, Some((Pending::Part, part))),
            Written::Word(word) => {
                let known = self.words.iter().position(|known| *known == word);
                let number = known.unwrap_or_else(|| {
                    self.words.push(word);
                    self.words.len() - 1
                });
                (&mut kinds.words, Some((Pending::Word, number as f64)))
            }
            Written::Date(day) => (&mut kinds.dates, dates.then(|| (Pending::Part, day.fraction()))),
            Written::Empty => (&mut kinds.empty, None),
            Written::Other => (&mut kinds.other, None),
        };
        *count += 1;
        score
    }

    pub(super) fn words(&self) -> BTreeSet<String> {
        self.words.iter().cloned().collect()
    }

    /// Puts scores in the place of what was written. Rows whose score lies off the scale are no pairs.
    pub(super) fn settle(&mut self, rule: &Rule) {
        let by_number: Vec<Option<f64>> =
            self.words.iter().map(|word| rule.words.get(word).and_then(|part| rule.part(*part))).collect();
        let scored = self.found.layout.as_ref().is_some_and(|layout| layout.score.is_some());
        let before = self.facts.len();
        let mut pending = self.pending.iter();
        self.facts.retain_mut(|row| {
            let score = match pending.next() {
                _ if !scored => Some(1.0),
                Some(Pending::Number) => rule.number(row.score),
                Some(Pending::Part) => rule.part(row.score),
                Some(Pending::Word) => by_number[row.score as usize],
                None => None,
            };
            row.score = score.unwrap_or_default();
            score.is_some()
        });
        self.bad += before - self.facts.len();
        self.pending = Vec::new();
    }

    /// The most frequent values, at most twenty, in the order of what they become.
    pub(super) fn frequent(&self) -> Vec<(&String, usize)> {
        let mut values: Vec<(&String, usize)> = self.values.iter().map(|(value, count)| (value, *count)).collect();
        values.sort_unstable_by_key(|&(value, count)| (Reverse(count), value));
        values.truncate(20);
        values
    }
}

/// A column of which no cell was seen yet.
fn column(place: usize, header: Option<&[String]>, found: &Found) -> ColumnFacts {
    let role = found.roles.iter().find(|(column, _, _)| *column == place);
    ColumnFacts {
        number: place + 1,
        name: header.map(|names| names[place].clone()),
        becomes: role.map(|(_, role, _)| *role),
        why: role.map(|(_, _, why)| *why),
        filled: 0,
        examples: Vec::new(),
    }
}

/// Whether an example shows this cell, which may be longer.
fn is_cut_of(example: &str, cell: &str) -> bool {
    cell.starts_with(example) && (cell.len() == example.len() || example.chars().count() == 80)
}
