//! Known values, and slopes against finite differences.

use super::scored::angle;
use super::*;
use crate::ml::pairs::TokenPair;

/// Columns without candidates.
fn columns(u: &Tensor, v: &Tensor, scores: &Tensor) -> Columns {
    let [left, right, scores] = [u, v, scores].map(Tensor::shallow_clone);
    Columns { left, right, negative: None, scores, candidates: None }
}

/// Rows in which no text stands twice, all positive or with scores, for in-batch contrast.
fn rows(scores: &[f64], triplets: bool) -> Vec<TokenPair> {
    let text = |row: usize, column: u32| vec![row as u32 * 10 + column];
    let row = |(row, &score): (usize, &f64)| TokenPair {
        left: text(row, 1),
        right: text(row, 2),
        negative: triplets.then(|| text(row, 3)),
        score,
        row,
        labels: None,
    };
    scores.iter().enumerate().map(row).collect()
}

fn candidates(rows: &[TokenPair], symmetric: bool) -> Candidates {
    Candidates::of(&rows.iter().collect::<Vec<_>>(), 0.7, symmetric, &|_, _| false)
}

/// Unit vectors with the given cosines: `u` and `v` `(B, 2)`.
fn pairs(cosines: &[f64]) -> (Tensor, Tensor) {
    let u: Vec<f64> = cosines.iter().flat_map(|_| [1.0, 0.0]).collect();
    let v: Vec<f64> = cosines.iter().flat_map(|&cosine| [cosine, (1.0 - cosine * cosine).sqrt()]).collect();
    (matrix(&u), matrix(&v))
}

fn value(kind: LossKind, cosines: &[f64], scores: &[f64]) -> f64 {
    let (u, v) = pairs(cosines);
    Loss::new(kind, None, None).compute(&columns(&u, &v, &Tensor::from_slice(scores))).double_value(&[])
}

#[test]
fn angular_similarity_of_known_cosines() {
    let known = [(-1.0, 0.001424), (-0.5, 0.333333), (0.0, 0.5), (0.5, 0.666667), (0.7, 0.746817), (1.0, 0.998576)];
    for (cosine, similarity) in known {
        let (u, v) = pairs(&[cosine]);
        assert!((angular_similarity(&u, &v).double_value(&[0]) - similarity).abs() < 1e-6, "{cosine}");
    }
}

#[test]
fn losses_have_their_known_values() {
    let known: [(LossKind, &[f64], &[f64], f64); 11] = [
        (LossKind::AngularMse, &[0.0], &[1.0], 0.25),
        (LossKind::AngularMse, &[0.5], &[0.5], 0.0277777778),
        (LossKind::CosineMse, &[0.5, 0.0], &[1.0, 0.5], 0.25),
        (LossKind::Cosent, &[0.2, 0.8], &[1.0, 0.0], 12.0000061442),
        (LossKind::Cosent, &[0.9, 0.5, 0.1], &[1.0, 0.5, 0.0], 0.0006708127),
        (LossKind::Cosent, &[0.1, 0.5, 0.9], &[1.0, 0.5, 0.0], 16.0006708127),
        (LossKind::Cosent, &[0.4, 0.4, 0.4], &[1.0, 0.5, 0.0], 1.3862943611),
        (LossKind::Cosent, &[0.4, 0.1], &[0.5, 0.5], 0.0),
        (LossKind::Contrastive, &[0.8], &[1.0], 0.02),
        (LossKind::Contrastive, &[0.8], &[0.0], 0.045),
        (LossKind::Contrastive, &[0.3], &[0.0], 0.0),
    ];
    for (kind, cosines, scores, expected) in known {
        let found = value(kind, cosines, scores);
        assert!((found - expected).abs() < 1e-8, "{kind:?} {cosines:?}: {found} is not {expected}");
    }
}

#[test]
fn online_contrastive_counts_only_the_hard_pairs() {
    // Distances: positives 0.1 and 0.6, negatives 0.3 and 0.9. Hard: 0.6 > 0.3 and 0.3 < 0.6.
    let found = value(LossKind::OnlineContrastive, &[0.9, 0.4, 0.7, 0.1], &[1.0, 1.0, 0.0, 0.0]);
    assert!((found - (0.36 + 0.04)).abs() < 1e-12, "{found}");
}

