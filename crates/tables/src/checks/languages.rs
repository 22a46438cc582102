//! Which languages a table's texts are in.
//!
//! A script that one language writes says it at once. Latin letters are told by their trigrams where these are sure;
//! most short texts, titles above all, stay untold rather than guessed at.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use whatlang::{Detector, Lang};

use super::{Finding, Level, counted, grouped};

const SAMPLE: usize = 2_000;

/// Characters of a text that are looked at.
const LOOKED_AT: usize = 300;

/// Latin texts with fewer letters say nothing on their own.
const SHORT: usize = 20;

/// Gathers a sample of at most 2,000 rows as rows pass by: each row has the same chance, and the same rows of the
/// same table are taken each time.
#[derive(Clone, Debug, Default)]
pub struct Languages {
    seen: usize,
    sample: Vec<[String; 2]>,
}

/// What a sample's languages are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanguagesFound {
    /// Codes of ISO 639 (`en`, `ja`), names in English, and texts of the sample in each; most frequent first.
    pub texts: Vec<(&'static str, &'static str, usize)>,
    /// Texts of the sample whose language cannot be told.
    pub untold: usize,
    /// Pairs of the sample whose two texts are known to be in two languages.
    pub across: usize,
    /// Rows of the sample.
    pub sample: usize,
}

impl Languages {
    /// Looks at a pair.
    pub fn add(&mut self, left: &str, right: &str) {
        self.seen += 1;
        let place =
            if self.seen <= SAMPLE { self.sample.len() } else { (chance(self.seen) % self.seen as u64) as usize };
        if place >= SAMPLE {
            return;
        }
        let row = [left, right].map(|text| text.chars().take(LOOKED_AT).collect());
        match self.sample.get_mut(place) {
            Some(kept) => *kept = row,
            None => self.sample.push(row),
        }
    }

    /// What was found.
    pub fn found(&self) -> LanguagesFound {
        let told = tell(self.sample.iter().flatten().map(String::as_str).collect());
        let language = |text: &String| told.get(text.as_str()).copied();
        let mut texts: HashMap<Lang, usize> = HashMap::new();
        for language in self.sample.iter().flatten().filter_map(language) {
            *texts.entry(language).or_default() += 1;
        }
        let known: usize = texts.values().sum();
        // A few texts may be names or mistakes; a language is in more than that.
        texts.retain(|_, count| *count >= 2 && *count * 50 >= known);
        let kept = |text: &String| language(text).filter(|language| texts.contains_key(language));
        let both = self.sample.iter().filter_map(|[left, right]| kept(left).zip(kept(right)));
        let across = both.filter(|(left, right)| left != right).count();
        let untold = self.sample.len() * 2 - texts.values().sum::<usize>();
        let mut texts: Vec<_> = texts.into_iter().map(|(it, count)| (code(it), name(it), count)).collect();
        texts.sort_unstable_by(|one, other| other.2.cmp(&one.2).then(one.0.cmp(other.0)));
        LanguagesFound { texts, untold, across, sample: self.sample.len() }
    }
}

