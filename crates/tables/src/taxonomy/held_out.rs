//! Which concepts are kept from training: whole groups, so that what a model is asked about it has not seen.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;

use super::kinship::Kinship;
use super::recipe::HeldOut;
use crate::draws::shuffle;
use crate::problems::Problems;

/// By concept: whether it is kept from training. With a share, what is drawn are groups of siblings and cousins
/// together (ISCO's minor groups), so that pairs of both kinds are among what is held out.
pub(super) fn held_out(kinship: &Kinship, wanted: &HeldOut, rng: &mut ChaCha8Rng) -> Result<Vec<bool>, Problems> {
    let concepts = kinship.parents.len();
    let held = match wanted {
        HeldOut::Nothing => return Ok(vec![false; concepts]),
        HeldOut::Groups(names) => {
            let groups =
                names.iter().map(|name| kinship.numbers.get(name.trim()).copied().ok_or_else(|| unknown(name)));
            let groups: BTreeSet<u32> = groups.collect::<Result<_, _>>()?;
            let within = |concept: u32| {
                groups.contains(&concept) || kinship.ancestors(concept).iter().any(|above| groups.contains(above))
            };
            (0..concepts as u32).map(within).collect()
        }
        HeldOut::Share(share) => drawn(kinship, *share, rng),
    };
    let count = held.iter().filter(|held| **held).count();
    if count == 0 || count == concepts {
        return Err(Problems::table(
            "held_out_unusable",
            format!("{count} of {concepts} concepts would be held out."),
            "Hold out a smaller or larger share (0.1 is usual), or name groups that are a part of the taxonomy.",
        ));
    }
    Ok(held)
}

fn unknown(name: &str) -> Problems {
    Problems::table(
        "held_out_unusable",
        format!("There is no group {name:?} in the taxonomy."),
        "Name groups by their id or code, as the column of parents has them.",
    )
}

fn drawn(kinship: &Kinship, share: f64, rng: &mut ChaCha8Rng) -> Vec<bool> {
    let concepts = kinship.parents.len();
    let mut units: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for concept in 0..concepts as u32 {
        let above = kinship.grandparents[concept as usize].first().or(kinship.parents[concept as usize].first());
        units.entry(*above.unwrap_or(&concept)).or_default().push(concept);
    }
    if units.len() == 1 {
        units = (0..concepts as u32).map(|concept| (concept, vec![concept])).collect();
    }
    let mut units: Vec<Vec<u32>> = units.into_values().collect();
    shuffle(&mut units, rng);
    let wanted = share * concepts as f64;
    let mut held = vec![false; concepts];
    let mut count = 0.0;
    for unit in units {
        // A group that is much too large is passed over for smaller ones.
        let with = count + unit.len() as f64;
        if count < wanted && (with <= 1.25 * wanted || with <= wanted + 1.0) {
            unit.into_iter().for_each(|concept| held[concept as usize] = true);
            count = with;
        }
    }
    held
}
