//! WebVTT (W3C Candidate Recommendation, section 4). Notes, styles, regions and cue settings are passed over.

use super::{Cue, Meter, captions};
use crate::refusal::Refusal;

/// The cues in the order of time.
///
/// # Errors
/// `captions_invalid` when no cue can be read.
pub fn read(source: &str, meter: &Meter) -> Result<Vec<Cue>, Refusal> {
    let mut collector = captions::Collector::for_file(source);
    let mut lines = source.lines().peekable();
    let mut chars = 0;
    while let Some(line) = lines.next() {
        // Anything that is no timing is a header, an identifier, a note, a style or damage.
        let Some(times) = captions::timing(line) else { continue };
        let mut payload = String::new();
        // An empty line ends the payload; so does a timing, where the empty line was forgotten.
        while let Some(text) = lines.next_if(|line| !line.trim().is_empty() && captions::timing(line).is_none()) {
            payload.push_str(text);
            payload.push('\n');
        }
        chars += payload.len();
        meter.check_chars(chars)?;
        collector.add(times, &payload)?;
    }
    collector.finish().ok_or(Refusal::CaptionsInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cues(source: &str) -> Result<Vec<Cue>, Refusal> {
        read(source, &Meter::unhurried())
    }

    #[test]
    fn cues_come_out_and_the_rest_is_passed_over() {
        let source = "WEBVTT Kind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE a comment\n\n\
                      intro\n00:01.000 --> 00:03.000 line:0\n<v Ann>Hello\nthere.\n\n\
                      00:00:03.500 --> 00:00:05.000\nBye.\n00:06.000 --> 00:07.000\nreally\n";
        let cues = cues(source).unwrap();
        assert_eq!(cues.len(), 3);
        assert_eq!((cues[0].start, cues[0].end, cues[0].text.as_str()), (1.0, 3.0, "Hello there."));
        assert_eq!(cues[0].speaker.as_deref(), Some("Ann"));
        assert_eq!(cues[2].text, "really");
    }

    #[test]
    fn what_was_saved_in_the_editor_keeps_every_line() {
        let twice = "\n\n00:01.000 --> 00:02.000\nYes.\n\n00:02.000 --> 00:03.000\nYes.\n";
        assert_eq!(cues(&format!("{}{twice}", captions::VERBATIM)).unwrap().len(), 2);
        assert_eq!(cues(&format!("WEBVTT{twice}")).unwrap().len(), 1, "elsewhere it is a roll-up");
    }

    #[test]
    fn file_without_a_readable_cue_is_refused() {
        for source in ["WEBVTT\n", "WEBVTT\n\n1\nsoon --> later\nhi\n", "WEBVTT\n\n00:01.000 --> 00:02.000\n\n"] {
            assert_eq!(cues(source).unwrap_err().code(), "captions_invalid", "{source:?}");
        }
    }
}
