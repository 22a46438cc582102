use serde_json::json;
use tables::Pair;

use super::*;

fn pair(row: usize, score: f64) -> ScoredPair {
    let (left, right) = (format!("left {row}"), format!("right {row}"));
    ScoredPair { place: Some((row, row)), left, right, score }
}

/// Pairs of rows 2, 3, .. with these scores and cosines.
fn checked(of: &[(f64, f64)], meaning: Option<LowestMeans>) -> Baseline {
    let pairs: Vec<ScoredPair> = of.iter().enumerate().map(|(at, (score, _))| pair(at + 2, *score)).collect();
    let base: Vec<f64> = of.iter().map(|(_, base)| *base).collect();
    check(&pairs, &base, meaning)
}

/// Thirty pairs on which a model is right but for a small error.
fn known() -> Vec<(f64, f64)> {
    (0..30).map(|at| f64::from(at) / 29.0).map(|score| (score, 0.9 * score + 0.05)).collect()
}

#[test]
fn a_model_that_says_what_the_scores_say_needs_no_training() {
    let found = checked(&known(), Some(LowestMeans::Unrelated));
    assert_eq!((found.verdict, found.reason), (BaselineVerdict::ProbablyNot, BaselineReason::Agrees));
    assert!((found.agreement.pearson.unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(found.measured_by, MeasuredBy::LowestMeans);
    assert!(found.message.contains("agrees with your scores at 1.00"), "{}", found.message);
}

#[test]
fn a_cut_that_parts_all_pairs_is_found_in_the_widest_gap() {
    let mut of = vec![(0.5, 0.1), (0.5, 0.3), (0.5, 0.2), (0.7468166888933649, 0.9), (0.7468166888933649, 0.44)];
    of.extend([(1.0, 0.5), (1.0, 0.46), (0.5, 0.25), (0.5, 0.15), (0.7468166888933649, 0.6)]);
    let found = checked(&of, Some(LowestMeans::Angular));
    let separation = found.separation.unwrap();
    assert_eq!((separation.related, separation.unrelated), (5, 5));
    assert_eq!((separation.right, separation.of, separation.wrongly), (10, 10, 0));
    assert!((separation.threshold - 0.37).abs() < 1e-12 && (separation.auc - 1.0).abs() < 1e-12);
    assert_eq!((found.verdict, found.reason), (BaselineVerdict::WorthIt, BaselineReason::SeparatesWithGaps));
    // Wanted 1, the model says 0.46: row 8 of the file.
    assert_eq!(found.gaps[0].row, 8);
    assert!((found.gaps[0].gap - 0.54).abs() < 1e-9 && (found.gaps[0].wanted - 1.0).abs() < 1e-9);
    assert!(found.message.contains("in 10 of 10 pairs (cut at 0.37)"), "{}", found.message);
}

#[test]
fn a_few_scores_against_everything_else_look_like_mistakes() {
    let mut of = known();
    of[0] = (1.0, 0.05);
    let found = checked(&of, Some(LowestMeans::Unrelated));
    assert_eq!((found.verdict, found.reason), (BaselineVerdict::LookAtData, BaselineReason::FewMistakes));
    assert_eq!(found.facts["mistakes"], json!([2]));
    assert!(found.hint.starts_with("Look at row 2 first"), "{}", found.hint);
    assert_eq!(found.gaps[0].row, 2);
}

#[test]
fn a_model_that_cannot_tell_the_pairs_apart_has_something_to_learn() {
    let of: Vec<(f64, f64)> = (0..40).map(|at| (f64::from(at % 2), 0.3 + f64::from((at * 7) % 10) / 25.0)).collect();
    let found = checked(&of, Some(LowestMeans::Unrelated));
    assert_eq!((found.verdict, found.reason), (BaselineVerdict::WorthIt, BaselineReason::Gaps));
    let separation = found.separation.unwrap();
    assert!(separation.right < separation.of && separation.auc > 0.2 && separation.auc < 0.8);
}

#[test]
fn scores_that_tell_nothing_or_run_backwards_send_the_user_to_the_data() {
    let reason = |of: &[(f64, f64)]| {
        let found = checked(of, Some(LowestMeans::Unrelated));
        assert_eq!(found.verdict, BaselineVerdict::LookAtData);
        found.reason
    };
    let same: Vec<(f64, f64)> = known().iter().map(|(_, base)| (1.0, *base)).collect();
    assert_eq!(reason(&same), BaselineReason::OneScore);
    let reversed: Vec<(f64, f64)> = known().iter().map(|(score, base)| (1.0 - score, *base)).collect();
    assert_eq!(reason(&reversed), BaselineReason::Reversed);
    assert_eq!(reason(&known()[..9]), BaselineReason::FewPairs);
    assert_eq!(reason(&[]), BaselineReason::FewPairs);
}

#[test]
fn without_a_meaning_gaps_are_measured_from_the_straight_line() {
    // On the line 0.1 + 0.15 score of a scale from 0 to 5, but for one pair.
    let mut of: Vec<(f64, f64)> =
        (0..60).map(|at| f64::from(at % 6)).map(|score| (score, 0.1 + 0.15 * score)).collect();
    of[10].1 = 0.4;
    let found = checked(&of, None);
    assert_eq!(found.measured_by, MeasuredBy::StraightLine);
    assert_eq!(found.gaps[0].row, 12);
    assert!(found.gaps[0].gap > 0.25 && found.gaps[1].gap < 0.05, "{:?}", &found.gaps[..2]);
    assert!(found.hint.contains("straight line"), "{}", found.hint);
}

#[test]
fn pairs_in_the_very_middle_are_neither_related_nor_unrelated() {
    let found = checked(&[(0.0, 0.1), (0.5, 0.9), (1.0, 0.8)], Some(LowestMeans::Unrelated));
    assert_eq!(found.separation.map(|separation| separation.of), Some(2));
    let pairs = [pair(2, 1.0), pair(3, 1.0)];
    assert_eq!(related(&pairs, Some(LowestMeans::Unrelated)), [Some(true), Some(true)]);
    let high = [pair(2, 1.0), pair(3, 0.8), pair(4, 0.2)];
    assert_eq!(related(&high, Some(LowestMeans::Unrelated)), [Some(true), Some(true), Some(false)]);
    assert_eq!(related(&high, Some(LowestMeans::Opposite)), [Some(true), Some(true), Some(false)]);
}

#[test]
fn triplets_ask_two_questions_and_positives_are_joined_by_strangers() {
    let texts = |row: usize, negative: Option<&str>| {
        let (left, right) = (format!("l{row}"), format!("r{row}"));
        let pair = Pair { left, right, negative: negative.map(str::to_owned), score: 1.0, row };
        StoredPair { pair, line: row + 1 }
    };
    let triplets = scored_pairs(&[texts(2, Some("n2")), texts(3, Some("n3"))], TableKind::Triplet);
    let told: Vec<_> = triplets.iter().map(|pair| (pair.place, &*pair.right, pair.score)).collect();
    let expected = [(2, 3, "r2", 1.0), (3, 4, "r3", 1.0), (2, 3, "n2", 0.0), (3, 4, "n3", 0.0)]
        .map(|(row, line, right, score)| (Some((row, line)), right, score));
    assert_eq!(told, expected);
    let positives: Vec<_> = (2..6).map(|row| texts(row, None)).collect();
    let positives = scored_pairs(&positives, TableKind::PairPositive);
    assert_eq!(positives.len(), 8);
    assert!(positives[4..].iter().all(|pair| pair.place.is_none() && pair.score == 0.0));
    assert_eq!((&*positives[4].left, &*positives[4].right), ("l2", "r4"));
}
