//! Pairs out of a taxonomy, each with the similarity that its place in the taxonomy asks for.
//!
//! Labels with their descriptions and their alternative labels belong together; labels of one group are somewhat
//! alike; labels that share no group are not. How alike each kind is taken to be is a [`Targets`](super::Targets): cosines,
//! written as angular similarities (`1 - acos(cosine) / pi`), the form of the tutorial's own file.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::held_out::held_out;
use super::kinship::{Kin, Kinship};
use super::recipe::{KINDS, Kind, Recipe};
use super::{Concept, Taxonomy};
use crate::choices::name_of;
use crate::draws::shuffle;
use crate::mining::{Anchor, Mining, hard_negatives};
use crate::pair::MOST_ROWS;
use crate::problems::Problems;
use crate::similarity::Similarity;
use crate::stop::Stop;

/// Two texts and how alike they are to be.
#[derive(Clone, Debug, PartialEq)]
pub struct MadePair {
    /// A concept's label.
    pub left: String,
    /// A description, or a label.
    pub right: String,
    /// Why they are a pair.
    pub kind: Kind,
    /// The angular similarity, 0 to 1.
    pub score: f64,
}

/// How many pairs of each kind there are.
pub type Counts = BTreeMap<Kind, usize>;

/// What was made of a taxonomy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// The pairs to train on, in an order that the seed draws: the last ones are a fair sample.
    pub pairs: Vec<MadePair>,
    /// Pairs of the concepts that are held out. None of their texts is in `pairs`.
    pub held_out: Vec<MadePair>,
    /// Of `pairs`.
    pub counts: Counts,
    /// Of `held_out`.
    pub held_out_counts: Counts,
    /// Concepts that are held out.
    pub held_out_concepts: usize,
    /// What could not be made, and why, in English.
    pub notes: Vec<String>,
}

/// A model's vectors of texts, of length 1, one after another, and their width; or why there are none.
pub type VectorsOf<'a> = dyn FnMut(&[&str]) -> Result<(Vec<f32>, usize), String> + 'a;

/// Makes pairs: balanced, none twice (nor mirrored), the same ones for the same taxonomy and recipe. With `model`,
/// pairs that it takes for alike although they share no group ([`Kind::HardNegative`]) come on top.
///
/// # Errors
/// Where no pair can be made, or more than a table may have, a number of the recipe is out of bounds, what is held out is
/// not there, the model fails, or nobody wants the pairs any more.
pub fn make(
    taxonomy: &Taxonomy,
    recipe: &Recipe,
    model: Option<&mut VectorsOf<'_>>,
    stop: &Stop,
) -> Result<Made, Problems> {
    recipe.check().map_err(|error| {
        let hint = "Ask for less: each pair more says less that is new.";
        Problems::table("taxonomy_recipe_unusable", format!("The number {} {error}.", error.bound.name), hint)
    })?;
    let kinship = Kinship::of(taxonomy, stop)?;
    let held = held_out(&kinship, &recipe.held_out, &mut draws(recipe.seed, Purpose::HeldOut, 0))?;
    let sides = Sides { taxonomy, kinship: &kinship, held: &held, recipe, stop };
    let mut training = sides.make(false)?;
    if let Some(model) = model {
        sides.add_hard_negatives(&mut training, model)?;
    }
    let validation = if held.contains(&true) { sides.make(true)? } else { Side::default() };
    let mut made = Made {
        counts: training.counts(),
        held_out_counts: validation.counts(),
        pairs: training.shuffled(recipe.seed),
        held_out: validation.shuffled(recipe.seed),
        held_out_concepts: held.iter().filter(|held| **held).count(),
        notes: Vec::new(),
    };
    if made.pairs.is_empty() {
        return Err(Problems::table(
            "no_pairs_made",
            "No pair can be made of this taxonomy: its concepts have no descriptions, no alternative labels, and no \
             groups in common.",
            "Add descriptions, alternative labels or the concepts' groups (a column called parent), or ask for other \
             kinds of pairs.",
        ));
    }
    made.notes = notes(&kinship, &made, recipe);
    Ok(made)
}

/// Writes pairs in the tutorial's form: `base,ref,similarity`.
pub fn write(pairs: &[MadePair], out: impl Write) -> std::io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(["base", "ref", "similarity"])?;
    for pair in pairs {
        writer.write_record([pair.left.as_str(), pair.right.as_str(), &format!("{:?}", pair.score)])?;
    }
    writer.flush()
}

fn notes(kinship: &Kinship, made: &Made, recipe: &Recipe) -> Vec<String> {
    if kinship.parents.iter().all(Vec::is_empty) {
        let note = "The taxonomy has no groups, so it is not known what is unrelated: pairs that belong together are \
            all there is. Add groups, hard negatives, or choose a loss that learns from pairs that belong together.";
        return vec![note.to_owned()];
    }
    let missing = |kind: Kind| recipe.targets.of(kind).is_some() && !made.counts.contains_key(&kind);
    let why = [
        (Kind::Description, "no concept has a description"),
        (Kind::Alternative, "no concept has an alternative label"),
        (Kind::Sibling, "no two concepts stand in the same group"),
        (Kind::Cousin, "no groups of concepts stand in a common group"),
        (Kind::Far, "all concepts share a group"),
    ];
    let missing = why.into_iter().filter(|(kind, _)| missing(*kind));
    missing.map(|(kind, why)| format!("There are no pairs of the kind {}: {why}.", name_of(&kind))).collect()
}

