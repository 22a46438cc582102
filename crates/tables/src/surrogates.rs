//! Halves of characters in JSON: what cuts texts by UTF-16 units (JavaScript's `slice`) may leave `\ud83d` alone, which is
//! no character. Browsers encode such a half as U+FFFD.

/// The escape of U+FFFD: as long as what it replaces.
const REPLACEMENT: &[u8; 6] = b"\\ufffd";

/// Replaces halves of surrogate pairs. How many bytes are as they should be: an escape at the end may go on in the next
/// piece, unless this is the last.
pub fn mend(bytes: &mut [u8], last: bool) -> usize {
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        let start = at + found;
        let escape = &bytes[start..];
        let unfinished = escape.len() < 2 || (escape[1] == b'u' && escape.len() < 6);
        if unfinished {
            return if last { bytes.len() } else { start };
        }
        at = start
            + match unit(escape) {
                None => 2,
                Some(0xD800..=0xDBFF) => {
                    let rest = &escape[6..];
                    if unit(rest).is_some_and(|low| (0xDC00..=0xDFFF).contains(&low)) {
                        12
                    } else if !last
                        && rest.len() < 6
                        && b"\\u".iter().zip(rest).all(|(expected, found)| expected == found)
                    {
                        return start;
                    } else {
                        bytes[start..start + 6].copy_from_slice(REPLACEMENT);
                        6
                    }
                }
                Some(0xDC00..=0xDFFF) => {
                    bytes[start..start + 6].copy_from_slice(REPLACEMENT);
                    6
                }
                Some(_) => 6,
            };
    }
    bytes.len()
}

/// The UTF-16 unit of an escape.
fn unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

/// The same of JSON that is there as a whole; `None` where it is as it should be.
pub(crate) fn mended(json: &[u8]) -> Option<Vec<u8>> {
    let mut whole = json.to_vec();
    mend(&mut whole, true);
    (whole != json).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_that_stands_alone_is_replaced_and_nothing_else() {
        let of = |json: &str| mended(json.as_bytes()).map(|json| String::from_utf8(json).unwrap());
        assert_eq!(of(r#"["\ud83d", "a\udc00b\ud83d"]"#).as_deref(), Some(r#"["\ufffd", "a\ufffdb\ufffd"]"#));
        for whole in [r#"["\ud83d\ude00", "\\ud83d", "\u00e9"]"#, r#""\\\ud83d\ude00""#, r#""\u12"#, "\\"] {
            assert_eq!(of(whole), None, "{whole}");
        }
        assert_eq!(of(r#""\\\ud83d""#).as_deref(), Some(r#""\\\ufffd""#));
    }
}
