use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::choices::LowestMeans;
use crate::tests::{pairs_of, public_data};

/// Rows of a plain table; `None` where the public data is not there.
fn public(file: &str, header: bool) -> Option<Vec<Pair>> {
    let bytes = public_data(file)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(header).from_reader(&bytes[..]);
    let records = reader.records().map(Result::unwrap).enumerate();
    let pair = |(place, record): (usize, csv::StringRecord)| Pair {
        left: record[0].to_owned(),
        right: record[1].to_owned(),
        negative: None,
        score: record[2].parse().unwrap(),
        row: place + 1 + usize::from(header),
    };
    Some(records.map(pair).collect())
}

fn facts(pairs: &[Pair]) -> Vec<RowFacts> {
    pairs.iter().map(|pair| RowFacts::of(pair, pair.row, None)).collect()
}

fn stsb(language: &str) -> Option<(Vec<RowFacts>, Knowledge)> {
    let mut train = public(&format!("sts/stsb-{language}-train.csv"), false)?;
    train.iter_mut().for_each(|pair| pair.score /= 5.0);
    let dev = facts(&public(&format!("sts/stsb-{language}-dev.csv"), false)?);
    let benchmark: HashSet<u64> = dev.iter().map(|row| pair_key(row.left, row.right)).collect();
    let mut languages = Languages::default();
    train.iter().for_each(|pair| languages.add(&pair.left, &pair.right));
    Some((
        facts(&train),
        Knowledge { benchmark: benchmark.into(), languages: Some(languages.found()), ..Knowledge::default() },
    ))
}

fn found<'a>(findings: &'a [Finding], code: &str) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.code == code)
}

fn counts(findings: &[Finding], code: &str) -> (usize, usize) {
    found(findings, code).map_or((0, 0), |finding| (finding.count, finding.rows))
}

fn told(findings: &[Finding]) -> Vec<&str> {
    let languages = found(findings, "languages").unwrap().facts["languages"].as_array().unwrap();
    languages.iter().map(|language| language["code"].as_str().unwrap()).collect()
}

#[test]
fn the_japanese_benchmarks_training_part_has_the_published_counts() {
    let Some((rows, knowledge)) = stsb("ja") else { return };
    let findings = run(&rows, &knowledge);
    assert_eq!(counts(&findings, "identical_texts"), (37, 37));
    assert_eq!(counts(&findings, "repeated_pairs"), (64, 140));
    assert_eq!(counts(&findings, "contradicting_scores"), (29, 65));
    assert_eq!(counts(&findings, "benchmark_overlap"), (13, 24));
    assert_eq!(counts(&findings, "damaged_text"), (0, 0));
    let identical = found(&findings, "identical_texts").unwrap();
    assert!(identical.places.contains(&2043), "row 2044 is scored 3.2 of 5");
    assert_eq!(told(&findings), ["ja"]);
}

#[test]
fn the_english_benchmarks_training_part_has_the_published_counts() {
    let Some((rows, knowledge)) = stsb("en") else { return };
    let findings = run(&rows, &knowledge);
    assert_eq!(counts(&findings, "repeated_pairs"), (47, 104));
    assert_eq!(counts(&findings, "contradicting_scores"), (13, 31));
    assert_eq!(counts(&findings, "benchmark_overlap"), (7, 11));
    assert_eq!(counts(&findings, "identical_texts"), (1, 1));
    let damaged = found(&findings, "damaged_text").unwrap();
    assert!(damaged.places.contains(&4106), "row 4107 has `Stalloneâ€™s`");
    assert_eq!(told(&findings), ["en"]);
}

#[test]
fn the_tutorials_file_shows_its_hub_its_order_and_its_repeated_pair() {
    let Some(pairs) = public("tutorial/training_data.csv", true) else { return };
    let rows = facts(&pairs);
    let mut languages = Languages::default();
    pairs.iter().for_each(|pair| languages.add(&pair.left, &pair.right));
    let languages = Some(languages.found());
    let knowledge = Knowledge { lowest_means: Some(LowestMeans::Angular), languages, ..Knowledge::default() };
    let findings = run(&rows, &knowledge);
    assert_eq!(told(&findings), ["it", "en", "nl", "fr"]);
    assert_eq!(counts(&findings, "repeated_pairs"), (1, 2));
    assert_eq!(found(&findings, "hub_text").unwrap().facts["rows"], 62);
    assert_eq!(found(&findings, "sorted_by_score").unwrap().facts["order"], "blocks");
    assert_eq!(counts(&findings, "stray_characters"), (2, 2));
    assert_eq!(found(&findings, "stray_characters").unwrap().places, [7, 63]);
    assert_eq!(found(&findings, "nothing_below_middle").unwrap().level, Level::Info);
    assert_eq!(found(&run(&rows, &Knowledge::default()), "nothing_below_middle").unwrap().level, Level::Warning);
    assert_eq!(apply(&rows, &BTreeSet::from([Fix::DropRepeats]), &knowledge).dropped(), 1);
}

