//! What was seen becomes a report. The second pass fetches the texts that it shows.

use std::collections::{BTreeMap, BTreeSet};

use super::doubts;
use super::survey::Survey;
use super::{ColumnFacts, Histogram, InspectContext, Inspection, Meaning, RowCount, ScaleFacts, ScoreValue, Targets};
use crate::checks::{self, Example, Finding, Knowledge, Plan, RowFacts};
use crate::choices::{FileOptions, Fix, LowestMeans, OnBadRow, Scale, TableOptions, Why};
use crate::pair::{Scores, TableKind, check_kind};
use crate::problems::Problems;
use crate::reading::rows::{Reader, Rule};
use crate::reading::{Outcome, words};
use crate::source::{Dialect, Fault, Input, Source, is_blank};

pub(super) fn report(
    input: &Input,
    said: &TableOptions,
    context: &InspectContext,
    mut survey: Survey,
    dialect: Dialect,
) -> Result<Inspection, Problems> {
    let mut choices = said.clone();
    choices.read_as = FileOptions {
        format: Some(dialect.format),
        encoding: dialect.encoding,
        delimiter: dialect.delimiter,
        header: Some(dialect.header),
        header_row: dialect.header_row,
        sheet: dialect.sheet.clone(),
    };
    let Some(layout) = survey.found.layout.clone() else { return Ok(unclear(survey, dialect, choices, context)) };
    check_kind(layout.kind, context.scores)?;
    choices.mapping = layout.mapping();
    let scored = layout.score.is_some();
    let opposite = doubts::opposite(&layout, &survey, said);
    choices.words = words::values(&survey.words(), &said.words);
    let scale = said.scale.unwrap_or_else(|| survey.numbers.scale());
    let rule = Rule::of(&choices, scale, context.scores);
    survey.settle(&rule);
    let kind = kind(layout.kind, said.kind, &survey.facts);
    choices.kind = Some(kind);
    choices.scale = scored.then_some(scale);
    let meaning = (scored && context.scores == Scores::Unit).then(|| meaning(said, &survey, scale));
    choices.lowest_means = meaning.as_ref().and_then(|meaning| meaning.value);
    if kind == TableKind::Labelled {
        // Texts of different labels have nothing in common, as far as the table says.
        choices.lowest_means = Some(LowestMeans::Unrelated);
    }

    let knowledge = knowledge(context, &survey, kind, &choices);
    input.stop().check()?;
    let mut findings = checks::run(&survey.facts, &knowledge);
    findings.extend(doubts::stretched(&survey.numbers, scale, said).filter(|_| scored && opposite.is_none()));
    let in_doubt = doubts::encoding(&dialect);
    let asked = [(in_doubt.is_some(), doubts::ENCODING), (opposite.is_some(), doubts::UNCLEAR)];
    findings.extend(in_doubt);
    findings.extend(doubts::unfolded(&survey));
    findings.extend(doubts::above(&dialect, &choices));
    findings.extend(doubts::merged(&survey));
    findings.extend(opposite);
    findings.sort_by_key(|finding| finding.level);
    input.stop().check()?;
    let plan = checks::apply(&survey.facts, &choices.apply, &knowledge);
    let reader = Reader::of(layout, rule, &choices);
    let problems = second_pass(input, &choices.read_as, &reader, &survey, &mut findings)?;
    checks::name_texts(&mut findings);
    if scored {
        for row in &mut survey.preview {
            let place = survey.facts.binary_search_by_key(&(row.row as u32), |facts| facts.row);
            row.score = place.ok().map(|place| survey.facts[place].score);
        }
    }
    let rows = RowCount { read: survey.read, usable: plan.kept(), bad: survey.bad, fixed_out: plan.dropped() };
    let mut blocked_by: Vec<_> = asked.into_iter().filter(|(asked, _)| *asked).map(|(_, code)| code).collect();
    if rows.bad > 0 && choices.on_bad_row == OnBadRow::Fail {
        blocked_by.push("rows_have_problems");
    } else if rows.usable == 0 {
        blocked_by.push("no_rows");
    }
    Ok(Inspection {
        kind: Some(kind),
        rows,
        scale: scored.then(|| scale_facts(&survey, &reader.rule, said.scale.is_some())),
        lowest_means: meaning,
        histogram: scored.then(|| histogram(&survey.facts, &plan, context.scores, scale)),
        problems: problems.shown,
        problems_total: problems.total,
        findings,
        blocked_by,
        facts: std::mem::take(&mut survey.facts),
        plan,
        ..unclear(survey, dialect, choices, context)
    })
}

