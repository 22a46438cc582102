//! Names that columns go by, in English and Japanese.

use unicode_normalization::UnicodeNormalization;

/// Two texts that are named together. Whether the second answers the first: then a table without scores is one of
/// pairs that belong together, and no other column is taken for their score.
pub(super) const TEXTS: [(&str, &str, bool); 33] = [
    ("base", "ref", false),
    ("base", "reference", false),
    ("sentence1", "sentence2", false),
    ("sentencea", "sentenceb", false),
    ("text1", "text2", false),
    ("texta", "textb", false),
    ("left", "right", false),
    ("lefttext", "righttext", false),
    ("question1", "question2", false),
    ("anchor", "positive", true),
    ("query", "positive", true),
    ("query", "target", true),
    ("query", "answer", true),
    ("query", "document", true),
    ("query", "passage", true),
    ("question", "answer", true),
    ("question", "context", true),
    ("prompt", "response", true),
    ("premise", "hypothesis", false),
    ("source", "target", false),
    ("src", "tgt", false),
    ("文1", "文2", false),
    ("文a", "文b", false),
    ("文章1", "文章2", false),
    ("文章a", "文章b", false),
    ("テキスト1", "テキスト2", false),
    ("テキストa", "テキストb", false),
    ("左", "右", false),
    ("基準", "比較", false),
    ("原文", "訳文", true),
    ("質問", "回答", true),
    ("基準", "正例", true),
    ("検索語", "文書", true),
];

/// Names of a text that does not belong to the first.
pub(super) const NEGATIVES: [&str; 8] =
    ["negative", "negative1", "hardnegative", "neg", "負例", "不正解", "否定例", "反例"];

/// Names of scores, the surest first.
pub(super) const SCORES: [&str; 34] = [
    "similarity",
    "similarityscore",
    "score",
    "sim",
    "cosine",
    "relatedness",
    "relatednessscore",
    "類似度",
    "似ている度",
    "一致度",
    "関連度",
    "点数",
    "スコア",
    "得点",
    "評点",
    "評価値",
    "評価点",
    "平均点",
    "評価",
    "判定",
    "rating",
    "points",
    "grade",
    "goldscore",
    "gold",
    "label",
    "labels",
    "isduplicate",
    "duplicate",
    "match",
    "ラベル",
    "正解ラベル",
    "類似",
    "点",
];

/// Names of what counts rows.
pub(super) const COUNTERS: [&str; 14] =
    ["id", "no", "no.", "number", "index", "idx", "row", "line", "#", "番号", "行", "行番号", "通番", "連番"];

/// A name as names are compared: NFKC, lower case, without blanks, dashes, underscores and byte order marks.
pub(super) fn normal(name: &str) -> String {
    let folded = name.nfkc().flat_map(char::to_lowercase);
    folded.filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '\u{feff}' | '\u{200b}')).collect()
}

/// Whether two names differ in their ends alone, and these are A and B, 1 and 2, left and right: 職種A, 職種B.
pub(super) fn are_twins(one: &str, other: &str) -> bool {
    const ENDS: [(&str, &str); 5] = [("a", "b"), ("1", "2"), ("左", "右"), ("left", "right"), ("甲", "乙")];
    ENDS.iter().any(|(first, second)| {
        let ends = one.strip_suffix(first).zip(other.strip_suffix(second));
        let begins = one.strip_prefix(first).zip(other.strip_prefix(second));
        ends.is_some_and(|(one, other)| one == other)
            || begins.is_some_and(|(one, other)| one == other && !one.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_written_as_names_are_compared() {
        let texts = TEXTS.iter().flat_map(|(one, other, _)| [one, other]);
        for name in texts.chain(&NEGATIVES).chain(&SCORES).chain(&COUNTERS) {
            assert_eq!(normal(name), *name);
        }
        assert_eq!(normal("\u{feff}Ｔｅｘｔ_Ａ "), "texta");
    }

    #[test]
    fn twins_differ_in_their_ends() {
        for (one, other) in
            [("職種a", "職種b"), ("title1", "title2"), ("a", "b"), ("左の文", "右の文"), ("文左", "文右")]
        {
            assert!(are_twins(one, other), "{one} {other}");
        }
        assert!(!are_twins("職種b", "職種a") && !are_twins("職種a", "点数b"));
    }
}
