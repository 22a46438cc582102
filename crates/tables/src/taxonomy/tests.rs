//! What pairs are made of taxonomies.

use std::collections::HashSet;

use super::skos::tests as skos;
use super::table::tests::taxonomy;
use super::*;
use crate::Stop;
use crate::tests::public_data;

fn esco() -> Option<Taxonomy> {
    public_data("esco/esco-taxonomy.csv").map(|text| taxonomy(std::str::from_utf8(&text).unwrap()).unwrap())
}

fn made(taxonomy: &Taxonomy, recipe: &Recipe) -> Made {
    make(taxonomy, recipe, None, &Stop::NEVER).unwrap()
}

/// Pairs with both texts by key, the smaller first.
fn keys(pairs: &[MadePair]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|pair| {
            let (left, right) = (key(&pair.left), key(&pair.right));
            if left < right { (left, right) } else { (right, left) }
        })
        .collect()
}

fn texts(pairs: &[MadePair]) -> HashSet<String> {
    pairs.iter().flat_map(|pair| [key(&pair.left), key(&pair.right)]).collect()
}

/// Groups of occupations with so many in each.
fn invented(majors: usize, minors: usize, units: usize, each: usize) -> Taxonomy {
    let mut text = "id,parent,label,alt_labels,description\n".to_owned();
    for major in 1..=majors {
        for minor in 1..=minors {
            for unit in 1..=units {
                for place in 1..=each {
                    let code = format!("{major}{minor}{unit}");
                    // Every third shares an alternative label with the one of the next major group.
                    let shared = if place % 3 == 0 { format!("|common {minor} {unit} {place}") } else { String::new() };
                    text += &format!(
                        "{code}.{place},{code},job {code} {place},work {code} {place}{shared},Does {code} {place}.\n"
                    );
                }
            }
        }
    }
    taxonomy(&text).unwrap()
}

#[test]
fn escos_occupations_make_pairs_of_all_kinds() {
    let Some(esco) = esco() else { return };
    assert_eq!((esco.concepts.len(), esco.problems_total), (2345, 0));
    let made = made(&esco, &Recipe::default());
    println!("{:?} {:?}", made.counts, made.notes);
    assert_eq!(made.counts[&Kind::Description], 2345, "each has a description of its own");
    for kind in [Kind::Alternative, Kind::Sibling, Kind::Cousin, Kind::Far] {
        assert!((2500..=4690).contains(&made.counts[&kind]), "{kind:?}: {}", made.counts[&kind]);
    }
    let keys = keys(&made.pairs);
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "none twice, nor mirrored");
    let score = |kind| made.pairs.iter().find(|pair| pair.kind == kind).unwrap().score;
    assert_eq!(score(Kind::Description), 1.0);
    assert_eq!(score(Kind::Alternative), 0.746_816_688_893_364_9, "the tutorial's own number");
    assert_eq!(score(Kind::Far), 0.5);
}

#[test]
fn the_tutorials_recipe_makes_the_tutorials_three_kinds() {
    let Some(esco) = esco() else { return };
    let recipe = Recipe { targets: Targets::parse("tutorial").unwrap(), per_kind: Some(1000), ..Recipe::default() };
    let made = made(&esco, &recipe);
    assert_eq!(made.counts.values().copied().collect::<Vec<_>>(), [1000, 1000, 1000]);
    let mut out = Vec::new();
    write(&made.pairs, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("base,ref,similarity\n"));
    let scores: HashSet<&str> = text.lines().filter_map(|line| line.rsplit_once(',')).map(|(_, score)| score).collect();
    for score in ["1.0", "0.5", "0.7468166888933649"] {
        assert!(scores.contains(score), "{score}");
    }
}

#[test]
fn what_is_held_out_of_esco_is_in_no_training_pair() {
    let Some(esco) = esco() else { return };
    for held_out in [HeldOut::Share(0.1), HeldOut::Groups(vec!["25".to_owned(), "2654".to_owned(), "5".to_owned()])] {
        let made = made(&esco, &Recipe { held_out, seed: 5, ..Recipe::default() });
        assert!(made.held_out.len() > 500, "{}", made.held_out.len());
        assert!(made.held_out_counts.len() == 5, "{:?}", made.held_out_counts);
        assert!(texts(&made.pairs).is_disjoint(&texts(&made.held_out)));
    }
}