/// What a draw is for: each has a stream of its own.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    HeldOut,
    Order(Kind),
    Candidates(Kind),
    Rows,
}

pub(super) fn draws(seed: u64, purpose: Purpose, place: u32) -> ChaCha8Rng {
    let number = match purpose {
        Purpose::HeldOut => 0,
        Purpose::Rows => 1,
        Purpose::Order(kind) => 2 + 2 * kind as u64,
        Purpose::Candidates(kind) => 3 + 2 * kind as u64,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number << 32 | u64::from(place));
    rng
}

/// One of a concept's texts.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Part {
    Label,
    Alternative(usize),
    Description,
}

#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) concept: u32,
    pub(super) part: Part,
}

/// What pairs are made of, on both sides of what is held out.
pub(super) struct Sides<'a> {
    taxonomy: &'a Taxonomy,
    pub(super) kinship: &'a Kinship,
    held: &'a [bool],
    pub(super) recipe: &'a Recipe,
    stop: &'a Stop,
}

/// Bytes of texts that the pairs of a side may have: they are held in memory.
const MOST_TEXT: usize = 256 << 20;

#[derive(Default)]
struct Side {
    pairs: Vec<MadePair>,
    /// Of their texts.
    bytes: usize,
    /// The keys of both texts, the smaller first.
    seen: HashSet<(u32, u32)>,
}

impl Side {
    fn push(&mut self, pair: MadePair) -> Result<(), Problems> {
        self.bytes += pair.left.len() + pair.right.len();
        if self.pairs.len() == MOST_ROWS || self.bytes > MOST_TEXT {
            return Err(Problems::table(
                "too_many_rows",
                format!(
                    "More pairs would be made of the taxonomy than {MOST_ROWS}, or pairs with more text than {} MiB.",
                    MOST_TEXT >> 20
                ),
                "Ask for fewer with per_concept or per_kind, or send a part of the taxonomy.",
            ));
        }
        self.pairs.push(pair);
        Ok(())
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        self.pairs.iter().for_each(|pair| *counts.entry(pair.kind).or_default() += 1);
        counts
    }

    fn shuffled(mut self, seed: u64) -> Vec<MadePair> {
        shuffle(&mut self.pairs, &mut draws(seed, Purpose::Rows, 0));
        self.pairs
    }
}

