//! How pairs are made of a taxonomy: which kinds there are, the cosine that each asks for, and what is held out.

use serde::{Deserialize, Serialize};

use crate::bounds::{OutOfBounds, PER_CONCEPT, PER_KIND};

/// Why two texts are a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = TaxonomyPairKind))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A label and the concept's description.
    Description,
    /// A label and another label of the concept.
    Alternative,
    /// Labels of two concepts of one group.
    Sibling,
    /// Labels of two concepts whose groups are in one group.
    Cousin,
    /// Texts of two concepts that share no group.
    Far,
    /// The same, and a model takes them for alike.
    HardNegative,
}

/// All kinds, the nearest first: a pair that could be of two kinds is of the first.
pub(super) const KINDS: [Kind; 5] = [Kind::Description, Kind::Alternative, Kind::Sibling, Kind::Cousin, Kind::Far];

/// The cosine that each kind of pair asks for; `None`: no such pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = TaxonomyTargets))]
#[serde(default, deny_unknown_fields)]
pub struct Targets {
    /// A label and its description.
    pub description: Option<f64>,
    /// A label and an alternative label.
    pub alternative: Option<f64>,
    /// Two labels of one group.
    pub sibling: Option<f64>,
    /// Two labels of neighbouring groups.
    pub cousin: Option<f64>,
    /// Two labels that share no group.
    pub far: Option<f64>,
}

impl Default for Targets {
    /// The tutorial's three (1, 0.7, 0), and between them siblings at 0.4 and cousins at 0.2: alike in their field,
    /// and never as near as another name of the same thing.
    fn default() -> Self {
        Self { sibling: Some(0.4), cousin: Some(0.2), ..Self::TUTORIAL }
    }
}

/// A target that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetsError(String);

impl Targets {
    /// What the tutorial's file is made of: descriptions at 1, alternative labels at 0.7, far ones at 0.
    pub const TUTORIAL: Self =
        Self { description: Some(1.0), alternative: Some(0.7), sibling: None, cousin: None, far: Some(0.0) };

    /// Reads `tutorial`, or `description=1,alternative=0.7,sibling=none`: what is not named stays as it is by
    /// default.
    ///
    /// # Errors
    /// For another name, or a number outside -1 to 1.
    pub fn parse(text: &str) -> Result<Self, TargetsError> {
        if text.trim() == "tutorial" {
            return Ok(Self::TUTORIAL);
        }
        let mut targets = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| {
                TargetsError(format!("{part:?} is no target; write for example alternative=0.7, or the word tutorial"))
            })?;
            let value = match value.trim() {
                "none" | "off" => None,
                number => Some(number.parse().map_err(|_| TargetsError(format!("the target {part:?} is no number")))?),
            };
            *targets.place(name.trim()).ok_or_else(|| {
                TargetsError(format!(
                    "there are no pairs called {:?}; there are description, alternative, sibling, cousin, far",
                    name.trim()
                ))
            })? = value;
        }
        targets.check()?;
        Ok(targets)
    }

    /// # Errors
    /// Where a target is no cosine.
    pub fn check(&self) -> Result<(), TargetsError> {
        match KINDS.iter().filter_map(|kind| self.of(*kind)).find(|cosine| !(-1.0..=1.0).contains(cosine)) {
            Some(cosine) => Err(TargetsError(format!("the target {cosine} is no cosine; it lies between -1 and 1"))),
            None => Ok(()),
        }
    }

    fn place(&mut self, name: &str) -> Option<&mut Option<f64>> {
        Some(match name {
            "description" => &mut self.description,
            "alternative" => &mut self.alternative,
            "sibling" => &mut self.sibling,
            "cousin" => &mut self.cousin,
            "far" => &mut self.far,
            _ => return None,
        })
    }

    /// The cosine of a kind.
    pub fn of(&self, kind: Kind) -> Option<f64> {
        match kind {
            Kind::Description => self.description,
            Kind::Alternative => self.alternative,
            Kind::Sibling => self.sibling,
            Kind::Cousin => self.cousin,
            Kind::Far | Kind::HardNegative => self.far,
        }
    }
}

/// What is kept from training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HeldOut {
    /// Nothing.
    #[default]
    Nothing,
    /// About this share of the concepts, above 0 and below 1, in whole groups that the seed draws.
    Share(f64),
    /// The groups of these ids.
    Groups(Vec<String>),
}

impl HeldOut {
    /// Reads a share (`0.1`) or groups' ids with commas between (`2512,25`). A whole number is a group.
    ///
    /// # Errors
    /// For a share that is none.
    pub fn parse(text: &str) -> Result<Self, TargetsError> {
        let text = text.trim();
        match text.parse::<f64>() {
            _ if text.is_empty() => Ok(Self::Nothing),
            Ok(share) if text.contains('.') => {
                let fits = share > 0.0 && share < 1.0;
                let error = || TargetsError(format!("the share {text} to be held out does not lie between 0 and 1"));
                fits.then_some(Self::Share(share)).ok_or_else(error)
            }
            _ => Ok(Self::Groups(text.split(',').map(|group| group.trim().to_owned()).collect())),
        }
    }
}

/// How pairs are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The cosine of each kind.
    pub targets: Targets,
    /// Pairs of each kind that begin at one concept, at most; on both sides together it stands in at most twice as
    /// many, so that none becomes a hub.
    pub per_concept: usize,
    /// Pairs of each kind, at most. What is there of each concept comes before a second of any.
    pub per_kind: Option<usize>,
    /// What is kept from training.
    pub held_out: HeldOut,
    /// Every draw is a function of it and of the concept's place.
    pub seed: u64,
}

impl Recipe {
    /// # Errors
    /// Where a number is none that may be asked for.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        PER_CONCEPT.check(self.per_concept)?;
        self.per_kind.map_or(Ok(()), |per_kind| PER_KIND.check(per_kind).map(drop))
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Self { targets: Targets::default(), per_concept: 2, per_kind: None, held_out: HeldOut::Nothing, seed: 0 }
    }
}