fn table(rows: &[(&str, &str, f64)]) -> Vec<RowFacts> {
    facts(&pairs_of(rows))
}

fn fates(rows: &[RowFacts], fixes: &[Fix]) -> Vec<Option<f64>> {
    let plan = apply(rows, &fixes.iter().copied().collect(), &Knowledge::default());
    let fates: Vec<Option<f64>> = (0..rows.len()).map(|place| plan.of(place)).collect();
    assert_eq!(plan.kept(), fates.iter().flatten().count());
    assert_eq!(plan.kept() + plan.dropped(), rows.len());
    fates
}

#[test]
fn a_contradiction_is_settled_as_somebody_says() {
    let rows = table(&[("a", "b", 0.25), ("x", "y", 0.5), ("b", "a", 0.75), ("a", "b", 0.25), ("y", "x", 0.5)]);
    let (low, middle, high) = (Some(0.25), Some(0.5), Some(0.75));
    assert_eq!(fates(&rows, &[]), [low, middle, high, low, middle]);
    assert_eq!(fates(&rows, &[Fix::DropRepeats]), [low, middle, high, None, None]);
    assert_eq!(fates(&rows, &[Fix::KeepFirstContradiction]), [low, middle, None, None, middle]);
    let mean = Some(1.25 / 3.0);
    assert_eq!(fates(&rows, &[Fix::AverageContradictions, Fix::DropRepeats]), [mean, middle, None, None, None]);
    let all = [Fix::AverageContradictions, Fix::KeepFirstContradiction, Fix::DropContradictions];
    assert_eq!(fates(&rows, &all), [None, middle, None, None, middle]);
}

#[test]
fn identical_texts_that_are_raised_agree_with_each_other() {
    let rows = table(&[("a", "a", 0.6), ("ａ", "a ", 0.8), ("a", "b", 0.2)]);
    assert_eq!(fates(&rows, &[Fix::RaiseIdentical]), [Some(1.0), Some(1.0), Some(0.2)]);
    assert_eq!(
        fates(&rows, &[Fix::RaiseIdentical, Fix::DropContradictions, Fix::DropRepeats]),
        [Some(1.0), None, Some(0.2)]
    );
    assert_eq!(fates(&rows, &[Fix::DropIdentical, Fix::RaiseIdentical]), [None, None, Some(0.2)]);
}

#[test]
fn damaged_rows_and_the_benchmarks_pairs_go_where_somebody_says_so() {
    let rows = table(&[("donnÃ©es", "data", 0.9), ("a", "b", 0.2), ("c", "d", 0.4)]);
    let benchmark = HashSet::from([pair_key(text_key("b"), text_key("a"))]);
    let knowledge = Knowledge { benchmark: benchmark.into(), ..Knowledge::default() };
    let fixes = BTreeSet::from([Fix::DropDamaged, Fix::DropBenchmarkPairs]);
    let plan = apply(&rows, &fixes, &knowledge);
    assert_eq!([plan.of(0), plan.of(1), plan.of(2), plan.of(3)], [None, None, Some(0.4), None]);
}

#[test]
fn triplets_repeat_where_all_three_texts_do() {
    let triplet = |negative: &str, row| Pair {
        left: "q".to_owned(),
        right: "p".to_owned(),
        negative: Some(negative.to_owned()),
        score: 1.0,
        row,
    };
    let rows = facts(&[triplet("one", 2), triplet("two", 3), triplet("one ", 4)]);
    let knowledge = Knowledge { kind: TableKind::Triplet, ..Knowledge::default() };
    let findings = run(&rows, &knowledge);
    assert_eq!(counts(&findings, "repeated_pairs"), (1, 2));
    assert!(found(&findings, "contradicting_scores").is_none() && found(&findings, "one_score_only").is_none());
    assert_eq!(apply(&rows, &BTreeSet::from([Fix::DropRepeats]), &knowledge).of(2), None);
    assert_eq!(apply(&rows, &BTreeSet::from([Fix::DropRepeats]), &knowledge).of(1), Some(1.0));
}