impl Sides<'_> {
    pub(super) fn concept(&self, number: u32) -> &Concept {
        &self.taxonomy.concepts[number as usize]
    }

    fn number(&self, text: Text) -> Option<u32> {
        let texts = &self.kinship.texts[text.concept as usize];
        match text.part {
            Part::Label => Some(texts.label),
            Part::Alternative(place) => texts.alternatives.get(place).copied(),
            Part::Description => texts.description,
        }
    }

    fn words(&self, text: Text) -> &str {
        let concept = self.concept(text.concept);
        match text.part {
            Part::Label => &concept.label,
            Part::Alternative(place) => &concept.alternatives[place],
            Part::Description => concept.description.as_deref().unwrap_or_default(),
        }
    }

    /// Whether a concept's text may stand on a side. One that concepts of both sides have is for training alone.
    fn usable(&self, text: Text, number: u32, held: bool) -> bool {
        let of_side = self.held[text.concept as usize] == held;
        of_side && (!held || self.kinship.owners(number).iter().all(|&owner| self.held[owner as usize]))
    }

    fn of_side(&self, held: bool) -> Vec<u32> {
        (0..self.held.len() as u32).filter(|&concept| self.held[concept as usize] == held).collect()
    }

    fn make(&self, held: bool) -> Result<Side, Problems> {
        let concepts = self.of_side(held);
        let mut side = Side::default();
        for kind in KINDS {
            if let Some(target) = self.recipe.targets.of(kind) {
                self.add(kind, Similarity::Angular.of_cosine(target), &concepts, held, &mut side)?;
            }
        }
        Ok(side)
    }

    /// Pairs that a kind may have on a side: of what is held out, its part.
    fn at_most(&self, concepts: usize, held: bool) -> usize {
        match self.recipe.per_kind {
            Some(cap) if held => (cap * concepts).div_ceil(self.held.len()),
            cap => cap.unwrap_or(usize::MAX),
        }
    }

    /// One kind of pairs, round by round: what each concept has comes before a second of any. Of what a concept may be
    /// paired with only the place is kept that comes next: the same seed draws the same candidates again.
    fn add(&self, kind: Kind, score: f64, concepts: &[u32], held: bool, side: &mut Side) -> Result<(), Problems> {
        let at_most = self.at_most(concepts.len(), held);
        let mut order = concepts.to_vec();
        shuffle(&mut order, &mut draws(self.recipe.seed, Purpose::Order(kind), 0));
        let mut next: Vec<Option<usize>> = vec![Some(0); order.len()];
        let mut stands_in = vec![0; self.held.len()];
        let mut made = 0;
        for _ in 0..self.recipe.per_concept {
            for (&concept, next) in order.iter().zip(&mut next) {
                if made == at_most {
                    return Ok(());
                }
                let Some(from) = *next else { continue };
                self.stop.check()?;
                *next = None;
                for (place, texts) in self.candidates(kind, concept, concepts).enumerate().skip(from) {
                    if let Some(pair) = self.take(kind, texts, score, held, &mut stands_in, side) {
                        *next = Some(place + 1);
                        side.push(pair)?;
                        made += 1;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The pair of two texts, if it may be made and neither concept stands in too many already (`stands_in`, by concept).
    fn take(
        &self,
        kind: Kind,
        (left, right): (Text, Text),
        score: f64,
        held: bool,
        stands_in: &mut [usize],
        side: &mut Side,
    ) -> Option<MadePair> {
        let concepts = [left, right].map(|text| text.concept as usize);
        if concepts.iter().any(|&concept| stands_in[concept] >= 2 * self.recipe.per_concept) {
            return None;
        }
        side.seen.insert(self.pair(kind, left, right, held, side)?);
        concepts.iter().for_each(|&concept| stands_in[concept] += 1);
        Some(MadePair { left: self.words(left).to_owned(), right: self.words(right).to_owned(), kind, score })
    }

    /// The keys of a pair that may be made: of two texts, new, on their side, and standing to each other as the
    /// kind says.
    fn pair(&self, kind: Kind, left: Text, right: Text, held: bool, side: &Side) -> Option<(u32, u32)> {
        let (one, other) = (self.number(left)?, self.number(right)?);
        let keys = (one.min(other), one.max(other));
        let new = one != other && !side.seen.contains(&keys);
        let fits = new && self.usable(left, one, held) && self.usable(right, other, held);
        let stands = match kind {
            Kind::Description | Kind::Alternative => None,
            Kind::Sibling => Some(Kin::Sibling),
            Kind::Cousin => Some(Kin::Cousin),
            Kind::Far | Kind::HardNegative => Some(Kin::Far),
        };
        (fits && stands.is_none_or(|kin| self.kinship.of_texts(one, other) == kin)).then_some(keys)
    }

    /// Labels that a model takes for alike and that share no group. What is nearer to a label than 95 % of what its
    /// nearest own name is may be another name that the taxonomy does not know, and is left alone.
    fn add_hard_negatives(&self, side: &mut Side, model: &mut VectorsOf<'_>) -> Result<(), Problems> {
        let Some(target) = self.recipe.targets.far else { return Ok(()) };
        let concepts = self.of_side(false);
        let mut texts: Vec<&str> = concepts.iter().map(|&concept| self.concept(concept).label.as_str()).collect();
        let mut anchors: Vec<Anchor> = Vec::new();
        for (place, &concept) in concepts.iter().enumerate() {
            let own = self.concept(concept);
            let positives = own.alternatives.iter().take(2).chain(&own.description).take(2);
            let first = texts.len();
            texts.extend(positives.map(String::as_str));
            anchors.push(Anchor { text: place, positives: (first..texts.len()).collect() });
        }
        let (values, width) = model(&texts).map_err(|error| {
            Problems::table(
                "model_failed",
                format!("The model made no vectors: {error}."),
                "Check the model, or make the pairs without hard negatives.",
            )
        })?;
        let candidates: Vec<usize> = (0..concepts.len()).collect();
        let text = |place: usize| Text { concept: concepts[place], part: Part::Label };
        let unusable = |anchor: usize, candidate: usize| {
            self.pair(Kind::HardNegative, text(anchor), text(candidate), false, side).is_none()
        };
        let stop = self.stop.clone();
        let mining = Mining { per_text: self.recipe.per_concept, threads: 2, stop, ..Mining::default() };
        let found = hard_negatives((&values, width), &anchors, &candidates, &unusable, mining)?;
        let at_most = self.at_most(concepts.len(), false);
        let score = Similarity::Angular.of_cosine(target);
        let mut stands_in = vec![0; self.held.len()];
        let (mut made, mut cosines) = (Side::default(), Vec::new());
        for (anchor, negatives) in found.into_iter().enumerate() {
            for negative in negatives.texts {
                let texts = (text(anchor), text(negative.text));
                if let Some(pair) = self.take(Kind::HardNegative, texts, score, false, &mut stands_in, side) {
                    made.push(pair)?;
                    cosines.push(negative.cosine);
                }
            }
        }
        // The hardest first, where not all may stay.
        let mut made: Vec<(f32, MadePair)> = cosines.into_iter().zip(made.pairs).collect();
        made.sort_by(|one, other| other.0.total_cmp(&one.0));
        made.into_iter().take(at_most).try_for_each(|(_, pair)| side.push(pair))
    }
}
