//! What columns of a taxonomy are called, and what its codes say.

use unicode_normalization::UnicodeNormalization;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Id,
    Parent,
    /// One of several columns that hold the groups from the widest to the narrowest.
    Level(u8),
    Label,
    Alternatives,
    Description,
}

/// A name and what the column holds. Of several columns for an id, a label or a description the one that stands
/// first here counts.
const NAMES: [(Role, &str); 9] = [
    // ESCO's own tables come first: they have a code beside the id.
    (
        Role::Id,
        "concepturi onetsoccode id conceptid uri iri code notation soccode iscocode 識別子 コード 番号 職業コード",
    ),
    (
        Role::Parent,
        "broaderuri broader broaderconcepts broaderconcepturi iscogroup parent parents parentid parentcode \
        parenturi group groupid groupcode occupationgroupcode category 親 親id 親コード 上位 上位語 上位概念 分類 カテゴリ カテゴリー グループ",
    ),
    (Role::Level(1), "大分類 level1"),
    (Role::Level(2), "中分類 level2"),
    (Role::Level(3), "小分類 level3"),
    (Role::Level(4), "細分類 level4"),
    (
        Role::Label,
        "preferredlabel preflabel label title name term 名称 名前 ラベル 用語 見出し 見出し語 職業名 職種 職種名",
    ),
    (
        Role::Alternatives,
        "altlabels altlabel hiddenlabels alternativelabels alternatelabels alternatetitle alternatetitles \
        shorttitle synonyms aliases 別名 同義語 別称",
    ),
    (Role::Description, "description definition 説明 定義"),
];

/// A column's name with what does not count left out: `O*NET-SOC Code` becomes `onetsoccode`.
pub(super) fn plain(name: &str) -> String {
    name.nfkc().flat_map(char::to_lowercase).filter(|letter| letter.is_alphanumeric()).collect()
}

/// What a column of this name holds, and how far up in the list the name stands.
pub(super) fn role(name: &str) -> Option<(usize, Role)> {
    let name = plain(name);
    let known = NAMES.iter().flat_map(|(role, names)| names.split(' ').map(move |name| (name, *role)));
    known.enumerate().find(|(_, (known, _))| *known == name).map(|(place, (_, role))| (place, role))
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
