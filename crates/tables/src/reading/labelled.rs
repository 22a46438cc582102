//! Labelled texts: which column holds the texts, and which the label of each.

use std::collections::{HashMap, HashSet};

use super::names;
use super::score::{self, Written};
use crate::choices::{Mapping, TableOptions, Why};
use crate::pair::TableKind;
use crate::problems::Problems;
use crate::source::Row;

/// Names of a column of texts that have a label, the surest first.
const TEXTS: &str = "text texts sentence utterance query question phrase message document content body title テキスト 文 \
    文章 発話 質問 質問文 本文 問い合わせ 問合せ 問い合わせ内容 内容 件名";

/// Names of a column of labels, the surest first.
const LABELS: &str = "label labels labeltext labelname intent intents intentname category categories categoryname class \
    classname klass tag tags topic topics ラベル 意図 インテント カテゴリ カテゴリー 分類 クラス タグ トピック 種別 区分";

/// Fewer rows tell nothing where no column's name says that it holds labels.
const FEWEST_ROWS: usize = 10;

/// Characters of a label, at most, in the mean: more is a text.
const LONGEST_LABEL: usize = 40;

/// Whether a column's name (as names are compared) is one of labels.
pub(super) fn is_label_name(name: &str) -> bool {
    LABELS.split(' ').any(|known| known == name)
}

/// Whether somebody said that the rows are labelled texts.
pub(super) fn is_said(choices: &TableOptions) -> bool {
    choices.kind == Some(TableKind::Labelled) || choices.mapping.text.is_some() || choices.mapping.label.is_some()
}

/// The same, refused where something was said that only pairs have.
pub(super) fn check_said(choices: &TableOptions) -> Result<bool, Problems> {
    let Mapping { text_a, text_b, negative, score, .. } = &choices.mapping;
    let pairs = [text_a, text_b, negative, score].into_iter().any(Option::is_some);
    let other_kind = choices.kind.is_some_and(|kind| kind != TableKind::Labelled);
    if is_said(choices) && (pairs || other_kind) {
        return Err(Problems::table(
            "columns_unclear",
            "Some choices are for labelled texts (\"text\", \"label\"), others for pairs (\"text_a\", \"text_b\", \"negative\", \"score\", or another kind).",
            "Choose one: mapping={\"text\": .., \"label\": ..} for a text and its label in each row, or mapping={\"text_a\": .., \"text_b\": .., \"score\": ..} for pairs.",
        ));
    }
    Ok(is_said(choices))
}

/// What a column's first cells look like.
struct Cells {
    filled: usize,
    distinct: usize,
    /// Mean characters of its different cells.
    length: f64,
    /// Cells that are numbers with a part behind the point, percents, fractions or dates.
    parts: usize,
    /// Cells that could be scores.
    scored: usize,
    rows: usize,
}

impl Cells {
    fn of(column: usize, sample: &[Row]) -> Self {
        let mut seen = Self { filled: 0, distinct: 0, length: 0.0, parts: 0, scored: 0, rows: sample.len() };
        let mut different = HashSet::new();
        let mut characters = 0;
        for row in sample {
            let Some(cell) = row.cells.get(column).map(|cell| cell.trim()).filter(|cell| !cell.is_empty()) else {
                continue;
            };
            seen.filled += 1;
            let written = score::read(cell, row.dates.contains(&column), &|_| false);
            seen.scored += usize::from(!matches!(written, Written::Other | Written::Empty));
            seen.parts += usize::from(match written {
                Written::Number(number) => number.fract() != 0.0,
                Written::Percent(_) | Written::Fraction(_) | Written::Date(_) => true,
                Written::Word(_) | Written::Other | Written::Empty => false,
            });
            if different.insert(cell) {
                characters += cell.chars().count();
            }
        }
        seen.distinct = different.len();
        seen.length = characters as f64 / seen.distinct.max(1) as f64;
        seen
    }

    /// Texts, nearly all of them different.
    fn are_texts(&self) -> bool {
        2 * self.filled > self.rows && 10 * self.distinct >= 8 * self.filled && 2 * self.scored < self.filled
    }

    /// Few short values that come again.
    fn are_labels(&self) -> bool {
        2 * self.filled > self.rows
            && (2..=self.filled / 2).contains(&self.distinct)
            && self.length <= LONGEST_LABEL as f64
            && 10 * self.parts < self.filled
    }
}

