//! How near two concepts, or two texts of concepts, stand to each other in a taxonomy.

use std::collections::{BTreeSet, HashMap};

use super::{Taxonomy, key};
use crate::problems::Problems;
use crate::stop::Stop;

/// How two concepts stand to each other, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kin {
    /// The same concept, or two that share a label.
    Same,
    /// One stands above the other.
    Line,
    /// They stand directly in the same group.
    Sibling,
    /// Their groups stand directly in the same one.
    Cousin,
    /// They share a topmost group, or it is not known where one of them stands.
    Near,
    /// They share no group at all.
    Far,
}

/// Steps up, and ways to what stands above, that a taxonomy may have in all. Half a million concepts, each ten groups
/// deep, have a quarter of them; in a chain each has all before it above itself.
const MOST_TIES: usize = 20_000_000;

/// A text that so many concepts share says nothing of where it stands.
const MOST_OWNERS: usize = 50;

/// A concept's texts, as the numbers of their keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    pub(super) label: u32,
    /// In the order of the concept's alternatives.
    pub(super) alternatives: Vec<u32>,
    pub(super) description: Option<u32>,
}

/// Where every concept stands, and whose every text is. A concept's number is its place in the taxonomy; groups
/// are numbered behind the concepts.
pub(super) struct Kinship {
    pub(super) texts: Vec<Texts>,
    /// By text: the concepts that have it, in order.
    owners: Vec<Vec<u32>>,
    /// By concept: the labels and alternatives that others have too, in order.
    shared: Vec<Vec<u32>>,
    /// By concept: the groups and concepts directly above it, in order.
    pub(super) parents: Vec<Vec<u32>>,
    /// By concept: what stands above those.
    pub(super) grandparents: Vec<Vec<u32>>,
    /// By concept: all that stands above it.
    ancestors: Vec<Vec<u32>>,
    /// By concept: the topmost groups that it stands in.
    majors: Vec<Vec<u32>>,
    /// By group or concept: the concepts directly below.
    pub(super) children: HashMap<u32, Vec<u32>>,
    /// By group or concept: the concepts two steps below.
    pub(super) grandchildren: HashMap<u32, Vec<u32>>,
    /// Of concepts and groups.
    pub(super) numbers: HashMap<String, u32>,
}

impl Kinship {
    /// # Errors
    /// Where the taxonomy is deeper or more woven than can be held, or nobody wants it any more.
    pub(super) fn of(taxonomy: &Taxonomy, stop: &Stop) -> Result<Self, Problems> {
        let (texts, owners) = texts(taxonomy, stop)?;
        let (numbers, above) = graph(taxonomy);
        let concepts = taxonomy.concepts.len();
        let mut ties = Ties { left: MOST_TIES, stop };
        let mut ancestors: Vec<Vec<u32>> = Vec::with_capacity(concepts);
        for concept in 0..concepts as u32 {
            ancestors.push(all_above(concept, &above, &mut ties)?);
        }
        let (tops, over) = tops(&above);
        let major = |(concept, ancestors): (u32, &Vec<u32>)| {
            in_order(ancestors.iter().copied().chain([concept]).filter(|node| tops.contains(node)))
        };
        let majors = (0..).zip(&ancestors).map(major).collect();
        // To share what all share says nothing.
        let parents: Vec<Vec<u32>> = (above[..concepts].iter())
            .map(|parents| parents.iter().copied().filter(|parent| !over.contains(parent)).collect())
            .collect();
        let over_parents = |parents: &Vec<u32>| {
            let all = parents.iter().flat_map(|&parent| above[parent as usize].iter().copied());
            in_order(all.filter(|node| !over.contains(node)))
        };
        let mut grandparents: Vec<Vec<u32>> = Vec::with_capacity(concepts);
        for parents in &parents {
            ties.count(parents.iter().map(|&parent| above[parent as usize].len()).sum())?;
            grandparents.push(over_parents(parents));
        }
        let shared_of = |texts: &Texts| {
            let own = texts.alternatives.iter().copied().chain([texts.label]);
            in_order(own.filter(|&text| owners[text as usize].len() > 1))
        };
        let shared = texts.iter().map(shared_of).collect();
        let (children, grandchildren) = (below(&parents), below(&grandparents));
        Ok(Self { texts, owners, shared, parents, grandparents, ancestors, majors, children, grandchildren, numbers })
    }

    /// All that stands above a concept, in order.
    pub(super) fn ancestors(&self, concept: u32) -> &[u32] {
        &self.ancestors[concept as usize]
    }

