//! Scores in order.

/// The places of scores, the highest first; of equal ones the one that stands first.
pub(crate) fn order(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// The rank of each place in an order, from 0.
pub(crate) fn ranks(order: &[usize]) -> Vec<usize> {
    let mut ranks = vec![0; order.len()];
    order.iter().enumerate().for_each(|(rank, &place)| ranks[place] = rank);
    ranks
}
