//! What WebVTT and SubRip have in common: times, markup inside a cue, roll-up repetition, and writing clean WebVTT.
//!
//! Both readers are our own and forgiving, because captions come out of a hundred tools: a cue that cannot be read
//! is skipped, and only a file without any readable cue is refused.

use super::Cue;
use crate::refusal::Refusal;

/// First line of captions that were saved in our own editor. What follows it is read word for word: somebody who repeats a
/// line means it, and it is no roll-up.
pub const VERBATIM: &str = "WEBVTT - edited, word for word";

/// Two a second, all day long.
const MAX_CUES: usize = 172_800;

/// Parses `00:00:01.000 --> 00:00:04.000 …`, with hours left out, commas for points, or loose spaces.
///
/// Returns start and end in seconds; none when the line is no timing, or runs backwards.
pub fn timing(line: &str) -> Option<(f64, f64)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    let (start, end) = (seconds(start.trim())?, seconds(end)?);
    (start <= end).then_some((start, end))
}

/// `hh:mm:ss.mmm`, `mm:ss.mmm` or `mm:ss`. A comma may stand for the point.
pub fn seconds(time: &str) -> Option<f64> {
    let mut total = 0.0;
    let parts: Vec<&str> = time.split(':').collect();
    let (last, clock) = parts.split_last()?;
    if clock.is_empty() || clock.len() > 2 {
        return None;
    }
    for part in clock {
        total = total * 60.0 + f64::from(digits(part, 4)?);
    }
    let (whole, fraction) = last.split_once(['.', ',']).unwrap_or((last, "0"));
    let fraction_value = f64::from(digits(fraction, 9)?) / 10f64.powi(i32::try_from(fraction.len()).ok()?);
    Some(total * 60.0 + f64::from(digits(whole, 2)?) + fraction_value)
}

fn digits(text: &str, most: usize) -> Option<u32> {
    (!text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The lines of a cue's payload without markup, and who speaks, if the markup says so.
///
/// Drops `<b>`, `<c.yellow>`, `<00:01.000>`, `<font …>` and `{\an8}`, the reading aid in `<rt>`, and decodes the
/// entities that WebVTT knows. A `<` that opens no tag is text.
pub fn plain(payload: &str) -> (Vec<String>, Option<String>) {
    let mut speaker = None;
    let mut text = String::with_capacity(payload.len());
    let mut rest = payload;
    while let Some(at) = rest.find(['<', '{', '&']) {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        rest = match tail.as_bytes()[0] {
            b'<' => match tag(tail) {
                Some((name, after)) => {
                    if speaker.is_none() && (name.starts_with("v ") || name.starts_with("v.")) {
                        speaker = name.split_once(' ').map(|(_, who)| unescape_all(who.trim())).filter(|who| !who.is_empty());
                    }
                    if name.eq_ignore_ascii_case("rt") { after.find('<').map_or("", |end| &after[end..]) } else { after }
                }
                None => keep_one(tail, &mut text),
            },
            b'{' => match enclosed(tail, b'}').filter(|(inside, _)| inside.starts_with('\\')) {
                Some((_, after)) => after,
                None => keep_one(tail, &mut text),
            },
            _ => match entity(tail) {
                Some((decoded, after)) => {
                    text.push_str(decoded);
                    after
                }
                None => keep_one(tail, &mut text),
            },
        };
    }
    text.push_str(rest);
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|line| !line.is_empty()).collect();
    (lines, speaker)
}

fn keep_one<'t>(tail: &'t str, text: &mut String) -> &'t str {
    text.push_str(&tail[..1]);
    &tail[1..]
}

/// The inside of a tag that starts here, and what follows it.
fn tag(tail: &str) -> Option<(&str, &str)> {
    let (inside, after) = enclosed(tail, b'>')?;
    let first = inside.chars().next()?;
    (!inside.contains(['<', '\n']) && (first.is_ascii_alphanumeric() || first == '/')).then_some((inside, after))
}

/// What stands between the first character and the nearest closing one, and what follows that. Looks no further than
/// any real tag is long, so that a file of opening brackets does not take for ever.
fn enclosed(tail: &str, close: u8) -> Option<(&str, &str)> {
    let length = tail.bytes().skip(1).take(200).position(|byte| byte == close)?;
    Some((&tail[1..1 + length], &tail[length + 2..]))
}

fn entity(tail: &str) -> Option<(&'static str, &str)> {
    const KNOWN: [(&str, &str); 9] = [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&nbsp;", " "),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&lrm;", ""),
        ("&rlm;", ""),
    ];
    KNOWN.into_iter().find_map(|(name, decoded)| tail.strip_prefix(name).map(|after| (decoded, after)))
}

fn unescape_all(text: &str) -> String {
    plain(text).0.join(" ")
}