#[test]
fn the_same_seed_makes_the_same_file() {
    let taxonomy = invented(3, 2, 2, 6);
    let recipe = |seed| Recipe { seed, held_out: HeldOut::Share(0.2), ..Recipe::default() };
    assert_eq!(made(&taxonomy, &recipe(1)), made(&taxonomy, &recipe(1)));
    assert_ne!(made(&taxonomy, &recipe(1)).pairs, made(&taxonomy, &recipe(2)).pairs);
}

#[test]
fn kinds_are_what_the_groups_say() {
    let made = made(&invented(3, 2, 2, 4), &Recipe::default());
    let code = |text: &str| text.split(' ').nth(1).unwrap_or_default().trim_end_matches('.').to_owned();
    for pair in &made.pairs {
        let (left, right) = (code(&pair.left), code(&pair.right));
        match pair.kind {
            Kind::Sibling => assert_eq!(left, right),
            Kind::Cousin => assert!(left[..2] == right[..2] && left != right, "{pair:?}"),
            Kind::Far => assert_ne!(left[..1], right[..1]),
            Kind::Alternative if pair.right.starts_with("common") => {}
            _ => assert_eq!(left, right),
        }
    }
    assert_eq!(made.counts.len(), 5);
}

#[test]
fn no_concept_becomes_a_hub() {
    let recipe = Recipe { per_concept: 3, ..Recipe::default() };
    let made = made(&invented(4, 2, 2, 10), &recipe);
    let mut rows: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
    for pair in &made.pairs {
        *rows.entry((pair.kind, &pair.left)).or_default() += 1;
        *rows.entry((pair.kind, &pair.right)).or_default() += 1;
    }
    assert!(rows.values().all(|rows| *rows <= 6), "{:?}", rows.iter().max_by_key(|(_, rows)| **rows));
}

#[test]
fn a_cap_takes_of_each_concept_before_a_second_of_any() {
    let taxonomy = invented(2, 1, 1, 9);
    let made = made(&taxonomy, &Recipe { per_kind: Some(18), ..Recipe::default() });
    let lefts = made.pairs.iter().filter(|pair| pair.kind == Kind::Alternative).map(|pair| &pair.left);
    assert_eq!(lefts.collect::<HashSet<_>>().len(), 18);
    assert!(made.counts.values().all(|count| *count <= 18));
}

#[test]
fn a_taxonomy_in_skos_makes_the_same_pairs_in_both_forms() {
    let recipe = Recipe::default();
    let of = |text, form| {
        let made = made(&skos::taxonomy(text, form, None).unwrap(), &recipe);
        let mut pairs: Vec<_> = keys(&made.pairs).into_iter().zip(made.pairs.iter().map(|pair| pair.kind)).collect();
        pairs.sort();
        pairs
    };
    let turtle = of(skos::TURTLE, Form::Turtle);
    assert_eq!(turtle, of(skos::JSON_LD, Form::JsonLd));
    assert_eq!(turtle.len(), 4, "a description, two other names, one sibling: {turtle:?}");
}

#[test]
fn without_groups_it_is_said_that_nothing_is_unrelated() {
    let made = made(&taxonomy("label,alt_labels\na,b\nc,d\n").unwrap(), &Recipe::default());
    assert_eq!(made.counts[&Kind::Alternative], 2);
    assert!(made.notes[0].contains("no groups"), "{:?}", made.notes);
    let error = make(&taxonomy("label\na\nb\n").unwrap(), &Recipe::default(), None, &Stop::NEVER).unwrap_err();
    assert_eq!(error.code, "no_pairs_made");
}

