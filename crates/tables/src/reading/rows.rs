//! One row of cells becomes a pair, or a list of what is wrong with it.

use std::collections::BTreeMap;

use super::columns::{self, Layout};
use super::score::{self, Day, Written};
use crate::checks;
use crate::choices::{Fix, Scale, TableOptions};
use crate::pair::{LONGEST_TEXT, Pair, Scores, TableKind};
use crate::problems::{Problem, Problems};
use crate::source::{Row, Unreadable, is_blank};

/// What a row turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// A pair, its score from 0 to 1 (a benchmark's on its own scale), and its line.
    Pair(Pair, usize),
    Bad(Vec<Problem>),
    Blank,
}

/// Reads rows as an inspection's `choices` say.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) layout: Layout,
    pub(crate) rule: Rule,
    trim: bool,
}

/// What a score cell becomes.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) scale: Scale,
    /// What words stand for, 0 to 1.
    pub(crate) words: BTreeMap<String, f64>,
    /// Whether the table's own scale is kept.
    pub(crate) scores: Scores,
    /// Whether a date is read as a fraction.
    pub(crate) dates: bool,
    /// Whether somebody said that all scores are 0 or 1.
    pub(crate) classes: bool,
}

impl Reader {
    /// For rows of a table with this header, or of this width without one. The choices are those of an inspection:
    /// nothing is found out here.
    pub(crate) fn new(
        header: Option<&[String]>,
        width: usize,
        choices: &TableOptions,
        scores: Scores,
    ) -> Result<Self, Problems> {
        let blank = Row { cells: vec![String::new(); width], ..Row::default() };
        let layout = columns::find(header, &[blank], choices, scores)?.layout;
        let layout = layout.ok_or_else(|| columns::unclear(header, width))?;
        let scale = choices.scale.unwrap_or(Scale { lowest: 0.0, highest: 1.0 });
        let rule = Rule::of(choices, scale, scores);
        Ok(Self::of(layout, rule, choices))
    }

    pub(crate) fn of(layout: Layout, rule: Rule, choices: &TableOptions) -> Self {
        Self { layout, rule, trim: choices.apply.contains(&Fix::TrimTexts) }
    }

    /// Reads a row. Of the fixes, those of one cell are applied: dates and blanks.
    pub(crate) fn read(&self, row: &Row) -> Outcome {
        match shape(&self.layout, row) {
            Shape::Blank => return Outcome::Blank,
            Shape::Uneven => return Outcome::Bad(vec![uneven(&self.layout, row)]),
            Shape::Even => {}
        }
        let mut problems = Vec::new();
        for &place in &self.layout.texts {
            if let Some((code, message)) = cell_fault(row, place).or_else(|| text_fault(&row.cells[place])) {
                let label = self.layout.kind == TableKind::Labelled && self.layout.texts[1] == place;
                let missing = label && code == "text_missing";
                let (code, message) =
                    if missing { ("label_missing", "The label is empty.".to_owned()) } else { (code, message) };
                problems.push(self.problem(row, place, Problem::new(code, message)));
            }
        }
        let mut score = 1.0;
        if let Some(place) = self.layout.score {
            let read = match cell_fault(row, place) {
                Some((code, message)) => Err(Problem::new(code, message)),
                None => self.rule.read(&row.cells[place], row.dates.contains(&place)),
            };
            match read {
                Ok(read) => score = read,
                Err(wrong) => problems.push(self.problem(row, place, wrong)),
            }
        }
        if problems.is_empty() { Outcome::Pair(self.pair(row, score), row.line) } else { Outcome::Bad(problems) }
    }

    /// A row's texts with a score that is known.
    pub(crate) fn pair(&self, row: &Row, score: f64) -> Pair {
        let text = |place: usize| {
            let cell = &row.cells[place];
            if self.trim { checks::mend(cell).into_owned() } else { cell.clone() }
        };
        let texts = &self.layout.texts;
        let negative = texts.get(2).map(|&place| text(place));
        Pair { left: text(texts[0]), right: text(texts[1]), negative, score, row: row.row }
    }

    /// What is wrong with a cell, and where.
    fn problem(&self, row: &Row, place: usize, wrong: Problem) -> Problem {
        Problem {
            row: row.row,
            line: row.line,
            column: Some(place + 1),
            column_name: self.layout.name(place).map(str::to_owned),
            value: row.cells[place].chars().take(80).collect(),
            ..wrong
        }
    }
}

impl Rule {
    /// For a table of this scale, as the choices say.
    pub(crate) fn of(choices: &TableOptions, scale: Scale, scores: Scores) -> Self {
        let dates = choices.apply.contains(&Fix::DatesAsFractions);
        let classes = choices.kind == Some(TableKind::PairClass);
        Self { scale, words: choices.words.clone(), scores, dates, classes }
    }

    /// What a number on the table's scale becomes; `None` off the scale.
    pub(crate) fn number(&self, number: f64) -> Option<f64> {
        match self.scores {
            // One that falls is turned over: what measures goes by their order.
            Scores::Any if self.scale.lowest > self.scale.highest => {
                Some(self.scale.lowest + self.scale.highest - number)
            }
            Scores::Any => Some(number),
            Scores::Unit => {
                self.scale.holds(number).then(|| self.scale.place(number)).filter(|place| self.fits(*place))
            }
        }
    }

