//! Names that columns go by, in English and Japanese.

use unicode_normalization::UnicodeNormalization;

/// Two texts that are named together, and whether the second answers the first: then a table without scores is one of
/// pairs that belong together, and no other column is taken for their score.
const TEXTS: [(bool, &str); 4] = [
    (
        false,
        "base/ref base/reference sentence1/sentence2 sentencea/sentenceb text1/text2 texta/textb left/right \
        lefttext/righttext question1/question2",
    ),
    (
        true,
        "anchor/positive query/positive query/target query/answer query/document query/passage question/answer \
        question/context prompt/response",
    ),
    (
        false,
        "premise/hypothesis source/target src/tgt 文1/文2 文a/文b 文章1/文章2 文章a/文章b テキスト1/テキスト2 \
        テキストa/テキストb 左/右 基準/比較",
    ),
    (true, "原文/訳文 質問/回答 基準/正例 検索語/文書"),
];

/// These pairs one by one, in their order.
pub(super) fn texts() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let pairs = TEXTS.iter().flat_map(|(answers, pairs)| pairs.split(' ').map(move |pair| (pair, *answers)));
    pairs.filter_map(|(pair, answers)| pair.split_once('/').map(|(one, other)| (one, other, answers)))
}

/// Names of a text that does not belong to the first.
pub(super) const NEGATIVES: &str = "negative negative1 hardnegative neg 負例 不正解 否定例 反例";

/// Names of scores, the surest first.
pub(super) const SCORES: &str = "similarity similarityscore score sim cosine relatedness relatednessscore 類似度 \
    似ている度 一致度 関連度 点数 スコア 得点 評点 評価値 評価点 平均点 評価 判定 rating points grade goldscore gold label labels isduplicate \
    duplicate match ラベル 正解ラベル 類似 点";

/// Names of what counts rows.
pub(super) const COUNTERS: &str = "id no no. number index idx row line # 番号 行 行番号 通番 連番";

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
        let texts = texts().flat_map(|(one, other, _)| [one, other]);
        for name in texts.chain([NEGATIVES, SCORES, COUNTERS].into_iter().flat_map(|names| names.split(' '))) {
            assert_eq!(normal(name), name);
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
