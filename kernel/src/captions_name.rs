//! What the name of a captions file says of it: `lecture.pt-BR.sdh.srt` is called like `lecture.mp4`, in Brazilian
//! Portuguese, for those who cannot hear. Pure.

use crate::language;

/// All parts in lower case, but for the tag.
#[derive(Debug, Default, PartialEq)]
pub struct CaptionsName {
    /// The name without its ending, purposes and language.
    pub stem: String,
    /// BCP 47.
    pub language: Option<String>,
    /// For those who cannot hear: what is not speech is told as well.
    pub sdh: bool,
    /// Shown always: they translate what is foreign in the recording, or stands on its signs.
    pub forced: bool,
}

impl CaptionsName {
    /// Purposes and language stand between the recording's name and the ending; the first word that is neither, read from
    /// the end, belongs to the recording's name.
    pub fn parse(file_name: &str) -> Self {
        let name = file_name.to_lowercase();
        let mut stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let mut said = Self::default();
        while let Some((before, word)) = stem.rsplit_once('.').filter(|(before, _)| !before.is_empty()) {
            match word {
                "sdh" | "cc" => said.sdh = true,
                "forced" => said.forced = true,
                _ => {
                    let tag = language::tag(Some(word));
                    if language::name(&tag).is_some() {
                        said.language = Some(tag);
                        stem = before;
                    }
                    break;
                }
            }
            stem = before;
        }
        said.stem = stem.to_owned();
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_language_and_for_whom_the_captions_are() {
        let said = |stem: &str, language: Option<&str>, sdh, forced| CaptionsName {
            stem: stem.into(),
            language: language.map(str::to_owned),
            sdh,
            forced,
        };
        for (name, wanted) in [
            ("Lecture.vtt", said("lecture", None, false, false)),
            ("lecture.en.vtt", said("lecture", Some("en"), false, false)),
            ("lecture.pt_BR.srt", said("lecture", Some("pt-BR"), false, false)),
            ("lecture.ger.SDH.srt", said("lecture", Some("de"), true, false)),
            ("lecture.cc.vtt", said("lecture", None, true, false)),
            ("lecture.fr.forced.vtt", said("lecture", Some("fr"), false, true)),
            ("lecture.v2.vtt", said("lecture.v2", None, false, false)),
            ("lecture.final.vtt", said("lecture.final", None, false, false)),
            ("sdh.vtt", said("sdh", None, false, false)),
            ("en.vtt", said("en", None, false, false)),
            (".vtt", said("", None, false, false)),
            ("", said("", None, false, false)),
        ] {
            assert_eq!(CaptionsName::parse(name), wanted, "{name}");
        }
    }
}
