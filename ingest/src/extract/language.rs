//! Which language a text is written in. Owns the sampling and the threshold; the guessing is whatlang's.

use super::Body;

/// Characters looked at: enough for certainty, few enough to cost nothing.
const SAMPLE: usize = 8_000;
/// Below this many characters trigrams are guesswork.
const TOO_SHORT: usize = 60;

/// BCP 47 tag of the main language; none when the text is short or mixed.
pub fn of(body: &Body) -> Option<String> {
    let total: usize = body.texts().map(str::len).sum();
    // A cover, a licence or a table of contents often comes first: half of the sample is from the middle.
    let mut sample: String = letters(body, 0).take(SAMPLE / 2).collect();
    if total > SAMPLE {
        sample.push(' ');
        sample.extend(letters(body, total / 2).take(SAMPLE / 2));
    }
    if sample.chars().count() < TOO_SHORT {
        return None;
    }
    whatlang::detect(&sample).filter(whatlang::Info::is_reliable).map(|info| kernel::language::tag(Some(info.lang().code())))
}

/// The characters from about the given byte on, with digits, punctuation and line ends as spaces.
fn letters(body: &Body, from: usize) -> impl Iterator<Item = char> + '_ {
    let mut before = 0;
    body.texts()
        .filter_map(move |text| {
            let start = from.saturating_sub(before);
            before += text.len();
            (start < text.len()).then(|| &text[text.floor_char_boundary(start)..])
        })
        .flat_map(|text| text.chars().chain(std::iter::once(' ')))
        .map(|c| if c.is_alphabetic() || c == '\'' { c } else { ' ' })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Flow;

    fn language(text: &str) -> Option<String> {
        of(&Body::Flow(Flow { text: text.into(), headings: vec![] }))
    }

    #[test]
    fn clear_text_has_a_language_and_scraps_have_none() {
        let english = "The binary search halves the interval in every step, so that even a million sorted entries \
                       are searched in about twenty comparisons.";
        let german = "Die binäre Suche halbiert in jedem Schritt das Intervall, so dass selbst eine Million \
                      sortierter Einträge mit etwa zwanzig Vergleichen durchsucht wird.";
        assert_eq!(language(english).as_deref(), Some("en"));
        assert_eq!(language(german).as_deref(), Some("de"));
        assert_eq!(language("x = 3"), None);
    }
}