    /// The concepts that have a text.
    pub(super) fn owners(&self, text: u32) -> &[u32] {
        &self.owners[text as usize]
    }

    /// Whether a concept is a group's, or the group itself.
    pub(super) fn within(&self, concept: u32, group: u32) -> bool {
        concept == group || self.ancestors[concept as usize].binary_search(&group).is_ok()
    }

    pub(super) fn of_concepts(&self, one: u32, other: u32) -> Kin {
        let (a, b) = (one as usize, other as usize);
        if one == other || meet(&self.shared[a], &self.shared[b]) {
            Kin::Same
        } else if self.within(one, other) || self.within(other, one) {
            Kin::Line
        } else if meet(&self.parents[a], &self.parents[b]) {
            Kin::Sibling
        } else if meet(&self.grandparents[a], &self.grandparents[b]) {
            Kin::Cousin
        } else if self.majors[a].is_empty() || self.majors[b].is_empty() || meet(&self.majors[a], &self.majors[b]) {
            Kin::Near
        } else {
            Kin::Far
        }
    }

    /// How two texts stand to each other: as the nearest two of the concepts that have them.
    pub(super) fn of_texts(&self, one: u32, other: u32) -> Kin {
        let (ones, others) = (self.owners(one), self.owners(other));
        if ones.len() > MOST_OWNERS || others.len() > MOST_OWNERS {
            return Kin::Same;
        }
        let all = ones.iter().flat_map(|&one| others.iter().map(move |&other| self.of_concepts(one, other)));
        all.min().unwrap_or(Kin::Same)
    }
}

/// Counts what is held of who stands above whom.
struct Ties<'a> {
    left: usize,
    stop: &'a Stop,
}

impl Ties<'_> {
    fn count(&mut self, ties: usize) -> Result<(), Problems> {
        self.stop.check()?;
        self.left = self.left.checked_sub(ties).ok_or_else(|| {
            Problems::table(
                "too_many_concepts",
                format!(
                    "The taxonomy is too deep: its concepts have more than {MOST_TIES} groups above them, directly or \
                     through others."
                ),
                "Send a part of it, or cut the chains of parents: most classifications have less than ten levels.",
            )
        })?;
        Ok(())
    }
}

/// Each number once, in order.
fn in_order(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    numbers.collect::<BTreeSet<u32>>().into_iter().collect()
}

/// Whether two lists in order share something.
fn meet(ones: &[u32], others: &[u32]) -> bool {
    let (few, many) = if ones.len() < others.len() { (ones, others) } else { (others, ones) };
    few.iter().any(|one| many.binary_search(one).is_ok())
}

/// Every concept's texts by number, and whose each is.
fn texts(taxonomy: &Taxonomy, stop: &Stop) -> Result<(Vec<Texts>, Vec<Vec<u32>>), Problems> {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut owners: Vec<Vec<u32>> = Vec::new();
    let mut number = |text: &str, concept: usize| {
        let next = owners.len() as u32;
        let number = *numbers.entry(key(text)).or_insert(next);
        if number == next {
            owners.push(Vec::new());
        }
        let of_text = &mut owners[number as usize];
        if of_text.last() != Some(&(concept as u32)) {
            of_text.push(concept as u32);
        }
        number
    };
    let mut texts = Vec::with_capacity(taxonomy.concepts.len());
    for (place, concept) in taxonomy.concepts.iter().enumerate() {
        stop.check()?;
        texts.push(Texts {
            label: number(&concept.label, place),
            alternatives: concept.alternatives.iter().map(|text| number(text, place)).collect(),
            description: concept.description.as_ref().map(|text| number(text, place)),
        });
    }
    Ok((texts, owners))
}

/// Numbers of concepts and groups, and what stands directly above each, in order.
fn graph(taxonomy: &Taxonomy) -> (HashMap<String, u32>, Vec<Vec<u32>>) {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let concepts = taxonomy.concepts.iter();
    for (place, concept) in concepts.clone().enumerate() {
        numbers.entry(concept.id.clone()).or_insert(place as u32);
    }
    let edges = || {
        let groups = taxonomy.groups.iter();
        concepts.clone().map(|concept| (&concept.id, &concept.parents)).chain(groups)
    };
    let mut next = taxonomy.concepts.len() as u32;
    for id in edges().flat_map(|(id, parents)| [id].into_iter().chain(parents)) {
        if !numbers.contains_key(id) {
            numbers.insert(id.clone(), next);
            next += 1;
        }
    }
    let mut above: Vec<Vec<u32>> = vec![Vec::new(); next as usize];
    for (id, parents) in edges() {
        above[numbers[id] as usize].extend(parents.iter().map(|parent| numbers[parent]));
    }
    (numbers, above.into_iter().map(|above| in_order(above.into_iter())).collect())
}