/// Collects cues in the order of time and undoes roll-up captions, where each cue repeats the line before.
#[derive(Default)]
pub struct Collector {
    cues: Vec<Cue>,
    last_line: String,
    /// Nothing is taken for a repetition.
    verbatim: bool,
}

impl Collector {
    /// For a file that begins like this.
    pub fn for_file(source: &str) -> Self {
        Self { verbatim: source.lines().next() == Some(VERBATIM), ..Self::default() }
    }

    /// Takes one cue as it stands in the file. Empty cues are dropped.
    ///
    /// # Errors
    /// `too_complex` when there are more cues than a day of speech has.
    pub fn add(&mut self, (start, end): (f64, f64), payload: &str) -> Result<(), Refusal> {
        let (mut lines, speaker) = plain(payload);
        let follows = !self.verbatim && self.cues.last().is_some_and(|previous| start <= previous.end + 0.5);
        // Live captions scroll: the last line of a cue is shown again as the first line of the next.
        if follows && lines.first().is_some_and(|line| *line == self.last_line) {
            lines.remove(0);
        }
        if let Some(last) = lines.last() {
            self.last_line.clone_from(last);
            self.cues.push(Cue { start, end, text: lines.join(" "), speaker });
        } else if follows && let Some(previous) = self.cues.last_mut() {
            // The same words stay on the screen.
            previous.end = previous.end.max(end);
        }
        if self.cues.len() > MAX_CUES { Err(Refusal::TooComplex("it has more cues than a day of speech")) } else { Ok(()) }
    }

    /// The cues by start; none when there was none to read.
    pub fn finish(mut self) -> Option<Vec<Cue>> {
        self.cues.sort_by(|a, b| a.start.total_cmp(&b.start));
        (!self.cues.is_empty()).then_some(self.cues)
    }
}

/// Clean WebVTT for the player: no styles, no positions, nothing but times and escaped text.
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
    Some(Cue { start, end, text: unescape(text)?, speaker })
}

fn unescape(text: &str) -> Option<String> {
    let markup = text.contains(['<', '>']);
    (!markup).then(|| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

fn write(header: &str, cues: &[Cue]) -> String {
    let mut file = format!("{header}\n");
    for cue in cues {
        let text = escape(&cue.text);
        let voice = cue.speaker.as_deref().map(|who| format!("<v {}>", escape(who))).unwrap_or_default();
        file.push_str(&format!("\n{} --> {}\n{voice}{text}\n", clock(cue.start), clock(cue.end.max(cue.start + 0.001))));
    }
    file
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
    fn times_are_read_in_every_common_spelling() {
        assert_eq!(timing("00:01.500 --> 00:02.250 align:start"), Some((1.5, 2.25)));
        assert_eq!(timing("01:00:00,000-->01:00:01,5"), Some((3600.0, 3601.5)));
        assert_eq!(timing("100:00:00.000 --> 100:00:01.000"), Some((360_000.0, 360_001.0)));
        for wrong in ["", "x --> y", "00:02.000 --> 00:01.000", "1 --> 2", "00:00:-1.000 --> 00:00:02.000", "a:b:c --> 00:01"] {
            assert_eq!(timing(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn markup_is_dropped_and_text_kept() {
        let (lines, speaker) = plain("<v.loud Ann &amp; Bo>a &lt;b&gt;\n<c.x>if 1 < 2</c> {\\an8}then <00:01.000>go");
        assert_eq!(lines, ["a <b>", "if 1 < 2 then go"]);
        assert_eq!(speaker.as_deref(), Some("Ann & Bo"));
        assert_eq!(plain("<ruby>漢<rt>kan</rt></ruby>字 <script>x</script> {a} &co").0, ["漢字 x {a} &co"]);
    }

    #[test]
    fn rolling_captions_are_told_once() {
        let mut collector = Collector::default();
        collector.add((0.0, 2.0), "first line").unwrap();
        collector.add((2.0, 2.1), "first line").unwrap();
        collector.add((2.1, 4.0), "first line\nsecond line").unwrap();
        collector.add((20.0, 21.0), "second line").unwrap();
        let cues = collector.finish().unwrap();
        let texts: Vec<&str> = cues.iter().map(|cue| cue.text.as_str()).collect();
        assert_eq!(texts, ["first line", "second line", "second line"]);
        assert_eq!(cues[0].end, 2.1);
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else_is() {
        let cue = |start: f64, text: &str, speaker: Option<&str>| Cue {
            start,
            end: start + 1.5,
            text: text.into(),
            speaker: speaker.map(Into::into),
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
        let cue = Cue { start: 3661.0005, end: 3661.0, text: "<script> & -->".into(), speaker: None };
        assert_eq!(to_webvtt(&[cue]), "WEBVTT\n\n01:01:01.001 --> 01:01:01.002\n&lt;script&gt; &amp; --&gt;\n");
    }
}
