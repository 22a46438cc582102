//! Words and marks that people write instead of numbers, in the languages of the default model.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

/// A word's place among its like: 0 is the least. Words of a family make a scale together.
struct Family {
    /// Values and the words that have them, as [`super::score::normal`] leaves them.
    words: &'static [(f64, &'static str)],
    /// Where a word is in use whose value lies outside 0 to 1, the values are the second ones.
    finer: &'static [(f64, f64)],
}

impl Family {
    fn words(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.words.iter().flat_map(|(value, words)| words.split(", ").map(move |word| (word, *value)))
    }
}

const FAMILIES: [Family; 5] = [
    Family {
        words: &[(0.0, "×"), (0.5, "△"), (1.0, "○"), (2.0, "◎")],
        finer: &[(0.0, 0.0), (0.5, 1.0 / 3.0), (1.0, 2.0 / 3.0), (2.0, 1.0)],
    },
    Family {
        words: &[
            (-1.0, "very low, とても低い, 非常に低い, 很低, 非常低, sehr niedrig, très faible, muy bajo, molto basso"),
            (
                0.0,
                "low, 低, 低い, 小, 弱, weak, niedrig, gering, schwach, faible, bajo, baja, basso, bassa, baixo, baixa, \
                laag, niski, niska, niskie, düşük, низкий, низкая, низкое, низко, 낮음, 하, منخفض, ต่ํา",
            ),
            (
                0.5,
                "medium, mid, middle, moderate, 中, 中程度, 普通, ふつう, 中等, mittel, moyen, moyenne, medio, media, \
                médio, média, gemiddeld, middel, średni, średnia, średnie, orta, средний, средняя, среднее, средне, 보통, \
                중간, 중, متوسط, ปานกลาง, กลาง",
            ),
            (
                1.0,
                "high, 高, 高い, 大, 強, strong, 强, hoch, stark, élevé, élevée, fort, forte, alto, alta, hoog, wysoki, \
                wysoka, wysokie, yüksek, высокий, высокая, высокое, высоко, 높음, 상, عالي, مرتفع, สูง",
            ),
            (2.0, "very high, とても高い, 非常に高い, 很高, 非常高, sehr hoch, très élevé, muy alto, molto alto"),
        ],
        finer: &[(-1.0, 0.0), (0.0, 0.25), (0.5, 0.5), (1.0, 0.75), (2.0, 1.0)],
    },
    Family {
        words: &[
            (
                0.0,
                "no, n, false, incorrect, wrong, いいえ, 偽, 誤, 無, なし, ng, nein, falsch, non, faux, falso, não, nao, nee, \
                onwaar, nie, fałsz, hayır, yanlış, нет, ложь, неверно, 否, 错, 錯, 不是, 不对, 不對, 아니오, 아니요, 거짓, لا, خطأ, \
                ไม่, ไม่ใช่, เท็จ",
            ),
            (
                0.5,
                "maybe, partly, partial, どちらともいえない, どちらとも言えない, 一部, たぶん, teilweise, vielleicht, \
                peut-être, quizás, forse, talvez, misschien, może, belki, возможно, частично, 可能, 部分, 아마, 부분, ربما",
            ),
            (
                1.0,
                "yes, y, true, correct, はい, 真, 正, 有, あり, ok, ✓, ✔, ☑, ja, wahr, richtig, oui, vrai, sí, si, verdadero, \
                sì, vero, sim, verdadeiro, waar, tak, prawda, evet, doğru, да, истина, верно, 是, 对, 對, 正确, 正確, 예, 네, 참, نعم, \
                صحيح, ใช่, จริง",
            ),
        ],
        finer: &[],
    },
    // "Related" is the most that can be said unless something is the same.
    Family {
        words: &[
            (
                0.0,
                "different, unrelated, irrelevant, not relevant, not related, dissimilar, 不一致, 違う, ちがう, 異なる, 別, \
                別物, 無関係, 関係ない, 関係なし, 関連なし, verschieden, unterschiedlich, unähnlich, différent, \
                diferente, distinto, diverso, verschillend, różne, inny, farklı, разные, другое, 不同, 不相关, 不相關, 无关, \
                無關, 다름, 무관, مختلف, ต่างกัน",
            ),
            (
                1.0,
                "related, relevant, similar, close, 似ている, にている, 類似, 近い, 関連, 関連あり, 関係あり, 部分一致, \
                一部一致, ähnlich, verwandt, similaire, proche, semblable, similares, parecido, simile, semelhante, \
                vergelijkbaar, podobne, podobny, benzer, похожие, похоже, 相似, 类似, 類似的, 相关, 相關, 유사, 비슷, مشابه, คล้าย",
            ),
            (
                2.0,
                "same, identical, equal, duplicate, synonym, match, 同じ, おなじ, 同一, 同義, 同義語, 一致, 完全一致, gleich, \
                identisch, identique, même, igual, idéntico, uguale, identico, idêntico, gelijk, hetzelfde, takie same, \
                identyczne, aynı, одинаковые, то же, 相同, 同样, 같음, 동일, مطابق, نفسه, เหมือนกัน",
            ),
        ],
        finer: &[(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)],
    },
    // What a sentence says of another. The lowest says the opposite.
    Family {
        words: &[
            (
                0.0,
                "contradiction, contradictory, contradicts, 矛盾, widerspruch, contradicción, contraddizione, contradição, \
                tegenspraak, sprzeczność, çelişki, противоречие, 모순, تناقض, ขัดแย้ง",
            ),
            (
                0.5,
                "neutral, 中立, neutre, neutrale, neutro, neutraal, neutralne, nötr, нейтрально, 중립, محايد, เป็นกลาง",
            ),
            (
                1.0,
                "entailment, entails, entailed, 含意, 蕴含, 蘊含, folgerung, implication, implicación, implicazione, \
                implicação, implicatie, wynikanie, gerektirme, следование, 함의, استلزام",
            ),
        ],
        finer: &[],
    },
];

/// Whether the dictionary has a word, written as `normal` leaves it.
pub(crate) fn known(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| FAMILIES.iter().flat_map(Family::words).map(|(word, _)| word).collect());
    WORDS.contains(word)
}

/// What words stand for, 0 to 1, where they are used together. What was said comes first, whether it is in use or not.
pub(crate) fn values(used: &BTreeSet<String>, said: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for family in &FAMILIES {
        let in_use = |word: &str| used.contains(word) || said.contains_key(word);
        let is_fine = family.words().any(|(word, plain)| !(0.0..=1.0).contains(&plain) && in_use(word));
        for (word, plain) in family.words().filter(|(word, _)| used.contains(*word)) {
            let value = family.finer.iter().find(|(from, _)| is_fine && *from == plain).map_or(plain, |(_, to)| *to);
            values.insert(word.to_owned(), value.clamp(0.0, 1.0));
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
        for (word, _) in FAMILIES.iter().flat_map(Family::words) {
            assert_eq!(normal(word), word);
        }
    }
}
