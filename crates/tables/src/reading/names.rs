//! Names that columns go by, in the languages of the default model.

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
        "premise/hypothesis 前提/仮説 前提/假设 전제/가설 source/target src/tgt 文1/文2 文a/文b 文章1/文章2 文章a/文章b テキスト1/テキスト2 \
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
    似ている度 一致度 関連度 点数 スコア 得点 評点 評価値 評価点 平均点 評価 判定 rating points grade goldscore gold relevance \
    relevancy rel relevant correct mean average avg label labels isduplicate duplicate match ラベル 正解ラベル 類似 点 相関度 \
    相似度 相似性 相关度 相關度 相关性 相關性 得分 分数 分數 评分 評分 标签 標籤 유사도 점수 평점 관련도 라벨 레이블 ähnlichkeit \
    ähnlichkeitswert bewertung punktzahl relevanz wertung similarité pertinence évaluation étiquette similitud puntuación \
    puntaje relevancia etiqueta calificación similarità punteggio valutazione rilevanza etichetta similaridade semelhança \
    pontuação avaliação gelijkenis overeenkomst beoordeling relevantie podobieństwo ocena wynik trafność etykieta benzerlik \
    puan skor değerlendirme etiket сходство оценка релевантность метка балл التشابه تشابه درجة تقييم ความคล้ายคลึง ความคล้าย \
    คะแนน";

/// Parts of names of scores where the name as a whole is nobody's: `human_mean`, `gold score (0-5)`.
const SCORE_PARTS: &str = "similarity score sim relatedness relevance mean average avg rating label gold grade 類似度 点数 \
    スコア 評価 平均 相似度 得分 评分 유사도 점수 ähnlichkeit bewertung similarité puntuación similitud punteggio ocena";

/// Parts of names of numbers beside a score: how far raters lay apart, how many they were.
const SPREADS: &str = "std stdev stddev sd var variance se sem count num n votes raters confidence min max 標準偏差 分散 件数 人数 \
    信頼度";

/// Names, and parts of names, of numbers that fall where texts are more alike.
const DISTANCES: &str = "distance distances dist dissimilarity difference diff divergence rank ranking rmse 距離 距离 相違度 \
    非類似度 順位 差異 abstand distanz unähnlichkeit rang distancia distanza distância afstand odległość uzaklık mesafe \
    расстояние 거리 순위 المسافة ระยะทาง";

/// Names of classes: a number there may stand for a word.
const CLASSES: &str = "label labels goldlabel class classes classlabel entailmentlabel entailment category ラベル 正解ラベル \
    クラス 分類 标签 標籤 类别 類別 라벨 레이블 étiquette etiqueta etichetta etykieta etiket метка klasse classe clase";

/// A name's parts: what stands between blanks, dashes, underscores, brackets, and where a small letter meets a large one.
fn parts(name: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(name.len() + 4);
    let mut small = false;
    for c in name.nfkc() {
        if small && c.is_uppercase() {
            spaced.push(' ');
        }
        small = c.is_lowercase();
        spaced.push(c);
    }
    spaced.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).map(normal).collect()
}

fn has(words: &str, name: &str) -> bool {
    words.split(' ').any(|word| word == name)
}

/// Whether a name, as it is written, says that its numbers fall where texts are more alike.
pub(crate) fn is_distance(name: &str) -> bool {
    has(DISTANCES, &normal(name)) || parts(name).iter().any(|part| has(DISTANCES, part))
}

/// Whether a part of a name, as it is written, says that it is a score.
pub(super) fn may_be_score(name: &str) -> bool {
    let is = |words| parts(name).iter().any(|part| has(words, part));
    is(SCORE_PARTS) && !is(SPREADS) && !is_distance(name)
}

/// Whether a name says that numbers may stand for classes.
pub(crate) fn is_class(name: &str) -> bool {
    has(CLASSES, &normal(name))
}

/// Whether a name says that its numbers count or name rows.
pub(super) fn is_counter(name: &str) -> bool {
    let last = parts(name).pop();
    has(COUNTERS, &normal(name)) || last.is_some_and(|part| matches!(&*part, "id" | "idx" | "index" | "uuid"))
}

/// Whether two names are those of what one sentence says of another.
pub(crate) fn are_inference(one: &str, other: &str) -> bool {
    matches!((one, other), ("premise", "hypothesis") | ("前提", "仮説" | "假设") | ("전제", "가설"))
}

/// Names of what counts rows.
const COUNTERS: &str = "id no no. number index idx row line # 番号 行 行番号 通番 連番";

/// A name as names are compared: NFKC, lower case, without blanks, dashes, underscores and byte order marks.
pub(crate) fn normal(name: &str) -> String {
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
        for name in texts.chain(
            [NEGATIVES, SCORES, COUNTERS, SCORE_PARTS, SPREADS, DISTANCES, CLASSES]
                .into_iter()
                .flat_map(|names| names.split(' ')),
        ) {
            assert_eq!(normal(name), name);
        }
        assert_eq!(normal("\u{feff}Ｔｅｘｔ_Ａ "), "texta");
    }

    #[test]
    fn names_are_known_in_part_too() {
        assert!(may_be_score("human_mean") && may_be_score("Gold Score (0-5)") && may_be_score("meanRating"));
        assert!(!may_be_score("human_std") && !may_be_score("score_count") && !may_be_score("cosine_distance"));
        assert!(is_distance("Cosine Distance") && is_distance("距離") && !is_distance("similarity"));
        assert!(is_counter("pair_id") && is_counter("ID") && !is_counter("idea"));
        assert!(are_inference(&normal("Premise"), &normal("hypothesis")));
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