#[test]
fn errors_stand_first_and_each_finding_says_what_to_do() {
    let rows = table(&[("a", "b", 0.9), ("b", "a", 0.8), ("c", "c", 0.7), (" d", "e", 0.6)]);
    let knowledge = Knowledge { unusable: 3, dates: 1, ..Knowledge::default() };
    let findings = run(&rows, &knowledge);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(
        codes,
        [
            "rows_unusable",
            "dates_as_scores",
            "too_few_pairs",
            "nothing_below_middle",
            "contradicting_scores",
            "identical_texts",
            "repeated_pairs",
            "stray_characters"
        ]
    );
    assert_eq!(findings[0].message, "3 of 7 rows are of no use yet.");
    assert!(findings.iter().all(|finding| !finding.hint.is_empty() && finding.places.len() <= MOST_EXAMPLES));
    let settled = Knowledge { unusable: 3, unusable_skipped: true, dates: 1, dates_read: true, ..Knowledge::default() };
    let levels: Vec<Level> = run(&rows, &settled).iter().take(2).map(|finding| finding.level).collect();
    assert_eq!(levels, [Level::Error, Level::Warning], "only too_few_pairs still blocks");
}

#[test]
fn scores_that_never_differ_and_scores_that_only_rise_are_seen() {
    let texts: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    let rows = |score: &dyn Fn(usize) -> f64| {
        let rows: Vec<_> = texts.iter().enumerate().map(|(place, text)| (text.as_str(), "x", score(place))).collect();
        run(&table(&rows), &Knowledge::default())
    };
    let same = rows(&|_| 0.8);
    assert!(found(&same, "one_score_only").is_some() && found(&same, "sorted_by_score").is_none());
    let rising = rows(&|place| place as f64 / 30.0);
    assert_eq!(found(&rising, "sorted_by_score").unwrap().facts["order"], "rising");
    assert!(found(&rows(&|place| (place * 7 % 30) as f64 / 30.0), "sorted_by_score").is_none());
}

#[test]
fn the_hub_is_named_once_its_row_is_there() {
    let texts: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    let rows: Vec<_> = texts.iter().map(|text| (text.as_str(), "nurse", 0.1)).collect();
    let mut findings = run(&table(&rows), &Knowledge::default());
    let hub = findings.iter_mut().find(|finding| finding.code == "hub_text").unwrap();
    hub.examples.push(Example { row: 2, line: 2, left: "0".to_owned(), right: "nurse".to_owned(), score: 0.1 });
    name_texts(&mut findings);
    assert_eq!(found(&findings, "hub_text").unwrap().message, "\"nurse\" stands in 30 of 30 rows (100 %).");
}

#[test]
fn texts_are_the_same_whatever_their_width_and_blanks_but_not_their_capitals() {
    for (one, other) in [
        ("ＡＢＣ", "ABC"),
        ("ﾃﾞｰﾀ", "データ"),
        ("data\u{a0}analyst", "data analyst"),
        (" data  analyst\n", "data analyst"),
        ("営業　事務", "営業 事務"),
        ("e\u{301}", "é"),
        ("a\u{200b}b", "ab"),
    ] {
        assert_eq!(text_key(one), text_key(other), "{one:?} {other:?}");
    }
    assert_ne!(text_key("IT"), text_key("it"));
    assert_ne!(text_key("a b"), text_key("ab"));
    assert_ne!(pair_key(text_key("a"), text_key("a")), pair_key(text_key("b"), text_key("b")));
}

#[test]
fn mending_makes_one_blank_of_many_and_changes_nothing_else() {
    for (text, mended) in [
        (" Equine\u{a0}dental\u{a0}care \n", "Equine dental care"),
        ("a\r\n\tb", "a b"),
        ("営業　事務", "営業　事務"),
        ("　営業　　事務", "営業 事務"),
        ("\u{feff}a\u{7}b", "a b"),
        ("ＡＢＣ", "ＡＢＣ"),
        (" ", ""),
    ] {
        assert_eq!(mend(text), mended, "{text:?}");
        assert_eq!(text_key(text), text_key(mended), "{text:?}");
        assert_eq!(mend(mended), mended);
    }
    let stray = |text: &str| signs(text, "x", None).has(Signs::STRAY);
    assert!(stray("a\n") && stray("a\u{a0}b") && stray("\u{200b}a") && !stray("営業　事務") && !stray("a  b"));
}

#[test]
fn only_long_texts_are_asked_about_being_truncated() {
    let asked = std::cell::Cell::new(0);
    let is_truncated = |text: &str| {
        asked.set(asked.get() + 1);
        text.len() > 500
    };
    assert!(!signs("short", &"a".repeat(300), Some(&is_truncated)).has(Signs::TRUNCATED));
    assert!(signs(&"a".repeat(501), "short", Some(&is_truncated)).has(Signs::TRUNCATED));
    assert_eq!(asked.get(), 2);
}
