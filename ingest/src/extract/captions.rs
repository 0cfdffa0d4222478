//! What WebVTT and SubRip have in common: times, markup inside a cue, roll-up repetition, and writing clean WebVTT.
//!
//! Both readers are our own and forgiving, because captions come out of a hundred tools: a cue that cannot be read
//! is skipped, and only a file without any readable cue is refused.

mod own;

use super::Cue;
use crate::refusal::Refusal;

pub use kernel::media::VERBATIM;
pub use own::{from_own_webvtt, to_verbatim_webvtt, to_webvtt};

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
    let (lines, speaker) = lines(payload);
    (lines.into_iter().map(|line| line.text).collect(), speaker)
}

/// A line without markup, and when its words are said where `<00:01.000>` stands before them: seconds and characters.
#[derive(Debug, Default, PartialEq)]
struct Line {
    text: String,
    words: Vec<(f64, u32)>,
}

/// As [`plain`], with the times of words.
fn lines(payload: &str) -> (Vec<Line>, Option<String>) {
    let mut speaker = None;
    let lines = payload.lines().map(|raw| line(raw, &mut speaker)).filter(|line| !line.text.is_empty()).collect();
    (lines, speaker)
}

fn line(raw: &str, speaker: &mut Option<String>) -> Line {
    let mut line = Line::default();
    let (mut rest, mut time, mut space, mut chars) = (raw, None, false, 0);
    loop {
        let next = next_time(rest);
        let piece = without_markup(next.map_or(rest, |(before, ..)| before), speaker);
        space |= piece.starts_with(char::is_whitespace);
        for word in piece.split_whitespace() {
            if space && chars > 0 {
                line.text.push(' ');
                chars += 1;
            }
            line.words.extend(time.take().map(|time| (time, chars)));
            line.text.push_str(word);
            chars += word.chars().count() as u32;
            space = true;
        }
        if !piece.is_empty() {
            space = piece.ends_with(char::is_whitespace);
        }
        let Some((_, at, after)) = next else { return line };
        (rest, time) = (after, Some(at));
    }
}

/// What stands before the next time of a word, that time in seconds, and what follows it.
fn next_time(text: &str) -> Option<(&str, f64, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let (inside, after) = tag(&text[at..])?;
        inside.as_bytes()[0].is_ascii_digit().then_some(())?;
        Some((&text[..at], seconds(inside)?, after))
    })
}

fn without_markup(payload: &str, speaker: &mut Option<String>) -> String {
    let mut text = String::with_capacity(payload.len());
    let mut rest = payload;
    while let Some(at) = rest.find(['<', '{', '&']) {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        rest = match tail.as_bytes()[0] {
            b'<' => match tag(tail) {
                Some((name, after)) => {
                    if speaker.is_none() && (name.starts_with("v ") || name.starts_with("v.")) {
                        *speaker = name.split_once(' ').map(|(_, who)| unescape_all(who.trim())).filter(|who| !who.is_empty());
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
    text
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
        let (mut lines, speaker) = lines(payload);
        let follows = !self.verbatim && self.cues.last().is_some_and(|previous| start <= previous.end + 0.5);
        // Live captions scroll: the last line of a cue is shown again as the first line of the next.
        if follows && lines.first().is_some_and(|line| line.text == self.last_line) {
            lines.remove(0);
        }
        if let Some(last) = lines.last() {
            self.last_line.clone_from(&last.text);
            self.cues.push(cue((start, end), lines, speaker));
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

/// Times of words that do not go forward, or leave the cue's own, are left out.
fn cue((start, end): (f64, f64), lines: Vec<Line>, speaker: Option<String>) -> Cue {
    let mut cue = Cue { start, end, text: String::new(), speaker, words: vec![] };
    let mut chars = 0;
    for line in lines {
        let gap = u32::from(chars > 0);
        cue.words.extend(line.words.into_iter().map(|(time, at)| (time, chars + gap + at)));
        chars += gap + line.text.chars().count() as u32;
        if gap > 0 {
            cue.text.push(' ');
        }
        cue.text.push_str(&line.text);
    }
    let mut last = start;
    cue.words.retain(|(time, at)| {
        let forward = *at > 0 && *time > last && *time < end;
        if forward {
            last = *time;
        }
        forward
    });
    cue
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
    fn times_of_words_are_kept_where_they_go_forward() {
        let mut collector = Collector::default();
        let payload = "<v Ann><00:01.000>Ebb<00:01.400><c> and</c>\n<00:01.800>flow <00:01.700>of<00:09.000> it";
        collector.add((1.0, 3.0), payload).unwrap();
        // A roll-up repeats the line before without times; what is new has them.
        collector.add((3.0, 5.0), "flow of it\nevery <00:04.000>day").unwrap();
        let cues = collector.finish().unwrap();
        assert_eq!((cues[0].text.as_str(), cues[0].speaker.as_deref()), ("Ebb and flow of it", Some("Ann")));
        assert_eq!(cues[0].words, [(1.4, 4), (1.8, 8)]);
        assert_eq!((cues[1].text.as_str(), &cues[1].words[..]), ("every day", &[(4.0, 6)][..]));
        let written = to_webvtt(&cues);
        assert!(written.contains("<v Ann>Ebb <00:00:01.400>and <00:00:01.800>flow of it\n"), "{written}");
        assert_eq!(from_own_webvtt(&written).unwrap(), cues);
        assert_eq!(plain(payload).0, ["Ebb and", "flow of it"]);
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
}
