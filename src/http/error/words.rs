//! Words of errors.

/// What a client wrote, cut to a length that fits an error.
pub(crate) fn shown(written: &str) -> &str {
    written.char_indices().nth(80).map_or(written, |(end, _)| &written[..end])
}

/// Cuts a text to a number of characters, and shows that it was longer.
pub(super) fn cut(text: &mut String, characters: usize) {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
        text.push('…');
    }
}

/// The candidate that is nearest to what was written, if one is near enough to be meant.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing that long is a slip of the finger.
    if written.len() > 200 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let written = plain(written);
    let limit = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&written, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters_and_a_short_one_is_not() {
        let after = |text: &str| {
            let mut text = text.to_owned();
            cut(&mut text, 3);
            text
        };
        assert_eq!(
            (after("日本"), after("日本語"), after("日本語で")),
            ("日本".into(), "日本語".into(), "日本語…".into())
        );
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_a_stranger_is_not() {
        let fields = ["inputs", "model", "normalize"];
        assert_eq!(nearest("input", fields), Some("inputs"));
        assert_eq!(nearest("Modle", fields), Some("model"));
        assert_eq!(nearest("temperature", fields), None);
    }
}
