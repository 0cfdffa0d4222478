//! WebVTT as we write it, and read it back: one spelling of it, without styles and positions.

use super::{VERBATIM, next_time, timing};
use crate::extract::Cue;

/// Clean WebVTT for the player: no styles, no positions, nothing but times (of words, too, where they are known) and escaped
/// text.
pub fn to_webvtt(cues: &[Cue]) -> String {
    write("WEBVTT", cues)
}

/// As [`to_webvtt`], for a source that is to be read word for word.
pub fn to_verbatim_webvtt(cues: &[Cue]) -> String {
    write(VERBATIM, cues)
}

/// The cues of a file that [`to_webvtt`] or [`to_verbatim_webvtt`] wrote; None when it is another file. This is no reader of
/// captions in general: it knows one spelling, so that the server's own process may read its own files.
pub fn from_own_webvtt(file: &str) -> Option<Vec<Cue>> {
    let body = file.strip_prefix(VERBATIM).or_else(|| file.strip_prefix("WEBVTT"))?.strip_prefix('\n')?;
    body.split_terminator('\n').collect::<Vec<_>>().chunks(3).map(own_cue).collect()
}

fn own_cue(lines: &[&str]) -> Option<Cue> {
    let &["", times, payload] = lines else { return None };
    let (start, end) = timing(times)?;
    let (speaker, text) = match payload.strip_prefix("<v ").and_then(|rest| rest.split_once('>')) {
        Some((who, text)) => (Some(unescape(who)?), text),
        None => (None, payload),
    };
    let (mut words, mut plain, mut chars, mut rest) = (vec![], String::new(), 0, text);
    while let Some((before, time, after)) = next_time(rest) {
        let before = unescape(before)?;
        chars += before.chars().count() as u32;
        plain.push_str(&before);
        words.push((time, chars));
        rest = after;
    }
    plain.push_str(&unescape(rest)?);
    Some(Cue { start, end, text: plain, speaker, words })
}

fn unescape(text: &str) -> Option<String> {
    let markup = text.contains(['<', '>']);
    (!markup).then(|| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

fn write(header: &str, cues: &[Cue]) -> String {
    let mut file = format!("{header}\n");
    for cue in cues {
        let text = timed(cue);
        let voice = cue.speaker.as_deref().map(|who| format!("<v {}>", escape(who))).unwrap_or_default();
        file.push_str(&format!("\n{} --> {}\n{voice}{text}\n", clock(cue.start), clock(cue.end.max(cue.start + 0.001))));
    }
    file
}

/// The payload: escaped text, with the times of words in front of them.
fn timed(cue: &Cue) -> String {
    let (mut payload, mut words) = (String::with_capacity(cue.text.len()), cue.words.iter().peekable());
    for (at, character) in cue.text.chars().enumerate() {
        while let Some((time, _)) = words.next_if(|(_, word)| *word as usize <= at) {
            payload.push_str(&format!("<{}>", clock(*time)));
        }
        match character {
            '&' => payload.push_str("&amp;"),
            '<' => payload.push_str("&lt;"),
            '>' => payload.push_str("&gt;"),
            other => payload.push(other),
        }
    }
    payload
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn clock(seconds: f64) -> String {
    let ms = (seconds * 1000.0).round() as u64;
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_nothing_else_is() {
        let cue = |start: f64, text: &str, speaker: Option<&str>| Cue {
            start,
            end: start + 1.5,
            text: text.into(),
            speaker: speaker.map(Into::into),
            words: if text.len() > 5 { vec![(start + 0.5, 3), (start + 1.25, 5)] } else { vec![] },
        };
        let cues = [cue(0.0, "if a < b & c > d: &lt; --> {x}", None), cue(3725.25, "Yes.", Some("Ann & <Bo>")), cue(3727.0, "Yes.", None)];
        for file in [to_webvtt(&cues), to_verbatim_webvtt(&cues)] {
            assert_eq!(from_own_webvtt(&file).unwrap(), cues);
        }
        assert_eq!(from_own_webvtt(&to_webvtt(&[])).unwrap(), []);
        for other in [
            "",
            "WEBVTT",
            "WEBVTT\n\nintro\n00:01.000 --> 00:02.000\nhi\n",
            "WEBVTT\n\n00:01.000 --> 00:02.000\n<b>hi</b>\n",
            "WEBVTT\n\n00:01.000 --> 00:02.000\nhi\nthere\n",
            "1\n00:00:01,000 --> 00:00:02,000\nhi\n",
        ] {
            assert_eq!(from_own_webvtt(other), None, "{other:?}");
        }
    }

    #[test]
    fn written_captions_cannot_carry_markup() {
        let cue = Cue { start: 3661.0005, end: 3661.0, text: "<script> & -->".into(), speaker: None, words: vec![] };
        assert_eq!(to_webvtt(&[cue]), "WEBVTT\n\n01:01:01.001 --> 01:01:01.002\n&lt;script&gt; &amp; --&gt;\n");
    }
}
