//! Language tags: containers and uploads carry ISO 639 (`ger`, `deu`) or something like BCP 47 (`pt_br`), playlists and
//! pages want BCP 47 in its canonical form (`de`, `pt-BR`). Pure.

/// Languages with a two-letter code: that code, the three-letter codes (terminological and bibliographic), and what
/// they are called by those who speak them.
const LANGUAGES: [(&str, &[&str], &str); 63] = [
    ("af", &["afr"], "Afrikaans"),
    ("ar", &["ara"], "العربية"),
    ("be", &["bel"], "Беларуская"),
    ("bg", &["bul"], "Български"),
    ("bn", &["ben"], "বাংলা"),
    ("bs", &["bos"], "Bosanski"),
    ("ca", &["cat"], "Català"),
    ("cs", &["ces", "cze"], "Čeština"),
    ("cy", &["cym", "wel"], "Cymraeg"),
    ("da", &["dan"], "Dansk"),
    ("de", &["deu", "ger"], "Deutsch"),
    ("el", &["ell", "gre"], "Ελληνικά"),
    ("en", &["eng"], "English"),
    ("es", &["spa"], "Español"),
    ("et", &["est"], "Eesti"),
    ("eu", &["eus", "baq"], "Euskara"),
    ("fa", &["fas", "per"], "فارسی"),
    ("fi", &["fin"], "Suomi"),
    ("fr", &["fra", "fre"], "Français"),
    ("ga", &["gle"], "Gaeilge"),
    ("gl", &["glg"], "Galego"),
    ("he", &["heb"], "עברית"),
    ("hi", &["hin"], "हिन्दी"),
    ("hr", &["hrv"], "Hrvatski"),
    ("hu", &["hun"], "Magyar"),
    ("hy", &["hye", "arm"], "Հայերեն"),
    ("id", &["ind"], "Bahasa Indonesia"),
    ("is", &["isl", "ice"], "Íslenska"),
    ("it", &["ita"], "Italiano"),
    ("ja", &["jpn"], "日本語"),
    ("ka", &["kat", "geo"], "ქართული"),
    ("kk", &["kaz"], "Қазақ тілі"),
    ("ko", &["kor"], "한국어"),
    ("la", &["lat"], "Latina"),
    ("lt", &["lit"], "Lietuvių"),
    ("lv", &["lav"], "Latviešu"),
    ("mk", &["mkd", "mac"], "Македонски"),
    ("ms", &["msa", "may"], "Bahasa Melayu"),
    ("nb", &["nob"], "Norsk bokmål"),
    ("nl", &["nld", "dut"], "Nederlands"),
    ("nn", &["nno"], "Norsk nynorsk"),
    ("no", &["nor"], "Norsk"),
    ("pl", &["pol"], "Polski"),
    ("pt", &["por"], "Português"),
    ("ro", &["ron", "rum"], "Română"),
    ("ru", &["rus"], "Русский"),
    ("sk", &["slk", "slo"], "Slovenčina"),
    ("sl", &["slv"], "Slovenščina"),
    ("sq", &["sqi", "alb"], "Shqip"),
    ("sr", &["srp"], "Српски"),
    ("sv", &["swe"], "Svenska"),
    ("sw", &["swa"], "Kiswahili"),
    ("ta", &["tam"], "தமிழ்"),
    ("te", &["tel"], "తెలుగు"),
    ("th", &["tha"], "ไทย"),
    ("tl", &["tgl"], "Tagalog"),
    ("tr", &["tur"], "Türkçe"),
    ("uk", &["ukr"], "Українська"),
    ("ur", &["urd"], "اردو"),
    ("uz", &["uzb"], "Oʻzbek"),
    ("vi", &["vie"], "Tiếng Việt"),
    ("yi", &["yid"], "ייִדיש"),
    ("zh", &["zho", "chi", "cmn"], "中文"),
];

/// No language is known.
pub const UNKNOWN: &str = "und";

/// The BCP 47 tag for what somebody or something calls a language; [`UNKNOWN`] when that is nothing or nonsense.
///
/// Codes become as short as they can be, and subtags get their usual case: `GER` is `de`, `pt_br` is `pt-BR`,
/// `zh-hant-tw` is `zh-Hant-TW`. Other subtags (variants, private ones) are left out.
pub fn tag(said: Option<&str>) -> String {
    let Some(said) = said.map(|text| text.trim().to_ascii_lowercase().replace('_', "-")) else { return UNKNOWN.into() };
    let mut parts = said.split('-');
    let letters = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_lowercase());
    let code = match parts.next().unwrap_or_default() {
        // "No linguistic content", "several" and "not coded" are no language that a viewer could choose.
        "und" | "zxx" | "mul" | "mis" => return UNKNOWN.into(),
        code if letters(code, 2) => code,
        code if letters(code, 3) => LANGUAGES.iter().find(|(_, long, _)| long.contains(&code)).map_or(code, |(short, ..)| short),
        _ => return UNKNOWN.into(),
    };
    let mut tag = code.to_owned();
    let mut rest = parts.peekable();
    if let Some(script) = rest.next_if(|part| letters(part, 4)) {
        tag.push('-');
        tag.push_str(&script[..1].to_ascii_uppercase());
        tag.push_str(&script[1..]);
    }
    let is_region = |part: &&str| letters(part, 2) || part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
    if let Some(region) = rest.next_if(is_region) {
        tag.push('-');
        tag.push_str(&region.to_ascii_uppercase());
    }
    tag
}

/// What a tag's language is called by those who speak it, with what else the tag says: `Português (BR)`.
pub fn name(tag: &str) -> Option<String> {
    let (code, rest) = tag.split_once('-').unwrap_or((tag, ""));
    let (.., name) = LANGUAGES.iter().find(|(short, ..)| *short == code)?;
    Some(if rest.is_empty() { (*name).to_owned() } else { format!("{name} ({rest})") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_as_short_as_they_can_be_and_nonsense_becomes_und() {
        for (said, wanted) in [
            ("ger", "de"),
            ("deu", "de"),
            ("ENG", "en"),
            ("haw", "haw"),
            ("de", "de"),
            ("pt_br", "pt-BR"),
            ("por-BR", "pt-BR"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("sl-rozaj-biske", "sl"),
            ("und", "und"),
            ("mul", "und"),
            ("\"x", "und"),
            ("12", "und"),
            ("english", "und"),
            ("", "und"),
            ("en\",URI=\"x", "und"),
        ] {
            assert_eq!(tag(Some(said)), wanted, "{said}");
        }
        assert_eq!(tag(None), "und");
    }

    #[test]
    fn languages_are_called_as_their_speakers_call_them() {
        assert_eq!(name("de").as_deref(), Some("Deutsch"));
        assert_eq!(name("pt-BR").as_deref(), Some("Português (BR)"));
        assert_eq!(name("und"), None);
    }

    #[test]
    fn the_table_names_each_code_once() {
        let mut codes: Vec<&str> =
            LANGUAGES.iter().flat_map(|(short, long, _)| std::iter::once(*short).chain(long.iter().copied())).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
