//! What may be paired, drawn by the seed one after another: nothing is held of what is not asked for.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;

use super::pairs::{Part, Purpose, Sides, Text, draws};
use super::recipe::Kind;
use crate::draws::{draw, shuffle};

/// Some of the concepts below some groups, each once. Of small groups all are there.
fn relatives(groups: &[u32], below: &HashMap<u32, Vec<u32>>, wanted: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    for members in groups.iter().filter_map(|group| below.get(group)) {
        if members.len() <= 8 * wanted {
            found.extend(members);
        } else {
            found.extend((0..4 * wanted).map(|_| members[draw(members.len(), rng)]));
        }
    }
    found.sort_unstable();
    found.dedup();
    shuffle(&mut found, rng);
    found
}

/// More candidates are drawn than are wanted, since some are there already or share a label.
const SPARE: usize = 8;
/// So often a stranger is drawn for each that is wanted.
const TRIES: usize = 16;

impl Sides<'_> {
    /// What a concept's label may be paired with, in an order that the seed draws; whether it fits is asked later.
    pub(super) fn candidates<'a>(
        &'a self,
        kind: Kind,
        concept: u32,
        side: &'a [u32],
    ) -> Box<dyn Iterator<Item = (Text, Text)> + 'a> {
        let left = Text { concept, part: Part::Label };
        let mut rng = draws(self.recipe.seed, Purpose::Candidates(kind), concept);
        let wanted = self.recipe.per_concept + SPARE;
        let labels =
            |others: Vec<u32>| others.into_iter().map(move |other| (left, Text { concept: other, part: Part::Label }));
        match kind {
            Kind::Description => Box::new(std::iter::once((left, Text { concept, part: Part::Description }))),
            Kind::Alternative => {
                let mut places: Vec<usize> = (0..self.concept(concept).alternatives.len()).collect();
                shuffle(&mut places, &mut rng);
                let text = move |place| (left, Text { concept, part: Part::Alternative(place) });
                Box::new(places.into_iter().map(text))
            }
            Kind::Sibling => {
                let above = &self.kinship.parents[concept as usize];
                Box::new(labels(relatives(above, &self.kinship.children, wanted, &mut rng)))
            }
            Kind::Cousin => {
                let above = &self.kinship.grandparents[concept as usize];
                Box::new(labels(relatives(above, &self.kinship.grandchildren, wanted, &mut rng)))
            }
            Kind::Far | Kind::HardNegative => Box::new(self.strangers(left, side, rng)),
        }
    }

    /// Concepts drawn from a whole side: their labels, or every other one's description where descriptions are
    /// asked for, as in the tutorial's file.
    fn strangers<'a>(
        &'a self,
        left: Text,
        side: &'a [u32],
        mut rng: ChaCha8Rng,
    ) -> impl Iterator<Item = (Text, Text)> + 'a {
        let described = self.recipe.targets.description.is_some();
        let tries = TRIES * (self.recipe.per_concept + 1);
        (0..tries).map(move |_| {
            let concept = side[draw(side.len(), &mut rng)];
            let even = draw(2, &mut rng) == 0;
            let describe = even && described && self.concept(concept).description.is_some();
            (left, Text { concept, part: if describe { Part::Description } else { Part::Label } })
        })
    }
}
