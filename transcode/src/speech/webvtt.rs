//! What an engine answered: read with suspicion, since it is whatever a program made of what strangers said, and written again
//! as clean WebVTT with the times of words where the engine gave them. Pure, and only inside the disposable child.

use std::fmt::Write;

use kernel::language;
use kernel::media::VERBATIM;
use serde::{Deserialize, Serialize};

/// Two a second, all day long.
const MAX_CUES: usize = 172_800;
/// Longest text of a cue in characters, as in the editor.
const MAX_TEXT: usize = 1000;
/// Longest line that is read, in bytes.
const MAX_LINE: usize = 64 << 10;
/// How far behind the end of the sound a cue may begin before it is left out, in ms: engines work on windows.
const BEYOND: i64 = 1000;

/// Captions that came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// None: nothing was said.
    pub cues: usize,
    /// Whether words have times.
    pub word_times: bool,
    /// BCP 47, if the engine says what was spoken.
    pub language: Option<String>,
}

/// An answer that cannot be used; for operators. What the teacher reads is [`NONSENSE_SENTENCE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    #[error("the answer is not UTF-8")]
    NotText,
    #[error("the answer does not begin with WEBVTT but with {0:?}")]
    NotWebVtt(String),
    #[error("{0} timings cannot be read")]
    Timings(usize),
    #[error("{beyond} of {all} cues begin after the end of the sound")]
    BeyondTheEnd { beyond: usize, all: usize },
    #[error("more cues or longer ones than a day of speech has")]
    TooMuch,
}

/// Code and sentence of an answer that cannot be used.
pub const NONSENSE: &str = "speech_nonsense";
pub const NONSENSE_SENTENCE: &str = "the speech-to-text engine answered with something that is no captions for this recording; the recording stays as it is, \
     without automatic captions";

/// A cue. Times in ms; words in order, each with the time at which it begins to be said if that is known.
#[derive(Debug, Default, PartialEq)]
struct Cue {
    start: i64,
    end: i64,
    words: Vec<(Option<i64>, String)>,
}

/// Reads an engine's answer about sound of this length, in ms. Answers what it is and the file to keep of it.
pub fn read(answer: &[u8], duration: i64) -> Result<(Heard, String), Nonsense> {
    let text = std::str::from_utf8(answer).map_err(|_| Nonsense::NotText)?.trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    if !(head == "WEBVTT" || head.starts_with("WEBVTT ") || head.starts_with("WEBVTT\t")) {
        return Err(Nonsense::NotWebVtt(head.chars().take(40).collect()));
    }
    let said = text.lines().skip(1).take_while(|line| !line.trim().is_empty()).find_map(|line| line.strip_prefix("Language:"));
    let language = said.map(|said| language::tag(Some(said))).filter(|tag| tag != language::UNKNOWN);
    let (cues, unread) = cues(text)?;
    if cues.is_empty() && unread > 0 {
        return Err(Nonsense::Timings(unread));
    }
    let all = cues.len();
    let kept: Vec<Cue> = cues.into_iter().filter(|cue| cue.start <= duration + BEYOND).filter_map(|cue| within(cue, duration)).collect();
    let beyond = all - kept.len();
    if beyond > kept.len() {
        return Err(Nonsense::BeyondTheEnd { beyond, all });
    }
    let word_times = kept.iter().any(|cue| cue.words.iter().any(|(time, _)| time.is_some()));
    Ok((Heard { cues: kept.len(), word_times, language }, write(&kept)))
}

/// The cues by start, and how many timings could not be read.
fn cues(text: &str) -> Result<(Vec<Cue>, usize), Nonsense> {
    let (mut cues, mut unread): (Vec<Cue>, _) = (vec![], 0);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.len() > MAX_LINE {
            return Err(Nonsense::TooMuch);
        }
        if !line.contains("-->") {
            continue; // a header, a note, a style, the name of a cue
        }
        let timing = timing(line);
        let mut words = vec![];
        let mut chars = 0;
        while let Some(payload) = lines.next_if(|line| !line.trim().is_empty() && !line.contains("-->")) {
            if payload.len() > MAX_LINE {
                return Err(Nonsense::TooMuch);
            }
            for word in words_of(payload) {
                chars += word.1.chars().count() + 1;
                words.push(word);
            }
        }
        if chars > MAX_TEXT || cues.len() >= MAX_CUES {
            return Err(Nonsense::TooMuch);
        }
        match timing {
            Some((start, end)) if !words.is_empty() => cues.push(Cue { start, end, words }),
            Some(_) => {}
            None => unread += 1,
        }
    }
    cues.sort_by_key(|cue| (cue.start, cue.end));
    Ok((cues, unread))
}