#[test]
fn cosent_in_sorted_order_is_the_sum_over_all_ordered_pairs() {
    let cosines: Vec<f64> = (0..40).map(|i| (f64::from(i) * 0.7).sin() * 0.9).collect();
    let scores: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 5) / 4.0).collect();
    let mut sum = 1.0;
    for i in 0..40 {
        for j in 0..40 {
            if scores[i] < scores[j] {
                sum += (20.0 * (cosines[i] - cosines[j])).exp();
            }
        }
    }
    assert!((value(LossKind::Cosent, &cosines, &scores) - sum.ln()).abs() < 1e-9);
}

#[test]
fn angles_similarity_of_equal_vectors_is_the_sum_of_the_halves() {
    // u = v: re = |u_k|^2 / |u|^2 for each k, im = 0, so the sum is 1.
    let u = Tensor::from_slice(&[0.5, 0.5, 0.5, 0.5]).reshape([1, 4]);
    assert!((angle(&u, &u).double_value(&[0]) - 1.0).abs() < 1e-12);
}

/// Unit vectors `(B, 6)` that have nothing regular about them.
fn unit(seed: f64, rows: i64) -> Tensor {
    let values: Vec<f64> = (0..rows * 6).map(|i| (seed + i as f64 * 1.3).sin()).collect();
    let x = Tensor::from_slice(&values).reshape([rows, 6]);
    &x / x.square().sum_dim_intlist([1].as_slice(), true, x.kind()).sqrt()
}