struct Table<'a> {
    names: Vec<String>,
    seen: Vec<Cells>,
    sample: &'a [Row],
}

impl<'a> Table<'a> {
    fn of(header: Option<&[String]>, width: usize, sample: &'a [Row]) -> Self {
        Self {
            names: header.unwrap_or_default().iter().map(|name| names::normal(name)).collect(),
            seen: (0..width).map(|column| Cells::of(column, sample)).collect(),
            sample,
        }
    }

    fn name(&self, place: usize) -> &str {
        self.names.get(place).map_or("", String::as_str)
    }

    /// The columns of such names that look as wanted, the surest name first.
    fn named(&self, names: &str, fits: impl Fn(&Cells) -> bool) -> Vec<usize> {
        let of_name = |name: &str| (0..self.names.len()).find(|&place| self.names[place] == name);
        names.split(' ').filter_map(of_name).filter(|&place| fits(&self.seen[place])).collect()
    }

    fn is_counter(&self, place: usize) -> bool {
        names::is_counter(self.name(place))
    }

    /// Whether two columns part the rows in the same way, as a label's number and its name do.
    fn same_parts(&self, one: usize, other: usize) -> bool {
        let (mut forth, mut back) = (HashMap::new(), HashMap::new());
        self.sample.iter().all(|row| {
            let cell = |place: usize| row.cells.get(place).map_or("", |cell| cell.trim());
            let (one, other) = (cell(one), cell(other));
            *forth.entry(one).or_insert(other) == other && *back.entry(other).or_insert(one) == one
        })
    }

    /// The column of labels, and whether its name says so; `None` where there is none, or several.
    fn label(&self) -> Option<(usize, Why)> {
        let named = self.named(LABELS, Cells::are_labels);
        if let Some((&first, others)) = named.split_first() {
            return others.iter().all(|&other| self.same_parts(first, other)).then_some((first, Why::Name));
        }
        // What is named a score is none, and the cells of few rows are like each other by chance.
        let is_score = |place: usize| names::SCORES.split(' ').any(|known| known == self.name(place));
        let fits = |&place: &usize| self.seen[place].are_labels() && !is_score(place) && !self.is_counter(place);
        let mut found = (0..self.seen.len()).filter(fits);
        let (only, None) = (found.next()?, found.next()) else { return None };
        (self.seen[only].filled >= FEWEST_ROWS).then_some((only, Why::Content))
    }

    /// The column of texts beside the labels; `None` where another column may be the second text of pairs.
    fn text(&self, label: usize) -> Option<(usize, Why)> {
        let texts: Vec<usize> = (0..self.seen.len())
            .filter(|&place| place != label && !self.is_counter(place) && self.seen[place].are_texts())
            .collect();
        let [only] = texts[..] else { return None };
        let why = if self.named(TEXTS, Cells::are_texts).contains(&only) { Why::Name } else { Why::Content };
        Some((only, why))
    }
}

/// Where the text and the label stand, and why.
#[derive(Clone, Copy)]
pub(super) struct Places {
    pub(super) text: (usize, Why),
    pub(super) label: (usize, Why),
}

/// What a table is, beside one of pairs.
pub(super) enum Reading {
    Labelled(Places),
    /// One of pairs or of labelled texts.
    Doubt,
    /// Not one of labelled texts.
    Other,
}

/// A table as one of pairs, as far as it was found to be one.
pub(super) struct AsPairs {
    /// The texts that were found by their cells alone.
    pub(super) by_content: Vec<usize>,
    pub(super) score: Option<usize>,
}