/// All that stands above, in order; no circles are left when this is asked.
fn all_above(of: u32, above: &[Vec<u32>], ties: &mut Ties<'_>) -> Result<Vec<u32>, Problems> {
    let mut all: BTreeSet<u32> = BTreeSet::new();
    let mut next: Vec<u32> = above[of as usize].clone();
    while let Some(node) = next.pop() {
        if all.insert(node) {
            ties.count(1 + above[node as usize].len())?;
            next.extend(&above[node as usize]);
        }
    }
    Ok(all.into_iter().collect())
}

/// The topmost groups, and what stands over all of them: what has something below and nothing above is topmost.
/// Where that is one alone, all concepts would share it: it stands over all, and the groups below it are the topmost.
/// What stands alone is no group.
fn tops(above: &[Vec<u32>]) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let below = below(above);
    let all = 0..above.len() as u32;
    let mut tops: BTreeSet<u32> =
        all.filter(|node| above[*node as usize].is_empty() && below.contains_key(node)).collect();
    let mut over: BTreeSet<u32> = BTreeSet::new();
    while let (1, Some(&top)) = (tops.len(), tops.first()) {
        tops = below[&top].iter().copied().filter(|node| below.contains_key(node)).collect();
        // Concepts side by side in one group: nothing is known to be far from anything.
        if !tops.is_empty() {
            over.insert(top);
        }
    }
    (tops, over)
}

/// By node: those in whose list it is.
fn below(above: &[Vec<u32>]) -> HashMap<u32, Vec<u32>> {
    let mut below: HashMap<u32, Vec<u32>> = HashMap::new();
    for (node, over) in above.iter().enumerate() {
        over.iter().for_each(|&over| below.entry(over).or_default().push(node as u32));
    }
    below
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::taxonomy;
    use super::*;

    fn kin(table: &str, pairs: &[(usize, usize)]) -> Vec<Kin> {
        let kinship = Kinship::of(&taxonomy(table).unwrap(), &Stop::NEVER).unwrap();
        pairs.iter().map(|&(one, other)| kinship.of_concepts(one as u32, other as u32)).collect()
    }

    #[test]
    fn iscos_digits_tell_siblings_cousins_and_strangers() {
        let table = "id,parent,label\na,2512,A\nb,2512,B\nc,2513,C\nd,2434,D\ne,5120,E\n";
        let found = kin(table, &[(0, 1), (0, 2), (0, 3), (0, 4), (4, 4)]);
        assert_eq!(found, [Kin::Sibling, Kin::Cousin, Kin::Near, Kin::Far, Kin::Same]);
    }

    #[test]
    fn one_root_over_all_does_not_make_all_near() {
        let table = "id,parent,label\nroot,,Work\nx,root,X\ny,root,Y\na,x,A\nb,y,B\nc,x,C\n";
        let found = kin(table, &[(3, 4), (3, 5), (1, 3), (1, 2), (0, 3)]);
        assert_eq!(found, [Kin::Far, Kin::Sibling, Kin::Line, Kin::Far, Kin::Line]);
        let one_group = "id,parent,label\na,work,A\nb,work,B\n";
        assert_eq!(kin(one_group, &[(0, 1)]), [Kin::Sibling]);
    }

    #[test]
    fn concepts_that_share_a_label_are_the_same() {
        let table = "id,parent,label,alt_labels\na,1120,A,manager|x\nb,5120,B,Manager\n";
        assert_eq!(kin(table, &[(0, 1)]), [Kin::Same]);
    }

    #[test]
    fn a_chain_without_end_is_refused_before_it_is_held() {
        let chain = |length: usize| {
            let rows = (0..length).map(|place| format!("x{place},x{},job {place}\n", place + 1));
            taxonomy(&format!("id,parent,label\n{}", rows.collect::<String>())).unwrap()
        };
        assert!(Kinship::of(&chain(1_000), &Stop::NEVER).is_ok());
        let told = Kinship::of(&chain(10_000), &Stop::NEVER).err().unwrap();
        assert_eq!(told.code, "too_many_concepts");
        assert!(told.what.contains("too deep"), "{told}");
    }

    #[test]
    fn what_stands_nowhere_is_far_from_nothing() {
        let table = "id,parent,label\na,1120,A\nb,,B\nc,5120,C\n";
        assert_eq!(kin(table, &[(0, 1), (0, 2)]), [Kin::Near, Kin::Far]);
    }
}
