//! Words and marks that people write instead of numbers, in English and Japanese.

use std::collections::{BTreeMap, BTreeSet};

/// A word's place among its like: 0 is the least. Words of a family make a scale together.
struct Family {
    /// Words, as [`super::score::normal`] leaves them, with their values.
    words: &'static [(&'static str, f64)],
    /// Where one of these is in use, the values are the second ones.
    finer: &'static [&'static str],
    /// The values of a finer scale, by the plain ones.
    values: &'static [(f64, f64)],
}

const FAMILIES: [Family; 4] = [
    Family {
        words: &[("×", 0.0), ("△", 0.5), ("○", 1.0), ("◎", 2.0)],
        finer: &["◎"],
        values: &[(0.0, 0.0), (0.5, 1.0 / 3.0), (1.0, 2.0 / 3.0), (2.0, 1.0)],
    },
    Family {
        words: &[
            ("very low", -1.0),
            ("とても低い", -1.0),
            ("非常に低い", -1.0),
            ("low", 0.0),
            ("低", 0.0),
            ("低い", 0.0),
            ("小", 0.0),
            ("弱", 0.0),
            ("weak", 0.0),
            ("medium", 0.5),
            ("mid", 0.5),
            ("middle", 0.5),
            ("moderate", 0.5),
            ("中", 0.5),
            ("中程度", 0.5),
            ("普通", 0.5),
            ("ふつう", 0.5),
            ("high", 1.0),
            ("高", 1.0),
            ("高い", 1.0),
            ("大", 1.0),
            ("強", 1.0),
            ("strong", 1.0),
            ("very high", 2.0),
            ("とても高い", 2.0),
            ("非常に高い", 2.0),
        ],
        finer: &["very low", "very high", "とても低い", "非常に低い", "とても高い", "非常に高い"],
        values: &[(-1.0, 0.0), (0.0, 0.25), (0.5, 0.5), (1.0, 0.75), (2.0, 1.0)],
    },
    Family {
        words: &[
            ("no", 0.0),
            ("n", 0.0),
            ("false", 0.0),
            ("いいえ", 0.0),
            ("偽", 0.0),
            ("誤", 0.0),
            ("無", 0.0),
            ("なし", 0.0),
            ("ng", 0.0),
            ("maybe", 0.5),
            ("partly", 0.5),
            ("partial", 0.5),
            ("どちらともいえない", 0.5),
            ("どちらとも言えない", 0.5),
            ("一部", 0.5),
            ("たぶん", 0.5),
            ("yes", 1.0),
            ("y", 1.0),
            ("true", 1.0),
            ("はい", 1.0),
            ("真", 1.0),
            ("正", 1.0),
            ("有", 1.0),
            ("あり", 1.0),
            ("ok", 1.0),
            ("✓", 1.0),
            ("✔", 1.0),
            ("☑", 1.0),
        ],
        finer: &[],
        values: &[],
    },
    // "Related" is the most that can be said unless something is the same.
    Family {
        words: &[
            ("different", 0.0),
            ("unrelated", 0.0),
            ("not related", 0.0),
            ("dissimilar", 0.0),
            ("不一致", 0.0),
            ("違う", 0.0),
            ("ちがう", 0.0),
            ("異なる", 0.0),
            ("別", 0.0),
            ("別物", 0.0),
            ("無関係", 0.0),
            ("関係ない", 0.0),
            ("関係なし", 0.0),
            ("関連なし", 0.0),
            ("related", 1.0),
            ("similar", 1.0),
            ("close", 1.0),
            ("似ている", 1.0),
            ("にている", 1.0),
            ("類似", 1.0),
            ("近い", 1.0),
            ("関連", 1.0),
            ("関連あり", 1.0),
            ("関係あり", 1.0),
            ("部分一致", 1.0),
            ("一部一致", 1.0),
            ("same", 2.0),
            ("identical", 2.0),
            ("equal", 2.0),
            ("duplicate", 2.0),
            ("synonym", 2.0),
            ("match", 2.0),
            ("同じ", 2.0),
            ("おなじ", 2.0),
            ("同一", 2.0),
            ("同義", 2.0),
            ("同義語", 2.0),
            ("一致", 2.0),
            ("完全一致", 2.0),
        ],
        finer: &[
            "same",
            "identical",
            "equal",
            "duplicate",
            "synonym",
            "match",
            "同じ",
            "おなじ",
            "同一",
            "同義",
            "同義語",
            "一致",
            "完全一致",
        ],
        values: &[(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)],
    },
];

/// Whether the dictionary has a word, written as `normal` leaves it.
pub(crate) fn known(word: &str) -> bool {
    FAMILIES.iter().any(|family| family.words.iter().any(|(known, _)| *known == word))
}

/// What words stand for, 0 to 1, where they are used together. What was said comes first, whether it is in use or not.
pub(crate) fn values(used: &BTreeSet<String>, said: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for Family { words, finer, values: fine } in &FAMILIES {
        let is_fine = finer.iter().any(|word| used.contains(*word) || said.contains_key(*word));
        for (word, plain) in words.iter().filter(|(word, _)| used.contains(*word)) {
            let value = fine.iter().find(|(from, _)| is_fine && from == plain).map_or(*plain, |(_, to)| *to);
            values.insert((*word).to_owned(), value.clamp(0.0, 1.0));
        }
    }
    values.extend(said.iter().map(|(word, value)| (word.clone(), *value)));
    values
}

#[cfg(test)]
mod tests {
    use super::super::score::normal;
    use super::*;

    fn of(words: &[&str]) -> Vec<f64> {
        let used = words.iter().map(|word| normal(word)).collect();
        let values = values(&used, &BTreeMap::new());
        words.iter().map(|word| values[&normal(word)]).collect()
    }

    #[test]
    fn words_make_an_ordered_scale_with_those_beside_them() {
        assert_eq!(of(&["○", "△", "×"]), [1.0, 0.5, 0.0]);
        assert_eq!(of(&["◎", "○", "△", "×"]), [1.0, 2.0 / 3.0, 1.0 / 3.0, 0.0]);
        assert_eq!(of(&["高", "中", "低"]), [1.0, 0.5, 0.0]);
        assert_eq!(of(&["Very high", "high", "low"]), [1.0, 0.75, 0.25]);
        assert_eq!(of(&["same", "related", "different"]), [1.0, 0.5, 0.0]);
        assert_eq!(of(&["related", "unrelated"]), [1.0, 0.0]);
        assert_eq!(of(&["はい", "いいえ"]), [1.0, 0.0]);
    }

    #[test]
    fn what_was_said_counts() {
        let said = BTreeMap::from([("○".to_owned(), 0.9), ("a".to_owned(), 0.7)]);
        let values = values(&BTreeSet::from(["○".to_owned(), "×".to_owned()]), &said);
        assert_eq!(values, BTreeMap::from([("○".to_owned(), 0.9), ("×".to_owned(), 0.0), ("a".to_owned(), 0.7)]));
    }

    #[test]
    fn the_dictionary_is_written_as_cells_are_compared() {
        for (word, _) in FAMILIES.iter().flat_map(|family| family.words) {
            assert_eq!(normal(word), *word);
        }
    }
}