/// Whether a table of which nothing was said is one of labelled texts. What was found to be pairs stays so, unless
/// labels were taken for texts.
pub(super) fn reading(header: Option<&[String]>, width: usize, sample: &[Row], pairs: Option<&AsPairs>) -> Reading {
    let table = Table::of(header, width, sample);
    if let Some(pairs) = pairs {
        // One of the columns that were taken for texts is named as labels are.
        let labels = table.named(LABELS, Cells::are_labels);
        let mut doubtful = pairs.by_content.iter().filter(|place| labels.contains(place));
        // But for a number beside each label's name, which was taken for a score.
        let numbered =
            |place| pairs.score.is_some_and(|score| labels.contains(&score) && table.same_parts(score, place));
        match doubtful.next() {
            None => return Reading::Other,
            Some(&place) if numbered(place) => {}
            Some(_) => return Reading::Doubt,
        }
    }
    let Some(label) = table.label() else { return Reading::Other };
    let Some(text) = table.text(label.0) else { return Reading::Other };
    // A label is shorter than what it stands for. Where no name says which it is, columns of like length are texts.
    if label.1 == Why::Content && 2.0 * table.seen[label.0].length > table.seen[text.0].length {
        return Reading::Other;
    }
    Reading::Labelled(Places { text, label })
}

/// Reads a table as labelled texts, as somebody said. `text` and `label` stand where they were said to.
pub(super) fn as_said(
    header: Option<&[String]>,
    width: usize,
    sample: &[Row],
    [text, label]: [Option<usize>; 2],
) -> Option<Places> {
    let table = Table::of(header, width, sample);
    let free = |place: &usize| Some(*place) != text && Some(*place) != label && !table.is_counter(*place);
    let filled = |cells: &Cells| cells.filled > 0;
    let said = |place: usize| (place, Why::Said);
    let named = |names: &str, taken: Option<usize>| {
        let found = table.named(names, filled).into_iter().find(|place| free(place) && Some(*place) != taken);
        found.map(|place| (place, Why::Name))
    };
    let fewest = || {
        let labels = (0..width).filter(free).filter(|&place| table.seen[place].are_labels());
        labels.min_by_key(|&place| table.seen[place].distinct).map(|place| (place, Why::Content))
    };
    let label = label.map(said).or_else(|| named(LABELS, None)).or_else(fewest)?;
    let longest = || {
        let texts = (0..width).filter(free).filter(|&place| place != label.0 && filled(&table.seen[place]));
        let longest = texts.max_by(|&one, &other| table.seen[one].length.total_cmp(&table.seen[other].length));
        longest.map(|place| (place, Why::Content))
    };
    let text = text.map(said).or_else(|| named(TEXTS, Some(label.0))).or_else(longest)?;
    Some(Places { text, label })
}

