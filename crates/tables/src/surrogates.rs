//! Halves of characters in JSON: what cuts texts by UTF-16 units (JavaScript's `slice`) may leave `\ud83d` alone, which is
//! no character. Browsers encode such a half as U+FFFD.

/// JSON in which each half of a pair that stands alone is U+FFFD; `None` where there is none.
pub fn replaced(json: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len());
    let (mut place, mut found) = (0, false);
    while place < json.len() {
        if json[place] != b'\\' {
            out.push(json[place]);
            place += 1;
            continue;
        }
        let unit = unit(&json[place..]);
        match unit {
            Some(0xd800..=0xdbff) if matches!(self::unit(&json[place + 6..]), Some(0xdc00..=0xdfff)) => {
                out.extend_from_slice(&json[place..place + 12]);
                place += 12;
            }
            Some(0xd800..=0xdfff) => {
                out.extend_from_slice(b"\\ufffd");
                (place, found) = (place + 6, true);
            }
            // Of `\\` and `\"` the second byte is no escape of its own.
            _ => {
                let taken = 2.min(json.len() - place);
                out.extend_from_slice(&json[place..place + taken]);
                place += taken;
            }
        }
    }
    found.then_some(out)
}

/// The unit that `\uXXXX` at the beginning stands for.
fn unit(json: &[u8]) -> Option<u32> {
    let digits = json.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_that_stands_alone_is_replaced_and_nothing_else() {
        let of = |json: &str| replaced(json.as_bytes()).map(|json| String::from_utf8(json).unwrap());
        assert_eq!(of(r#"["\ud83d", "a\udc00b\ud83d"]"#).as_deref(), Some(r#"["\ufffd", "a\ufffdb\ufffd"]"#));
        for whole in [r#"["\ud83d\ude00", "\\ud83d", "\u00e9"]"#, r#""\\\ud83d\ude00""#, r#""\u12"#, "\\"] {
            assert_eq!(of(whole), None, "{whole}");
        }
        assert_eq!(of(r#""\\\ud83d""#).as_deref(), Some(r#""\\\ufffd""#));
    }
}
