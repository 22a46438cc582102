//! What columns of a taxonomy are called, and what its codes say.

use unicode_normalization::UnicodeNormalization;

/// What a column of a taxonomy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Id,
    Parent,
    /// One of several columns that hold the groups from the widest to the narrowest.
    Level(u8),
    Label,
    Alternatives,
    Description,
    Language,
}

/// A name and what the column holds. Of several columns for an id, a label or a description the one that stands
/// first here counts.
const NAMES: [(&str, Role); 78] = [
    // ESCO's own tables come first: they have a code beside the id.
    ("concepturi", Role::Id),
    ("onetsoccode", Role::Id),
    ("id", Role::Id),
    ("conceptid", Role::Id),
    ("uri", Role::Id),
    ("iri", Role::Id),
    ("code", Role::Id),
    ("notation", Role::Id),
    ("soccode", Role::Id),
    ("iscocode", Role::Id),
    ("識別子", Role::Id),
    ("コード", Role::Id),
    ("番号", Role::Id),
    ("職業コード", Role::Id),
    ("broaderuri", Role::Parent),
    ("broader", Role::Parent),
    ("broaderconcepts", Role::Parent),
    ("broaderconcepturi", Role::Parent),
    ("iscogroup", Role::Parent),
    ("parent", Role::Parent),
    ("parents", Role::Parent),
    ("parentid", Role::Parent),
    ("parentcode", Role::Parent),
    ("parenturi", Role::Parent),
    ("group", Role::Parent),
    ("groupid", Role::Parent),
    ("category", Role::Parent),
    ("親", Role::Parent),
    ("親id", Role::Parent),
    ("親コード", Role::Parent),
    ("上位", Role::Parent),
    ("上位語", Role::Parent),
    ("上位概念", Role::Parent),
    ("分類", Role::Parent),
    ("カテゴリ", Role::Parent),
    ("カテゴリー", Role::Parent),
    ("グループ", Role::Parent),
    ("大分類", Role::Level(1)),
    ("中分類", Role::Level(2)),
    ("小分類", Role::Level(3)),
    ("細分類", Role::Level(4)),
    ("level1", Role::Level(1)),
    ("level2", Role::Level(2)),
    ("level3", Role::Level(3)),
    ("level4", Role::Level(4)),
    ("preferredlabel", Role::Label),
    ("preflabel", Role::Label),
    ("label", Role::Label),
    ("title", Role::Label),
    ("name", Role::Label),
    ("term", Role::Label),
    ("名称", Role::Label),
    ("名前", Role::Label),
    ("ラベル", Role::Label),
    ("用語", Role::Label),
    ("見出し", Role::Label),
    ("見出し語", Role::Label),
    ("職業名", Role::Label),
    ("職種", Role::Label),
    ("職種名", Role::Label),
    ("altlabels", Role::Alternatives),
    ("altlabel", Role::Alternatives),
    ("hiddenlabels", Role::Alternatives),
    ("alternativelabels", Role::Alternatives),
    ("alternatelabels", Role::Alternatives),
    ("alternatetitle", Role::Alternatives),
    ("alternatetitles", Role::Alternatives),
    ("shorttitle", Role::Alternatives),
    ("synonyms", Role::Alternatives),
    ("aliases", Role::Alternatives),
    ("別名", Role::Alternatives),
    ("同義語", Role::Alternatives),
    ("別称", Role::Alternatives),
    ("description", Role::Description),
    ("definition", Role::Description),
    ("説明", Role::Description),
    ("定義", Role::Description),
    ("language", Role::Language),
];

/// A column's name with what does not count left out: `O*NET-SOC Code` becomes `onetsoccode`.
pub(super) fn plain(name: &str) -> String {
    name.nfkc().flat_map(char::to_lowercase).filter(|letter| letter.is_alphanumeric()).collect()
}

/// What a column of this name holds, and how far up in the list the name stands.
pub(super) fn role(name: &str) -> Option<(usize, Role)> {
    let name = plain(name);
    NAMES.iter().position(|(known, _)| *known == name).map(|place| (place, NAMES[place].1))
}

/// What stands above a code, as its own characters tell: ISCO's `2512` stands in `251`; the end of an IRI,
/// `.../C2512`, in the same way; `2654.1.7` in `2654.1`; O*NET's `15-1252.00` in `15-1252`, that in `15-1250`, that
/// in `15-0000`. `None` for the topmost, and for what is no code.
pub(super) fn code_above(code: &str) -> Option<String> {
    if let Some(above) = occupation_above(code) {
        return above;
    }
    if let Some((front, last)) = code.rsplit_once('.')
        && digits(last)
        && front.split('.').all(digits)
    {
        return Some(front.to_owned());
    }
    let start = code.rfind(|letter: char| !letter.is_ascii_digit()).map_or(0, |place| place + 1);
    let (front, number) = code.split_at_checked(start)?;
    let stands_alone = front.is_empty() || front.ends_with("/C") || front.ends_with("#C");
    (stands_alone && (2..=8).contains(&number.len())).then(|| code[..code.len() - 1].to_owned())
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands above a code of the Standard Occupational Classification, `Some(None)` for the topmost; `None` for
/// what is no such code.
fn occupation_above(code: &str) -> Option<Option<String>> {
    let (major, rest) = code.split_once('-').filter(|(major, _)| major.len() == 2 && digits(major))?;
    if let Some((detailed, own)) = rest.split_once('.') {
        let fits = detailed.len() == 4 && digits(detailed) && own.len() == 2 && digits(own);
        return fits.then(|| Some(format!("{major}-{detailed}")));
    }
    if rest.len() != 4 || !digits(rest) {
        return None;
    }
    if rest == "0000" {
        return Some(None);
    }
    let broad = format!("{}0", &rest[..3]);
    Some(Some(if broad == rest { format!("{major}-0000") } else { format!("{major}-{broad}") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codes_own_digits_tell_what_is_above_it() {
        let way =
            |code: &str| std::iter::successors(code_above(code), |code| code_above(code)).collect::<Vec<_>>().join(" ");
        assert_eq!(way("2512"), "251 25 2");
        assert_eq!(way("15-1252.00"), "15-1252 15-1250 15-0000");
        assert_eq!(way("2654.1.7"), "2654.1 2654 265 26 2");
        assert_eq!(way("http://data.europa.eu/esco/isco/C2512").split(' ').count(), 3);
        assert_eq!(way("engineers"), "");
        assert_eq!(way("http://example.org/18"), "");
        assert_eq!(way(""), "");
        assert_eq!(way("職業2512"), "");
    }

    #[test]
    fn the_names_of_escos_and_onets_columns_are_known() {
        for (name, expected) in [
            ("O*NET-SOC Code", Role::Id),
            ("conceptUri", Role::Id),
            ("preferredLabel", Role::Label),
            ("Alternate Title", Role::Alternatives),
            ("iscoGroup", Role::Parent),
            ("ＩＤ", Role::Id),
            ("大分類", Role::Level(1)),
        ] {
            assert_eq!(role(name).map(|(_, role)| role), Some(expected), "{name}");
        }
        assert_eq!(role("Domain Source"), None);
    }
}