/// The cue cut at the end of the sound; none when it says nothing there.
fn within(mut cue: Cue, duration: i64) -> Option<Cue> {
    cue.start = cue.start.min(duration - 1).max(0);
    cue.end = cue.end.min(duration).max(cue.start + 1);
    let mut last = cue.start;
    for (time, _) in &mut cue.words {
        *time = time.filter(|at| *at > last && *at < cue.end);
        last = time.unwrap_or(last);
    }
    (duration > 0 && !cue.words.is_empty()).then_some(cue)
}

/// `00:00:01.000 --> 00:00:02.000 align:start`, in ms.
fn timing(line: &str) -> Option<(i64, i64)> {
    let (start, rest) = line.split_once("-->")?;
    let (start, end) = (clock(start.trim())?, clock(rest.split_whitespace().next()?)?);
    (start <= end).then_some((start, end))
}

/// `hh:mm:ss.mmm` or `mm:ss.mmm`, in ms.
fn clock(text: &str) -> Option<i64> {
    let digits = |part: &str, most: usize| -> Option<i64> {
        ((1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (whole, fraction) = text.split_once(['.', ','])?;
    let parts: Vec<&str> = whole.split(':').collect();
    if fraction.len() != 3 || !(2..=3).contains(&parts.len()) {
        return None;
    }
    let seconds = parts.iter().try_fold(0, |sum, part| Some(sum * 60 + digits(part, 4)?))?;
    Some(seconds * 1000 + digits(fraction, 3)?)
}

/// Words without markup. `<00:01.000>` dates the word behind it; of other tags nothing is kept.
fn words_of(payload: &str) -> Vec<(Option<i64>, String)> {
    let (mut words, mut time): (Vec<(Option<i64>, String)>, Option<i64>) = (vec![], None);
    let (mut glued, mut rest) = (false, payload);
    while !rest.is_empty() {
        if let Some((inside, after)) = tag(rest) {
            time = clock(inside).or(time);
            rest = after;
            continue;
        }
        // Up to the next bracket; a bracket that opens no tag is text.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest[first..].find('<').map_or(rest.len(), |at| at + first);
        let (piece, after) = rest.split_at(end);
        let plain = unescaped(piece);
        glued &= !plain.starts_with(char::is_whitespace);
        for word in plain.split_whitespace() {
            let clean: String = word.chars().filter(|c| !c.is_control()).collect();
            match words.last_mut() {
                // `un<b>believ</b>able` is one word; a time between letters dates a word of its own.
                Some((_, last)) if glued && time.is_none() => last.push_str(&clean),
                _ if clean.is_empty() => {}
                _ => words.push((time.take(), clean)),
            }
            glued = false;
        }
        glued = !plain.is_empty() && !plain.ends_with(char::is_whitespace);
        rest = after;
    }
    words
}

/// The inside of a tag that begins here, and what follows it. Looks no further than tags are long.
fn tag(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?;
    let length = inner.bytes().take(200).position(|byte| byte == b'>')?;
    let (inside, after) = (&inner[..length], &inner[length + 1..]);
    (inside.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') && !inside.contains('<')).then_some((inside, after))
}

fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, plain) in [("&nbsp;", " "), ("&lrm;", ""), ("&rlm;", ""), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")] {
        text = text.replace(name, plain);
    }
    text
}

fn write(cues: &[Cue]) -> String {
    let time = |ms: i64| format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    let mut file = format!("{VERBATIM}\n");
    for Cue { start, end, words } in cues {
        let _ = write!(file, "\n{} --> {}\n", time(*start), time(*end));
        for (at, (said, word)) in words.iter().enumerate() {
            file.push_str(if at > 0 { " " } else { "" });
            file.push_str(&said.map(|said| format!("<{}>", time(said))).unwrap_or_default());
            file.push_str(&word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
        }
        file.push('\n');
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cues_of(answer: &str) -> String {
        let (_, file) = read(answer.as_bytes(), 60_000).unwrap();
        file.strip_prefix(&format!("{VERBATIM}\n")).unwrap().to_owned()
    }

    #[test]
    fn what_whisper_and_others_answer_is_kept_with_the_times_of_words() {
        let answer = "WEBVTT\nKind: captions\nLanguage: eng\n\n00:00:00.000 --> 00:00:02.500\n Ebb &amp; flow\n\n\
                      NOTE x --\n\n2\n00:02.500 --> 00:04.000 align:start position:0%\n<c>it's</c><00:00:02.900><c> called</c> <00:03.200>the <b>t</b>ide\nhere\n";
        let (heard, file) = read(answer.as_bytes(), 60_000).unwrap();
        assert_eq!(heard, Heard { cues: 2, word_times: true, language: Some("en".into()) });
        assert_eq!(
            file,
            format!(
                "{VERBATIM}\n\n00:00:00.000 --> 00:00:02.500\nEbb &amp; flow\n\n\
                 00:00:02.500 --> 00:00:04.000\nit's <00:00:02.900>called <00:00:03.200>the tide here\n"
            )
        );
        let again = read(file.as_bytes(), 60_000).unwrap();
        assert_eq!(again.1, file, "what is written is read as it was");
    }

    #[test]
    fn markup_that_is_none_is_text_and_text_never_becomes_markup() {
        assert_eq!(
            cues_of("WEBVTT\n\n00:01.000 --> 00:02.000\n<script>1 < 2</script> &lt;b&gt; <<\u{7}é\n"),
            "\n00:00:01.000 --> 00:00:02.000\n1 &lt; 2 &lt;b&gt; &lt;&lt;é\n"
        );
    }

    #[test]
    fn times_are_brought_into_the_sound_and_forward() {
        let answer = "WEBVTT\n\n00:58.000 --> 01:09.000\na <00:57.000>b <00:59.000>c <00:58.500>d <01:05.000>e\n\n00:01.000 --> 00:02.000\nfirst\n\n\
                      01:00.400 --> 01:02.000\nlate\n\n02:00.000 --> 02:01.000\nfar\n";
        assert_eq!(
            cues_of(answer),
            "\n00:00:01.000 --> 00:00:02.000\nfirst\n\n00:00:58.000 --> 00:01:00.000\na b <00:00:59.000>c d e\n\n00:00:59.999 --> 00:01:00.000\nlate\n"
        );
    }

    #[test]
    fn nothing_said_is_an_answer_and_nonsense_is_none() {
        assert_eq!(read(b"WEBVTT\n\n", 1000).unwrap().0.cues, 0);
        let refused = |answer: &[u8]| read(answer, 60_000).unwrap_err();
        assert_eq!(refused(b"WEBVTT\n\n\xff\xfe"), Nonsense::NotText);
        assert_eq!(refused(b""), Nonsense::NotWebVtt(String::new()));
        assert_eq!(refused(b"{\"text\": \"hello\"}"), Nonsense::NotWebVtt("{\"text\": \"hello\"}".into()));
        assert_eq!(refused(b"WEBVTTX\n"), Nonsense::NotWebVtt("WEBVTTX".into()));
        assert_eq!(refused(b"WEBVTT\n\nsoon --> later\nhello\n\n00:05.000 --> 00:04.000\nback\n"), Nonsense::Timings(2));
        let beyond = b"WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n99:00:00.000 --> 99:00:01.000\nb\n\n99:00:02.000 --> 99:00:03.000\nc\n";
        assert_eq!(refused(beyond), Nonsense::BeyondTheEnd { beyond: 2, all: 3 });
        let long = format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n", "word ".repeat(400));
        assert_eq!(refused(long.as_bytes()), Nonsense::TooMuch);
        let endless = format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{}", "<".repeat(2 << 20));
        assert_eq!(refused(endless.as_bytes()), Nonsense::TooMuch);
    }
}