/// A table in which the texts were not found: nothing is chosen beforehand.
fn unclear(survey: Survey, dialect: Dialect, choices: TableOptions, context: &InspectContext) -> Inspection {
    let names: Vec<String> = survey.found.unread.iter().map(|&place| called(&survey.columns[place])).collect();
    let taxonomy = survey.found.taxonomy;
    let unread = (!names.is_empty()).then(|| doubts::unread(&names));
    let asked = taxonomy.then(doubts::taxonomy).into_iter().chain(unread).chain(doubts::encoding(&dialect)).collect();
    let blocked = match (survey.read, taxonomy) {
        (0, _) => "no_rows",
        (_, true) => "is_taxonomy",
        (_, false) => "columns_unclear",
    };
    Inspection {
        dialect,
        columns: survey.columns,
        kind: None,
        rows: RowCount { read: survey.read, bad: survey.bad, ..RowCount::default() },
        scale: None,
        lowest_means: None,
        histogram: None,
        problems: Vec::new(),
        problems_total: 0,
        findings: asked,
        preview: survey.preview,
        blocked_by: vec![blocked],
        choices,
        facts: Vec::new(),
        plan: Plan::default(),
        unfolded: survey.unfolded.0 > 0,
        scores: context.scores,
    }
}

/// How a column can be named: by its name, or by its number.
fn called(column: &ColumnFacts) -> String {
    column.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| column.number.to_string())
}

/// A table all of whose scores are 0 or 1 is one of classes, unless somebody said that it is not.
fn kind(found: TableKind, said: Option<TableKind>, facts: &[RowFacts]) -> TableKind {
    let classes = !facts.is_empty() && facts.iter().all(|row| row.score == 0.0 || row.score == 1.0);
    if found.scored() && said.is_none() && classes { TableKind::PairClass } else { found }
}

fn knowledge(context: &InspectContext, survey: &Survey, kind: TableKind, choices: &TableOptions) -> Knowledge {
    Knowledge {
        kind,
        lowest_means: choices.lowest_means,
        own_scale: context.scores == Scores::Any,
        unusable: survey.bad,
        unusable_skipped: choices.on_bad_row == OnBadRow::Skip,
        dates: survey.kinds.dates,
        dates_read: choices.apply.contains(&Fix::DatesAsFractions),
        languages: Some(survey.languages.found()),
        ..context.knowledge.clone()
    }
}

/// What the lowest score means, as far as it was said or is known of these scores.
fn meaning(said: &TableOptions, survey: &Survey, scale: Scale) -> Meaning {
    let found = &survey.kinds;
    let only_numbers = found.percents + found.fractions + found.words == 0;
    let plain = scale.lowest == 0.0 && scale.highest == 1.0;
    let recognised = only_numbers && plain && survey.numbers.are_angular();
    let (value, why) = match said.lowest_means {
        Some(value) => (Some(value), Some(Why::Said)),
        None if recognised => (Some(LowestMeans::Angular), Some(Why::Recognised)),
        None => (None, None),
    };
    let target = |lowest, middle| Targets { lowest, middle, highest: 1.0 };
    let targets = BTreeMap::from([
        ("unrelated", target(0.0, 0.5)),
        ("opposite", target(-1.0, 0.0)),
        // 1 - acos(cosine) / pi is 0.5 where the cosine is 0.
        ("angular", target(-1.0, 0.0)),
    ]);
    Meaning { value, why, question: value.is_none(), targets }
}