/// Whether a label looks like several in one cell: `refund; card`.
pub(crate) fn looks_like_several(label: &str) -> bool {
    let mut parts = label.split([';', '|', ',', '、', '，']).map(str::trim);
    label.contains([';', '|', ',', '、', '，']) && parts.all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::choices::{Column, Mapping, TableOptions};
    use crate::inspect::{InspectContext, Inspection, inspect};
    use crate::pair::TableKind;
    use crate::source::Input;

    fn look(table: &str, choices: &TableOptions) -> Inspection {
        inspect(&Input::bytes(Arc::from(table.as_bytes())), choices, &InspectContext::default()).unwrap()
    }

    fn seen(table: &str) -> Inspection {
        look(table, &TableOptions::default())
    }

    /// Rows of a text and one of four labels.
    fn rows(header: &str, row: impl Fn(usize, &str) -> String) -> String {
        let labels = ["refund", "opening_hours", "lost_card", "transfer"];
        let body: String = (0..24).map(|number| row(number, labels[number % 4]) + "\n").collect();
        format!("{header}\n{body}")
    }

    fn told(inspection: &Inspection) -> Vec<Option<&'static str>> {
        inspection.columns.iter().map(|column| column.becomes).collect()
    }

    #[test]
    fn a_text_and_its_label_are_told_by_their_names() {
        for header in ["text,label", "utterance,intent", "question,category", "発話,意図", "文,ラベル", "質問,カテゴリ"]
        {
            let table = rows(header, |number, label| format!("what must I do in case {number},{label}"));
            let found = seen(&table);
            assert_eq!((found.kind, told(&found)), (Some(TableKind::Labelled), vec![Some("text"), Some("label")]));
            assert_eq!((found.rows.usable, found.scale.is_none(), found.blocked_by.len()), (24, true, 0));
            // What was found out, sent again, reads it the same way.
            let again = look(&table, &found.choices);
            assert_eq!((again.kind, again.choices), (found.kind, found.choices));
        }
    }

    #[test]
    fn labels_may_be_numbers_and_stand_first_beside_what_is_not_used() {
        let table = rows("id,label,label_text,text", |number, label| {
            format!("{number},{},{label},where can I find number {number}", number % 4)
        });
        let found = seen(&table);
        assert_eq!(told(&found), [None, Some("label"), None, Some("text")]);
    }

    #[test]
    fn without_names_the_cells_tell_unless_both_columns_may_be_texts() {
        let headless = |row: fn(usize, &str) -> String| rows("", row).trim_start().to_owned();
        let found = seen(&headless(|number, label| format!("I should like to know about thing {number},{label}")));
        assert_eq!(told(&found), [Some("text"), Some("label")]);
        // As long as the texts are, they may be the texts of pairs.
        let found = seen(&headless(|number, label| format!("job {number},{label}")));
        assert_eq!((found.kind, found.blocked_by), (None, vec!["columns_unclear"]));
    }

    #[test]
    fn pairs_stay_pairs_and_what_can_be_read_in_two_ways_is_asked() {
        let kind = |header: &str, row: &dyn Fn(usize, &str) -> String| seen(&rows(header, row)).kind;
        let pair = |number: usize, label: &str| format!("a nurse {number},a doctor {number},{label}");
        // A column of few values beside two texts may say whether they belong together.
        assert_eq!(kind("query,answer,category", &pair), None);
        let numbered = |number: usize, _: &str| format!("a nurse {number},a doctor {number},{number}");
        assert_eq!(kind("query,answer,id", &numbered), Some(TableKind::PairPositive));
        let scored = |number: usize, _: &str| format!("a nurse {number},a doctor,{}", number % 2);
        assert_eq!(kind("sentence1,sentence2,label", &scored), Some(TableKind::PairClass));
        // Two texts whose names say nothing, and a label beside them.
        assert_eq!(kind("front,back,category", &pair), None);
        // A text, a label and a number: the number may be the score of the two.
        let rated =
            |number: usize, label: &str| format!("a very long story of {number} words,{label},0.{}", number % 9);
        assert_eq!(kind("text,category,score", &rated), None);
        // A mark is no label.
        assert_eq!(kind("text,rating", &|number, _| format!("the meal of day {number},{}", number % 5)), None);
        // Two ways to sort the same texts.
        let twice = |number: usize, label: &str| format!("what about {number},{label},{}", number % 3);
        assert_eq!(kind("text,intent,category", &twice), None);
    }

    #[test]
    fn what_was_said_holds_and_must_fit_together() {
        let twice = rows("text,intent,category", |number, label| format!("what about {number},{label},{}", number % 3));
        let mapping = Mapping { label: Some(Column::Name("category".to_owned())), ..Mapping::default() };
        let found = look(&twice, &TableOptions { mapping, ..TableOptions::default() });
        assert_eq!(told(&found), [Some("text"), None, Some("label")]);
        let kind = TableOptions { kind: Some(TableKind::Labelled), ..TableOptions::default() };
        assert_eq!(told(&look(&twice, &kind)), [Some("text"), Some("label"), None]);
        let mapping = Mapping { text_a: Some(Column::Number(1)), label: Some(Column::Number(2)), ..Mapping::default() };
        let choices = TableOptions { mapping, ..TableOptions::default() };
        let input = Input::bytes(Arc::from(twice.as_bytes()));
        assert_eq!(inspect(&input, &choices, &InspectContext::default()).unwrap_err().code, "columns_unclear");
    }

    #[test]
    fn a_cell_of_several_labels_is_one_label_and_told() {
        let table = rows("text,tags", |number, label| format!("what about {number},\"{label}; urgent\""));
        let found = seen(&table);
        assert_eq!(found.kind, Some(TableKind::Labelled));
        assert!(found.findings.iter().any(|finding| finding.code == "labels_look_like_lists"));
        assert!(
            super::looks_like_several("a、b") && !super::looks_like_several("a,") && !super::looks_like_several("a")
        );
    }

    #[test]
    fn an_empty_label_is_a_bad_row() {
        let table =
            rows("text,label", |number, label| format!("what about {number},{}", if number == 3 { "" } else { label }));
        let found = seen(&table);
        assert_eq!((found.problems[0].code, found.problems[0].row), ("label_missing", 5));
    }
}