#[test]
fn every_loss_has_the_slope_of_its_finite_differences() {
    for info in &LOSSES {
        // With a margin that every row is within.
        let loss = Loss::new(info.name, None, (info.name == LossKind::Triplet).then_some(2.0));
        let binary = !info.tables.contains(&TableKind::PairScore) && info.tables.contains(&TableKind::PairClass);
        let scores: &[f64] = if binary { &[1.0, 0.0, 1.0, 0.0, 0.0] } else { &[0.9, 0.1, 0.8, 0.75, 0.2] };
        let triplets = info.tables.contains(&TableKind::Triplet);
        // In four dimensions no pair of these is on the wrong side of another.
        let hard = info.name == LossKind::OnlineContrastive;
        for &dimensions in if hard { &[6][..] } else { &[6, 4] } {
            let value = |u: &Tensor| {
                let batch = Columns {
                    negative: triplets.then(|| unit(2.3, 5)),
                    candidates: Some(candidates(&rows(scores, triplets), true)),
                    ..columns(u, &unit(1.1, 5), &Tensor::from_slice(scores))
                };
                loss.compute(&if dimensions < 6 { batch.truncate(dimensions) } else { batch })
            };
            let u = unit(0.2, 5).set_requires_grad(true);
            value(&u).backward();
            let slope = u.grad();
            assert!(slope.abs().max().double_value(&[]) > 1e-4, "{:?} has no slope to compare", info.name);
            for at in 0..30 {
                let moved = |step: f64| {
                    let x = u.detach().copy();
                    let _ = x.view([-1]).get(at).g_add_scalar_(step);
                    value(&x).double_value(&[])
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let found = slope.double_value(&[at / 6, at % 6]);
                assert!((found - difference).abs() < 1e-6, "{:?} at {at}: {found} is not {difference}", info.name);
            }
        }
    }
}

/// Vectors in the plane, `(B, 2)`.
fn matrix(flat: &[f64]) -> Tensor {
    Tensor::from_slice(flat).reshape([-1, 2])
}

/// Of vectors in the plane with these cosines between left and right texts.
fn contrast(left: &[f64], right: &[f64], rows: &[TokenPair], symmetric: bool) -> f64 {
    let batch = Columns {
        candidates: Some(candidates(rows, symmetric)),
        ..columns(&matrix(left), &matrix(right), &Tensor::from_slice(&vec![1.0; rows.len()]))
    };
    Loss::new(LossKind::Mnrl, None, None).compute(&batch).double_value(&[])
}

#[test]
fn mnrl_has_its_known_values() {
    let two = rows(&[1.0, 1.0], false);
    let identity = [1.0, 0.0, 0.0, 1.0];
    for symmetric in [false, true] {
        let found = contrast(&identity, &identity, &two, symmetric);
        // log(1 + e^-20), whose digits a plain logarithm of 1 + x loses from the eighth on.
        assert!((found / (-20.0_f64).exp().ln_1p() - 1.0).abs() < 1e-12, "{found}");
        assert!((found / 2.0611536900e-9 - 1.0).abs() < 1e-7, "{found}");
        let found = contrast(&[1.0, 0.0, 1.0, 0.0], &[1.0, 0.0, 1.0, 0.0], &two, symmetric);
        assert!((found - 2.0_f64.ln()).abs() < 1e-12, "{found}");
    }
    // Cosines 1, 0.6 / 0, 0.8: forward log(1 + e^-8), log(1 + e^-16); backward log(1 + e^-20), log(1 + e^-4).
    let (left, right) = ([1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.6, 0.8]);
    let softplus = |x: f64| x.exp().ln_1p();
    let forward = (softplus(-8.0) + softplus(-16.0)) / 2.0;
    let backward = (softplus(-20.0) + softplus(-4.0)) / 2.0;
    assert!((contrast(&left, &right, &two, false) - forward).abs() < 1e-12);
    assert!((contrast(&left, &right, &two, true) - (forward + backward) / 2.0).abs() < 1e-12);
}

#[test]
fn what_is_a_positive_elsewhere_in_the_batch_is_no_negative() {
    let pair = |left, right, score| TokenPair { left: vec![left], right: vec![right], score, ..TokenPair::default() };
    // Text 1 belongs to 11 and 12, so neither counts against the other; 13 does, and 14 of a row that is
    // no positive itself.
    let rows = [pair(1, 11, 1.0), pair(1, 12, 1.0), pair(3, 13, 1.0), pair(4, 14, 0.1)];
    let found = candidates(&rows, true);
    assert_eq!(found.positives, [0, 1, 2]);
    let (t, f) = (true, false);
    assert_eq!(found.right_out, [t, t, f, f, t, t, f, f, f, f, t, f]);
    // Looking for the left text of 11: 1 is its own, in both rows.
    assert_eq!(found.left_out, [t, t, f, f, t, t, f, f, f, f, t, f]);
    let guided = Candidates::of(&rows.iter().collect::<Vec<_>>(), 0.7, false, &|row, rival| {
        row == 0 && matches!(rival, Rival::Right(2))
    });
    assert_eq!(guided.right_out[..4], [t, t, t, f], "the guide's doubt is left out");
}

#[test]
fn a_triplets_negative_counts_and_the_margin_is_kept() {
    let batch = |negative: &[f64]| Columns {
        negative: Some(matrix(negative)),
        ..columns(&matrix(&[1.0, 0.0]), &matrix(&[0.6, 0.8]), &Tensor::from_slice(&[1.0]))
    };
    let value = |negative: &[f64]| Loss::new(LossKind::Triplet, None, None).compute(&batch(negative)).double_value(&[]);
    // |u - p| = sqrt(0.8); |u - n| = sqrt(2), 2.
    assert!((value(&[0.0, 1.0]) - (0.8_f64.sqrt() - 2.0_f64.sqrt() + 0.5).max(0.0)).abs() < 1e-9);
    assert_eq!(value(&[-1.0, 0.0]), 0.0);
}

#[test]
fn a_loss_refuses_tables_that_it_cannot_learn_from() {
    let score = TableKind::PairScore;
    assert!(LossKind::Cosent.objection(score, 0.5, 0.5, 1).is_some());
    assert!(LossKind::Cosent.objection(score, 0.4, 0.5, 2).is_none());
    assert!(LossKind::Contrastive.objection(TableKind::PairClass, 0.0, 1.0, 2).is_none());
    assert!(LossKind::Contrastive.objection(score, 0.0, 1.0, 3).is_some());
    assert!(LossKind::OnlineContrastive.objection(score, 0.5, 1.0, 2).is_some());
    assert!(LossKind::AngularMse.objection(score, 0.5, 0.5, 1).is_none());
    let reason = LossKind::AngularMse.objection(TableKind::Triplet, 1.0, 1.0, 1).unwrap();
    assert!(reason.contains("triplet") && reason.contains("mnrl"), "{reason}");
    assert!(LossKind::Triplet.objection(TableKind::PairPositive, 1.0, 1.0, 1).is_some());
    assert!(LossKind::Mnrl.objection(TableKind::PairPositive, 1.0, 1.0, 1).is_none());
}
