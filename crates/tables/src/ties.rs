//! What hangs together.

use std::collections::BTreeMap;

/// The connected components of rows, each list of rows being tied (union-find).
pub fn tie<'a>(rows: usize, ties: impl Iterator<Item = &'a [usize]>) -> Vec<Vec<usize>> {
    fn root(parent: &mut [usize], mut row: usize) -> usize {
        while parent[row] != row {
            parent[row] = parent[parent[row]];
            row = parent[row];
        }
        row
    }
    let mut parent: Vec<usize> = (0..rows).collect();
    for tied in ties {
        for pair in tied.windows(2) {
            let (a, b) = (root(&mut parent, pair[0]), root(&mut parent, pair[1]));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in 0..rows {
        groups.entry(root(&mut parent, row)).or_default().push(row);
    }
    groups.into_values().collect()
}
