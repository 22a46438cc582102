use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::ml::dataset::reading::LowestMeans;

/// Rows of a plain table; `None` where the public data is not there.
fn public(file: &str, header: bool) -> Option<Vec<Pair>> {
    let folder = std::env::var_os("SHAMISEN_TEST_DATA").map(std::path::PathBuf::from);
    let Some(bytes) = folder.and_then(|folder| std::fs::read(folder.join(file)).ok()) else {
        eprintln!("SKIPPED: {file} is not there (SHAMISEN_TEST_DATA names its folder)");
        return None;
    };
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
    Some((facts(&train), Knowledge { benchmark, languages: Some(languages.found()), ..Knowledge::default() }))
}

fn found<'a>(findings: &'a [Finding], code: &str) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.code == code)
}

fn counts(findings: &[Finding], code: &str) -> (usize, usize) {
    found(findings, code).map_or((0, 0), |finding| (finding.count, finding.rows))
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
    println!("{findings:#?}");
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
    for finding in &findings {
        println!("{:?} {} {}", finding.level, finding.message, finding.hint);
    }
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
    for finding in &findings {
        println!("{:?} {} {}", finding.level, finding.message, finding.hint);
    }
    assert_eq!(counts(&findings, "repeated_pairs"), (1, 2));
    assert_eq!(found(&findings, "hub_text").unwrap().facts["rows"], 62);
    assert_eq!(found(&findings, "sorted_by_score").unwrap().facts["order"], "blocks");
    assert_eq!(counts(&findings, "stray_characters"), (2, 2));
    assert_eq!(found(&findings, "stray_characters").unwrap().places, [7, 63]);
    assert_eq!(found(&findings, "nothing_below_middle").unwrap().level, Level::Info);
    assert_eq!(found(&run(&rows, &Knowledge::default()), "nothing_below_middle").unwrap().level, Level::Warning);
    assert_eq!(apply(&rows, &BTreeSet::from([Fix::DropRepeats]), &knowledge).dropped(), 1);
}
