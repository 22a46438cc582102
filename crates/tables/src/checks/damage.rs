//! Characters that a wrong encoding made of a text.
//!
//! Each rule asks for something that nobody writes on purpose: a false alarm would cost more trust than a missed one.

/// U+FFFD, or characters that a text gets when it is read in another encoding than it was written in.
pub(super) fn damaged(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    characters.contains(&char::REPLACEMENT_CHARACTER)
        || utf8_as_latin(&characters)
        || utf8_as_mac(&characters)
        || utf8_as_shift_jis(text, &characters)
        || shift_jis_as_latin(&characters)
}

/// The byte that Windows-1252 (or Latin-1, where that has none) writes a character as, if it is above ASCII.
fn latin(character: char) -> Option<u8> {
    /// Windows-1252's characters for 0x80 to 0x9f; where it has none, the control character of that number.
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match character {
        '\u{80}'..='\u{ff}' => Some(character as u32 as u8),
        _ => HIGH.iter().position(|high| *high == character).map(|place| 0x80 + place as u8),
    }
}

/// Punctuation may follow an accented letter in any text.
fn punctuation(character: char) -> bool {
    "‘’“”‚„–—…•‹›«»·¡¿°™\u{a0}®©".contains(character)
}

/// `Ã©` for `é`, `â€™` for an apostrophe, `ã‚` for a kana, `Ð¿Ñ€` for Cyrillic letters.
fn utf8_as_latin(characters: &[char]) -> bool {
    let follows = |character: Option<&char>| {
        character.filter(|character| latin(**character).is_some_and(|byte| (0x80..0xc0).contains(&byte))).copied()
    };
    characters.iter().enumerate().any(|(place, first)| {
        let Some(second) = follows(characters.get(place + 1)) else { return false };
        let third = follows(characters.get(place + 2));
        match first {
            'Ã' => second == '©' || second == '°' || second == '®' || !punctuation(second),
            'Â' => second == '\u{a0}' || second == '°' || second == '©' || second == '®' || !punctuation(second),
            'â' if second == '€' => true,
            'ã' if matches!(second, '€' | '\u{80}'..='\u{83}' | '‚' | 'ƒ') => true,
            'à'..='ï' => third.is_some_and(|third| !(punctuation(second) && punctuation(third))),
            'Ä'..='ß' => {
                let again = characters.get(place + 2).is_some_and(|lead| ('Ä'..='ß').contains(lead));
                again && follows(characters.get(place + 3)).is_some()
            }
            _ => false,
        }
    })
}

/// `‚Äô` for an apostrophe: read as a Macintosh's Roman or Central European. After `‚Ä` at the beginning of a quoted
/// German word an ASCII letter or `ß` follows.
fn utf8_as_mac(characters: &[char]) -> bool {
    characters.windows(3).any(|three| three[..2] == ['‚', 'Ä'] && !three[2].is_ascii() && three[2] != 'ß')
}

/// `繝・`, `縺ｮ`, `譁ｹ`: the bytes of kana and kanji in UTF-8, each two of them read as one character.
fn utf8_as_shift_jis(text: &str, characters: &[char]) -> bool {
    let half_width = |character: &char| ('\u{ff61}'..='\u{ff9f}').contains(character);
    let hiragana = |character: &char| ('\u{3041}'..='\u{309f}').contains(character);
    // What becomes of the first two bytes of any kana or Japanese full stop. As words these characters are rare
    // (縺れる, 繧繝), and there a hiragana follows, or they stand alone.
    let kana = |character: &char| matches!(character, '縺' | '繧' | '繝' | '縲');
    let followed = characters.windows(2).filter(|pair| kana(&pair[0]) && !hiragana(&pair[1]));
    let sure = characters.windows(2).any(|pair| kana(&pair[0]) && (half_width(&pair[1]) || pair[1] == '・'));
    if sure || followed.count() >= 3 {
        return true;
    }
    if !characters.iter().any(half_width) {
        return false;
    }
    // The whole way back: Shift_JIS bytes of a real text are next to never UTF-8.
    let (bytes, _, lost) = encoding_rs::SHIFT_JIS.encode(text);
    !lost && std::str::from_utf8(&bytes).is_ok_and(|read| read.chars().any(|character| character >= '\u{3000}'))
}

/// `ƒf\u{81}[ƒ^`, `‚Ì‚Å`: each second character is a first byte of Shift_JIS.
fn shift_jis_as_latin(characters: &[char]) -> bool {
    let first = |character: char| {
        matches!(character, '\u{81}'..='\u{9f}' | '‚' | 'ƒ' | '†' | '‡' | 'ˆ' | '‰' | 'Š' | 'Œ' | 'Ž')
    };
    let second = |character: char| latin(character).is_some() || ('@'..='~').contains(&character);
    characters.windows(4).any(|four| first(four[0]) && second(four[1]) && first(four[2]) && second(four[3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrong_encoding_made_is_seen() {
        const DAMAGED: &str = "donn\u{fffd}es|analyste de donnÃ©es|the companyâ€™s data|the company‚Äôs|Â£100|ãƒ‡ãƒ¼ã‚¿|è\u{81}·å“¡|\
            Ð¿Ñ€Ð¸Ð²ÐµÑ‚|繝・・繧ｿ|縺ｮ|譁ｹ豕・|ƒf\u{81}[ƒ^|‚Ì‚Å";
        for text in DAMAGED.split('|') {
            assert!(damaged(text), "{text}");
        }
    }

    #[test]
    fn what_comes_out_of_real_texts_is_seen() {
        for text in ["データサイエンティスト", "看護師の仕事", "方法を考える", "営業事務の人"]
        {
            let as_shift_jis = encoding_rs::SHIFT_JIS.decode(text.as_bytes()).0;
            assert!(damaged(&as_shift_jis), "{text} {as_shift_jis}");
            let as_latin = encoding_rs::WINDOWS_1252.decode(text.as_bytes()).0;
            assert!(damaged(&as_latin), "{text} {as_latin}");
            let bytes = encoding_rs::SHIFT_JIS.encode(text).0;
            let shift_jis_as_latin = encoding_rs::WINDOWS_1252.decode(&bytes).0;
            assert!(damaged(&shift_jis_as_latin), "{text} {shift_jis_as_latin}");
        }
    }

    #[test]
    fn what_people_write_is_left_alone() {
        const WHOLE: &str = "analyste de données|“café”—à côté|NÃO É ASSIM|IRMÃ|ESPAÑA|‚Äpfel‘, ‚Äßer‘ und ‚Öl‘|ƒ(x)|東京ﾀﾜｰの近く|\
            ﾃﾞｰﾀｻｲｴﾝﾃｨｽﾄ|糸が縺れる|繧繝縁|Čeština Šířka|Ångström|naïve “ï”|crème brûlée…|ÄÖÜ äöü ß|«été»|\
            20 °C à 30 °C|Œuvre|привет|안녕하세요|中文繁體";
        for text in WHOLE.split('|') {
            assert!(!damaged(text), "{text}");
        }
    }
}