/// A number that looks like chance, out of a row's number (SplitMix64's last steps).
fn chance(number: usize) -> u64 {
    let mut mixed = (number as u64).wrapping_mul(super::texts::ODD);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The languages of texts, as far as they can be told.
fn tell(texts: HashSet<&str>) -> HashMap<&str, Lang> {
    let any = Detector::new();
    let common = Detector::with_allowlist(COMMON.iter().map(|(language, _)| *language).collect());
    let mut told = HashMap::new();
    let mut kanji_alone = Vec::new();
    for text in texts {
        let language = match Writing::of(text) {
            Writing::None => None,
            Writing::Kana => Some(Lang::Jpn),
            Writing::Hangul => Some(Lang::Kor),
            Writing::Kanji => {
                kanji_alone.push(text);
                None
            }
            Writing::Latin { letters } => latin(text, letters, &any, &common),
            Writing::Other => any.detect(text).filter(whatlang::Info::is_reliable).map(|info| info.lang()),
        };
        if let Some(language) = language {
            told.insert(text, language);
        }
    }
    // 看護師 is Japanese beside texts with kana, Chinese where there are none.
    let japanese = told.values().any(|language| *language == Lang::Jpn);
    let kanji = if japanese { Lang::Jpn } else { Lang::Cmn };
    told.extend(kanji_alone.into_iter().map(|text| (text, kanji)));
    told
}

/// Which letters a text is written in.
enum Writing {
    None,
    Kana,
    Hangul,
    Kanji,
    Latin { letters: usize },
    Other,
}

impl Writing {
    fn of(text: &str) -> Self {
        let (mut kana, mut hangul, mut kanji, mut latin, mut other) = (0, 0, 0, 0, 0);
        for character in text.chars().filter(|character| character.is_alphabetic()) {
            match character {
                '\u{3040}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9f}' => kana += 1,
                '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => hangul += 1,
                '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => kanji += 1,
                'A'..='Z' | 'a'..='z' | '\u{aa}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => latin += 1,
                _ => other += 1,
            }
        }
        // A word in Latin letters inside a Japanese sentence is usual; a kana inside a French one is not.
        if kana > 0 && (kana + kanji) * 3 >= latin {
            Self::Kana
        } else if hangul > 0 && hangul * 3 >= latin {
            Self::Hangul
        } else if kanji > 0 && kanji * 3 >= latin {
            Self::Kanji
        } else if latin > other {
            Self::Latin { letters: latin }
        } else if other > 0 {
            Self::Other
        } else {
            Self::None
        }
    }
}

/// Common languages and little words of theirs, none of which is an English word. A short text is told by two
/// witnesses that agree: such a word, and the most likely of these languages by its trigrams.
const COMMON: [(Lang, &[&str]); 7] = [
    (Lang::Eng, ENGLISH),
    (Lang::Fra, &["de", "des", "du", "les", "et", "en", "aux", "une", "pour", "dans"]),
    (Lang::Deu, &["der", "das", "und", "für", "des", "ein", "eine", "mit", "von"]),
    (Lang::Ita, &["di", "dei", "della", "delle", "degli", "il", "gli", "del", "alla"]),
    (Lang::Spa, &["de", "del", "las", "los", "y", "en", "para", "una"]),
    (Lang::Nld, &["en", "van", "het", "een", "de", "voor", "bij"]),
    (Lang::Por, &["de", "da", "dos", "das", "em", "para", "uma"]),
];

const ENGLISH: &[&str] = &["the", "of", "and", "with", "for", "from", "is", "are", "to", "at", "by"];

fn latin(text: &str, letters: usize, any: &Detector, common: &Detector) -> Option<Lang> {
    let reliable = |detector: &Detector| detector.detect(text).filter(whatlang::Info::is_reliable);
    if letters >= SHORT
        && let Some(info) = reliable(any)
    {
        return Some(info.lang());
    }
    let lower = text.to_lowercase();
    let words = || lower.split(|character: char| !character.is_alphabetic());
    let likely = common.detect(text)?.lang();
    let (_, little) = COMMON.iter().find(|(language, _)| *language == likely)?;
    let english = likely != Lang::Eng && words().any(|word| ENGLISH.contains(&word));
    (!english && words().any(|word| little.contains(&word))).then_some(likely)
}

/// A language's code of ISO 639-1; of ISO 639-3 where that is what it is commonly known by here.
fn code(language: Lang) -> &'static str {
    const SHORT: &str = "eng:en jpn:ja cmn:zh kor:ko fra:fr deu:de ita:it spa:es nld:nl por:pt rus:ru \
        ukr:uk bul:bg pol:pl ces:cs slk:sk slv:sl hrv:hr srp:sr ron:ro hun:hu fin:fi est:et lav:lv lit:lt swe:sv dan:da \
        nob:nb tur:tr ell:el heb:he ara:ar pes:fa hin:hi tha:th vie:vi ind:id cat:ca";
    let long = language.code();
    SHORT.split(' ').find_map(|pair| pair.strip_prefix(long)?.strip_prefix(':')).unwrap_or(long)
}