#[test]
fn a_group_that_is_not_there_cannot_be_held_out() {
    let taxonomy = invented(2, 1, 1, 3);
    let of = |held_out| make(&taxonomy, &Recipe { held_out, ..Recipe::default() }, None, &Stop::NEVER).unwrap_err();
    assert!(of(HeldOut::Groups(vec!["nowhere".to_owned()])).what.contains("nowhere"));
    assert!(of(HeldOut::Groups(vec!["1".to_owned(), "2".to_owned()])).what.contains("6 of 6"));
}

#[test]
fn targets_are_read_and_refused_in_words() {
    let targets = Targets::parse("description=0.9, sibling=none").unwrap();
    assert_eq!((targets.description, targets.sibling, targets.far), (Some(0.9), None, Some(0.0)));
    for (text, said) in
        [("alternative=2", "between -1 and 1"), ("brother=1", "brother"), ("far", "far"), ("far=x", "far=x")]
    {
        let error = Targets::parse(text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_is_held_out_is_read_as_a_share_or_as_groups() {
    assert_eq!(HeldOut::parse("0.1"), Ok(HeldOut::Share(0.1)));
    assert_eq!(HeldOut::parse("25, 2654"), Ok(HeldOut::Groups(vec!["25".to_owned(), "2654".to_owned()])));
    assert_eq!(HeldOut::parse("25"), Ok(HeldOut::Groups(vec!["25".to_owned()])));
    assert!(HeldOut::parse("1.5").is_err());
}

#[test]
fn hard_negatives_share_no_group_and_look_alike() {
    let taxonomy = invented(3, 1, 2, 5);
    // The model sees the last number alone: "job 111 3" and "job 211 3" are the same to it but for a little.
    let mut model = |texts: &[&str]| -> Result<(Vec<f32>, usize), String> {
        let vectors = texts.iter().flat_map(|text| {
            let last = text.trim_end_matches('.').rsplit(' ').next().unwrap().parse::<f32>().unwrap();
            let turn = last
                + if text.starts_with("job 1") { 0.0 } else { 0.4 } * if text.starts_with("job") { 1.0 } else { 0.0 };
            [turn.cos(), turn.sin()]
        });
        Ok((vectors.collect(), 2))
    };
    let recipe = Recipe { per_concept: 1, ..Recipe::default() };
    let made = make(&taxonomy, &recipe, Some(&mut model), &Stop::NEVER).unwrap();
    let hard: Vec<&MadePair> = made.pairs.iter().filter(|pair| pair.kind == Kind::HardNegative).collect();
    assert!(hard.len() >= 5, "{}", hard.len());
    for pair in hard {
        assert_ne!(pair.left[..5], pair.right[..5], "another major group");
        if pair.left.starts_with("job 1") {
            assert_eq!(pair.left.rsplit(' ').next(), pair.right.rsplit(' ').next(), "alike to the model");
        }
        assert_eq!(pair.score, 0.5);
    }
    let error = make(&taxonomy, &recipe, Some(&mut |_: &[&str]| Err("no".to_owned())), &Stop::NEVER).unwrap_err();
    assert_eq!(error.code, "model_failed");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_crosses_whatever_the_taxonomy(
        rows in proptest::collection::vec((0..30_u8, 0..12_u8, 0..12_u8, 0..12_u8), 8..80),
        seed in 0..1000_u64,
        share in 0.05..0.6_f64,
        named in proptest::bool::ANY,
    ) {
        let mut text = "id,parent,label,alt_labels,description\n".to_owned();
        for (place, (parent, label, one, other)) in rows.iter().enumerate() {
            // Few words, so that concepts share labels; parents among codes and concepts, circles too.
            let parent = if parent % 3 == 0 { format!("c{parent}") } else { format!("{:02}", parent % 20) };
            text += &format!("c{place},{parent},word {label},word {one}|WORD  {other},about {place}\n");
        }
        let taxonomy = taxonomy(&text).unwrap();
        let groups = vec!["03".to_owned(), "c6".to_owned(), "1".to_owned()].into_iter();
        let groups: Vec<String> = groups.filter(|group| text.contains(&format!(",{group},")) || group == "1").collect();
        let held_out = if named { HeldOut::Groups(groups) } else { HeldOut::Share(share) };
        let recipe = Recipe { seed, held_out, ..Recipe::default() };
        if let Ok(made) = make(&taxonomy, &recipe, None, &Stop::NEVER) {
            proptest::prop_assert!(texts(&made.pairs).is_disjoint(&texts(&made.held_out)));
            let all = keys(&made.pairs);
            proptest::prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
            proptest::prop_assert!(all.iter().all(|(one, other)| one != other));
        }
    }
}

#[test]
fn a_number_out_of_bounds_is_refused_and_one_within_them_takes_no_memory_before_its_pairs() {
    let taxonomy = invented(3, 2, 2, 6);
    for per_concept in [0, 101, 100_000_000, usize::MAX] {
        let told = make(&taxonomy, &Recipe { per_concept, ..Recipe::default() }, None, &Stop::NEVER).unwrap_err();
        assert_eq!(told.code, "taxonomy_recipe_unusable");
        assert!(told.what.contains(&format!("per_concept {per_concept} is outside 1 to 100")), "{told}");
    }
    let told = make(&taxonomy, &Recipe { per_kind: Some(2_000_001), ..Recipe::default() }, None, &Stop::NEVER);
    assert!(told.unwrap_err().what.contains("per_kind 2000001 is outside 1 to 2000000"));
    let most = made(&taxonomy, &Recipe { per_concept: 100, ..Recipe::default() });
    // 72 concepts; each of the 6 of a group has 5 siblings.
    assert_eq!(most.counts[&Kind::Sibling], 72 * 5 / 2);
}

#[test]
fn pairs_that_nobody_wants_any_more_are_not_made() {
    let stop = Stop::new();
    stop.stop();
    let told = make(&invented(3, 2, 2, 6), &Recipe::default(), None, &stop).unwrap_err();
    assert_eq!(told.code, "deadline");
}

#[test]
fn more_pairs_than_a_table_may_have_are_refused() {
    // A description of 90,000 bytes, in forty pairs of each of two hundred concepts.
    let long = "x".repeat(90_000);
    let mut text = "id,parent,label,description\n".to_owned();
    for place in 0..200 {
        text += &format!("{}.{place},{}00,job {place},{long}{place}\n", place % 2 + 1, place % 2 + 1);
    }
    let recipe = Recipe { per_concept: 40, ..Recipe::default() };
    let told = make(&taxonomy(&text).unwrap(), &recipe, None, &Stop::NEVER).unwrap_err();
    assert_eq!(told.code, "too_many_rows");
}

#[test]
fn a_code_of_many_levels_and_a_cell_of_many_parents_are_told_and_left_out() {
    let deep = "1.".repeat(50_000) + "1";
    let read = taxonomy(&format!("id,parent,label\na,{deep},A\n{deep},,B\nb,g,C\nc,g,D\n")).unwrap();
    assert_eq!((read.concepts.len(), read.problems_total), (3, 2));
    assert_eq!(read.problems[0].code, "text_too_long");
    let many: Vec<String> = (0..200_000).map(|group| format!("g{group}")).collect();
    let read = taxonomy(&format!("id,parent,label\na,{},A\n", many.join("|"))).unwrap();
    assert_eq!((read.concepts[0].parents.len(), read.problems[0].code), (200, "too_many_parents"));
}

#[test]
fn a_prefix_that_stands_before_every_name_is_counted_each_time() {
    let prefix = format!("http://example.org/{}/", "x".repeat(60_000));
    let mut text = format!("@prefix p: <{prefix}> .\n@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n");
    for place in 0..3000 {
        text += &format!("p:{place} skos:prefLabel \"job {place}\"@en ; skos:broader p:top .\n");
    }
    let input = Input::bytes(text.into_bytes().into());
    let file = File { name: Some("a.ttl".to_owned()), input };
    let told = Taxonomy::read(&[file], &FileOptions::default(), None).unwrap_err();
    assert_eq!(told.code, "unpacks_too_large");
}