fn scale_facts(survey: &Survey, rule: &Rule, said: bool) -> ScaleFacts {
    let value = |(value, rows): (&String, usize)| {
        let becomes = rule.read(value, false).ok();
        ScoreValue { value: value.clone(), rows, becomes }
    };
    let mut values: Vec<ScoreValue> = survey.frequent().into_iter().map(value).collect();
    values.sort_by(|one, other| {
        let key = |value: &ScoreValue| value.becomes.unwrap_or(f64::INFINITY);
        key(one).total_cmp(&key(other)).then_with(|| one.value.cmp(&other.value))
    });
    ScaleFacts {
        lowest: rule.scale.lowest,
        highest: rule.scale.highest,
        why: if said { Why::Said } else { Why::Content },
        found: survey.kinds,
        words: rule.words.clone(),
        values,
    }
}

/// The scores of the pairs that would be stored.
fn histogram(facts: &[RowFacts], plan: &Plan, scores: Scores, scale: Scale) -> Histogram {
    let kept = || (0..facts.len()).filter_map(|place| plan.of(place));
    let (mut lowest, mut highest) = (0.0, 1.0);
    if scores == Scores::Any {
        (lowest, highest) = kept().fold(scale.ends(), |(low, high), score| (low.min(score), high.max(score)));
    }
    let mut counts = vec![0; 10];
    for score in kept() {
        let bin = ((score - lowest) / (highest - lowest) * 10.0) as usize;
        counts[bin.min(9)] += 1;
    }
    let edges = (0..=10).map(|edge| lowest + (highest - lowest) * f64::from(edge) / 10.0).collect();
    Histogram { edges, counts }
}

/// The second pass: what is wrong with the rows that are not among the facts, and the findings' examples. It ends where
/// nothing more is wanted.
fn second_pass(
    input: &Input,
    read_as: &FileOptions,
    reader: &Reader,
    survey: &Survey,
    findings: &mut [Finding],
) -> Result<Problems, Problems> {
    let mut problems = Problems::default();
    let wanted: BTreeSet<usize> = findings.iter().flat_map(|finding| finding.places.iter().copied()).collect();
    if wanted.is_empty() && survey.bad == 0 {
        return Ok(problems);
    }
    let mut texts: BTreeMap<usize, [String; 2]> = BTreeMap::new();
    let (mut place, mut bad) = (0, 0);
    for row in Source::open(input, read_as)? {
        if texts.len() == wanted.len() && bad == survey.bad {
            break;
        }
        let row = match row {
            Ok(row) => row,
            Err(Fault::Row(problem)) => {
                bad += 1;
                problems.push(problem);
                continue;
            }
            Err(Fault::Table(problems)) => return Err(problems),
        };
        let is_pair = || matches!(reader.read(&row), Outcome::Pair(..));
        let expected = survey.facts.get(place).is_some_and(|facts| facts.row as usize == row.row);
        // Of a row that became several, some may be of no use.
        if expected && (survey.unfolded.0 == 0 || is_pair()) {
            if wanted.contains(&place) {
                let pair = reader.pair(&row, 0.0);
                texts.insert(place, [beginning(&pair.left), beginning(&pair.right)]);
            }
            place += 1;
        } else if !is_blank(&row.cells) {
            bad += 1;
            if let Outcome::Bad(wrong) = reader.read(&row) {
                wrong.into_iter().for_each(|problem| problems.push(problem));
            }
        }
    }
    let example = |place: &usize| {
        let [left, right] = texts.get(place)?.clone();
        let facts = survey.facts.get(*place)?;
        Some(Example { row: facts.row as usize, line: facts.line as usize, left, right, score: facts.score })
    };
    for finding in findings {
        finding.examples = finding.places.iter().filter_map(example).collect();
    }
    Ok(problems)
}

fn beginning(text: &str) -> String {
    text.chars().take(200).collect()
}
