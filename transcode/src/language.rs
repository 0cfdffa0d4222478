//! Language tags: containers carry ISO 639-2 (`ger`), playlists want BCP 47 (`de`). Pure.

/// Three-letter codes, bibliographic and terminological, of languages that have a two-letter one.
const SHORT: [(&str, &str); 62] = [
    ("ara", "ar"),
    ("arm", "hy"),
    ("hye", "hy"),
    ("baq", "eu"),
    ("eus", "eu"),
    ("ben", "bn"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("chi", "zh"),
    ("zho", "zh"),
    ("cze", "cs"),
    ("ces", "cs"),
    ("dan", "da"),
    ("dut", "nl"),
    ("nld", "nl"),
    ("eng", "en"),
    ("est", "et"),
    ("fin", "fi"),
    ("fre", "fr"),
    ("fra", "fr"),
    ("geo", "ka"),
    ("kat", "ka"),
    ("ger", "de"),
    ("deu", "de"),
    ("glg", "gl"),
    ("gre", "el"),
    ("ell", "el"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("ice", "is"),
    ("isl", "is"),
    ("ind", "id"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kor", "ko"),
    ("lat", "la"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("may", "ms"),
    ("msa", "ms"),
    ("nor", "no"),
    ("per", "fa"),
    ("fas", "fa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("rum", "ro"),
    ("ron", "ro"),
    ("rus", "ru"),
    ("slk", "sk"),
    ("slo", "sk"),
    ("slv", "sl"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("vie", "vi"),
];

/// The BCP 47 tag for what a container says; `und` when it says nothing or nonsense.
pub fn tag(container: Option<&str>) -> String {
    let Some(code) = container.map(str::to_ascii_lowercase) else { return "und".into() };
    if let Some((_, short)) = SHORT.iter().find(|(long, _)| *long == code) {
        return (*short).into();
    }
    let plain = (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase());
    if plain { code } else { "und".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_letters_become_two_where_there_are_two_and_nonsense_becomes_und() {
        assert_eq!([tag(Some("ger")), tag(Some("ENG")), tag(Some("haw")), tag(Some("de"))], ["de", "en", "haw", "de"]);
        assert_eq!([tag(None), tag(Some("\"x")), tag(Some("12"))], ["und", "und", "und"]);
    }
}