    /// What a part of the scale becomes; `None` where it is more than the whole.
    pub(crate) fn part(&self, part: f64) -> Option<f64> {
        match self.scores {
            Scores::Any => {
                let (lowest, highest) = self.scale.ends();
                Some(Scale { lowest, highest }.at(part))
            }
            Scores::Unit => Some(part).filter(|part| (0.0..=1.0).contains(part) && self.fits(*part)),
        }
    }

    fn fits(&self, score: f64) -> bool {
        !self.classes || score == 0.0 || score == 1.0
    }

    /// What a cell becomes, or why it cannot be used.
    pub(crate) fn read(&self, cell: &str, date: bool) -> Result<f64, Problem> {
        let part = match score::read(cell, date, &|word| self.words.contains_key(word)) {
            Written::Empty => return Err(Problem::new("score_missing", "The score is empty.")),
            Written::Number(number) => return self.number(number).ok_or_else(|| self.outside(number)),
            Written::Percent(part) | Written::Fraction(part) => part,
            Written::Word(word) => *self.words.get(&word).ok_or_else(|| not_a_number(cell))?,
            Written::Date(day) if self.dates => day.fraction(),
            Written::Date(day) => return Err(a_date(day)),
            Written::Other => return Err(not_a_number(cell)),
        };
        self.part(part).ok_or_else(|| self.outside(self.scale.at(part)))
    }

    fn outside(&self, number: f64) -> Problem {
        let (lowest, highest) = self.scale.ends();
        let message = if !self.scale.holds(number) {
            let (side, end) = if number > highest { ("above", highest) } else { ("below", lowest) };
            let name = if number > highest { "top" } else { "bottom" };
            format!("{number} is {side} {end}, the {name} of this scale ({lowest} to {highest}).")
        } else {
            format!("{number} is neither {lowest} nor {highest}; a table of kind pair_class has no other scores.")
        };
        Problem::new("score_out_of_range", message)
    }
}

fn not_a_number(cell: &str) -> Problem {
    let told: String = cell.trim().chars().take(80).collect();
    Problem::new("score_not_a_number", format!("The score {told:?} is not a number. Write 0.8, 80% or 4/5."))
}

fn a_date(day: Day) -> Problem {
    let part = (day.fraction() * 1e4).round() / 1e4;
    let typed = day.typed();
    let message =
        format!("A spreadsheet seems to have turned {typed} into a date. As a part of the scale, {typed} is {part}.");
    Problem { suggestion: Some(part.to_string()), ..Problem::new("score_is_a_date", message) }
}

/// Whether a row's cells are as many as the table's columns.
pub(crate) enum Shape {
    Blank,
    /// There are more cells or fewer.
    Uneven,
    Even,
}

/// Blank cells beyond the last column are none: spreadsheets write them.
pub(crate) fn shape(layout: &Layout, row: &Row) -> Shape {
    let beyond = row.cells.get(layout.width..).unwrap_or_default();
    let needed = layout.texts.iter().chain(&layout.score).max().map_or(0, |place| place + 1);
    if is_blank(&row.cells) {
        Shape::Blank
    } else if layout.ragged && row.cells.len() >= needed {
        Shape::Even
    } else if row.cells.len() < layout.width || !is_blank(beyond) {
        Shape::Uneven
    } else {
        Shape::Even
    }
}

fn uneven(layout: &Layout, row: &Row) -> Problem {
    let count = row.cells.len();
    let cells = if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") };
    let first = if layout.names.is_some() { "the header" } else { "the first row" };
    let message =
        format!("The row has {cells}, {first} has {}. A comma inside a text needs quotes: \"a, b\".", layout.width);
    let value = row.cells.join(",").chars().take(80).collect();
    Problem { row: row.row, line: row.line, value, ..Problem::new("uneven_row", message) }
}

/// Why a cell that is needed is no text and no number.
pub(crate) fn cell_fault(row: &Row, place: usize) -> Option<(&'static str, String)> {
    let (_, why) = row.unreadable.iter().find(|(cell, _)| *cell == place)?;
    let (code, what) = match why {
        Unreadable::List => ("value_nested", "a list; a text or a number is needed"),
        Unreadable::Object => ("value_nested", "an object; a text or a number is needed"),
        Unreadable::Formula => (
            "formula_not_computed",
            "a formula whose value was never saved; open the file in a spreadsheet and save it",
        ),
    };
    Some((code, format!("The cell holds {what}.")))
}

pub(crate) fn text_fault(text: &str) -> Option<(&'static str, String)> {
    if text.trim().is_empty() {
        Some(("text_missing", "The text is empty.".to_owned()))
    } else if text.len() > LONGEST_TEXT {
        Some(("text_too_long", format!("The text has {} bytes; {LONGEST_TEXT} are allowed.", text.len())))
    } else if text.contains('\0') {
        Some(("text_has_nul", "The text contains a NUL character.".to_owned()))
    } else {
        None
    }
}