fn name(language: Lang) -> &'static str {
    if language == Lang::Cmn { "Chinese" } else { language.eng_name() }
}

impl LanguagesFound {
    /// The finding about them; `count` is how many languages there are, `rows` pairs across two of them in the
    /// sample.
    pub(super) fn finding(&self) -> Option<Finding> {
        let names: Vec<&str> = self.texts.iter().map(|(_, name, _)| *name).collect();
        let mut message = format!("The texts are in {}", names.join(", "));
        if self.untold > 0 {
            message.push_str(&format!(
                "; of {} it cannot be told for {}, most of them short",
                counted(self.sample * 2, "text", "texts"),
                grouped(self.untold)
            ));
        }
        message.push('.');
        if self.across > 0 {
            let pairs = counted(self.across, "pair joins", "pairs join");
            message.push_str(&format!(" {pairs} two languages, of {} looked at.", grouped(self.sample)));
        }
        let languages: Vec<_> =
            self.texts.iter().map(|(code, _, count)| json!({"code": code, "texts": count})).collect();
        let hint = match (self.texts.len(), self.across) {
            (0 | 1, _) => "Other languages change as well when a model is tuned: look at them in the comparison.",
            (_, 0) => "Each language learns from its own pairs. Pairs that join two languages keep them together.",
            _ => "Pairs that join two languages keep them together.",
        };
        let finding = Finding::new("languages", Level::Info, self.texts.len(), self.across)
            .says(message, hint)
            .fact("languages", languages)
            .fact("across", self.across)
            .fact("untold", self.untold)
            .fact("texts", self.sample * 2)
            .fact("pairs", self.sample);
        (!self.texts.is_empty()).then_some(finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(texts: &[(&str, &str)]) -> Vec<&'static str> {
        let mut languages = Languages::default();
        texts.iter().for_each(|(left, right)| languages.add(left, right));
        languages.found().texts.iter().map(|(code, _, _)| *code).collect()
    }

    #[test]
    fn a_script_of_one_language_says_which() {
        assert_eq!(codes(&[("看護師", "看護の仕事をする人")]), ["ja"]);
        assert_eq!(codes(&[("护士", "医生"), ("数据科学家", "数据分析师")]), ["zh"]);
        assert_eq!(codes(&[("간호사", "의사")]), ["ko"]);
        assert_eq!(codes(&[("SNSマネージャー", "SEO担当"), ("1.5", "???")]), ["ja"]);
    }

    #[test]
    fn short_latin_titles_are_not_guessed_at() {
        assert_eq!(codes(&[("data analyst", "mover"), ("dresser", "co-pilot")]), [] as [&str; 0]);
    }

    #[test]
    fn pairs_across_two_languages_are_counted() {
        let mut languages = Languages::default();
        for _ in 0..5 {
            languages
                .add("The nurse takes care of the patients in the hospital.", "看護師は病院で患者の世話をします。");
        }
        let found = languages.found();
        assert_eq!((found.across, found.untold, found.texts.len()), (5, 0, 2));
        let finding = found.finding().unwrap();
        assert_eq!(finding.message, "The texts are in English, Japanese. 5 pairs join two languages, of 5 looked at.");
    }

    #[test]
    fn a_long_tables_sample_stays_small_and_the_same() {
        let gather = || {
            let mut languages = Languages::default();
            (0..100_000).for_each(|row| languages.add(&row.to_string(), "x"));
            languages
        };
        let (one, other) = (gather(), gather());
        assert_eq!(one.sample, other.sample);
        assert_eq!(one.sample.len(), SAMPLE);
        let late = one.sample.iter().filter(|row| row[0].parse::<usize>().unwrap() >= 50_000).count();
        assert!((900..1_100).contains(&late), "{late} of the sample are of the second half");
    }
}
