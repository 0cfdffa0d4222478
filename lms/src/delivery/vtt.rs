//! WebVTT for players: read, cleaned, and cut into segments. Pure.
//!
//! What is read was written by us already (`ingest`, `transcode`), or by an editor of captions; it is cleaned all the same,
//! as this is where text of others leaves for programs that render it. What is let through is WebVTT's own markup.

use std::fmt::Write;

/// One cue, cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// ms from the beginning.
    pub start: i64,
    pub end: i64,
    /// Where it is shown, as WebVTT writes it; empty for the usual place.
    settings: String,
    /// Payload with WebVTT's own tags and escapes only.
    text: String,
}

/// The cues of a file in the order of their start. What is no cue (styles, regions, notes), or cannot be read, is left
/// out.
pub fn cues(file: &str) -> Vec<Cue> {
    let file = file.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace(['\r', '\0'], "\n");
    let mut cues: Vec<Cue> = file.split("\n\n").filter_map(cue).collect();
    cues.sort_by_key(|cue| (cue.start, cue.end));
    cues
}

fn cue(block: &str) -> Option<Cue> {
    let mut lines = block.lines().skip_while(|line| !line.contains("-->"));
    let (start, rest) = lines.next()?.split_once("-->")?;
    let mut rest = rest.split_whitespace();
    let (start, end) = (time(start.trim())?, time(rest.next()?)?);
    let lines: Vec<String> = lines.map(clean).filter(|line| !line.trim().is_empty()).collect();
    (start < end && !lines.is_empty()).then(|| Cue { start, end, settings: settings(rest), text: lines.join("\n") })
}

/// `hh:mm:ss.mmm` or `mm:ss.mmm`, in ms.
fn time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.')?;
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = clock.split(':').collect();
    if !(2..=3).contains(&parts.len()) || fraction.len() != 3 || !digits(fraction, 3) || !parts.iter().all(|part| digits(part, 4)) {
        return None;
    }
    let seconds = parts.iter().try_fold(0, |sum, part| Some(sum * 60 + part.parse::<i64>().ok()?))?;
    Some(seconds * 1000 + fraction.parse::<i64>().ok()?)
}

fn clock(ms: i64) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// The settings that WebVTT knows, with values that are numbers, percentages and words.
fn settings<'a>(given: impl Iterator<Item = &'a str>) -> String {
    let known = ["vertical", "line", "position", "size", "align"];
    let plain = |value: &str| !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"%.,-".contains(&b));
    given
        .filter(|setting| setting.split_once(':').is_some_and(|(name, value)| known.contains(&name) && plain(value)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// One line of a payload: WebVTT's own tags stay, other tags go, and everything else is text.
fn clean(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['<', '>', '&']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        rest = match tail.as_bytes()[0] {
            b'<' => match inside(tail) {
                Some((tag, after)) => {
                    out.push_str(&own_tag(tag).unwrap_or_default());
                    after
                }
                None => escaped(tail, "&lt;", &mut out),
            },
            b'&' => match ["&amp;", "&lt;", "&gt;", "&nbsp;", "&lrm;", "&rlm;"].iter().find(|known| tail.starts_with(**known)) {
                Some(known) => {
                    out.push_str(known);
                    &tail[known.len()..]
                }
                None => escaped(tail, "&amp;", &mut out),
            },
            _ => escaped(tail, "&gt;", &mut out),
        };
    }
    out.push_str(rest);
    out
}

fn escaped<'t>(tail: &'t str, escape: &str, out: &mut String) -> &'t str {
    out.push_str(escape);
    &tail[1..]
}

/// The inside of what looks like a tag, and what follows it. Looks no further than tags are long, so that a line of
/// opening brackets does not take for ever.
fn inside(tail: &str) -> Option<(&str, &str)> {
    let length = tail.bytes().skip(1).take(200).position(|byte| byte == b'>')?;
    let tag = &tail[1..1 + length];
    let first = tag.chars().next()?;
    let looks_like_one = !tag.contains('<') && (first.is_ascii_alphanumeric() || matches!(first, '/' | '!' | '?'));
    looks_like_one.then_some((tag, &tail[length + 2..]))
}

/// The tag as WebVTT writes it, if it is one of its own: `<b>`, `<c.loud>`, `<v Ann>`, `<lang de>`, `<00:01.000>`.
fn own_tag(tag: &str) -> Option<String> {
    if let Some(name) = tag.strip_prefix('/') {
        return is_element(name).then(|| format!("</{name}>"));
    }
    if let Some(at) = time(tag) {
        return Some(format!("<{}>", clock(at)));
    }
    let (name, annotation) = tag.split_once([' ', '\t']).map_or((tag, ""), |(name, rest)| (name, rest.trim()));
    let (element, classes) = name.split_once('.').map_or((name, ""), |(element, classes)| (element, classes));
    if !is_element(element) {
        return None;
    }
    let mut own = format!("<{element}");
    let is_class = |class: &&str| !class.is_empty() && class.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    for class in classes.split('.').filter(is_class) {
        let _ = write!(own, ".{class}");
    }
    if matches!(element, "v" | "lang") && !annotation.is_empty() {
        let _ = write!(own, " {}", annotation.replace(['"', '\''], "").replace('&', "&amp;").replace("&amp;amp;", "&amp;"));
    }
    Some(own + ">")
}

fn is_element(name: &str) -> bool {
    matches!(name, "b" | "i" | "u" | "c" | "v" | "lang" | "ruby" | "rt")
}

/// All cues in one file.
pub fn file(cues: &[Cue]) -> String {
    write(cues.iter(), "WEBVTT\n")
}

/// The segment that is shown from `from` to `to` (ms). A cue that is shown across a boundary stands in both, with the
/// same times; the film's clock and the cues' both begin at 0.
pub fn segment(cues: &[Cue], from: i64, to: i64) -> String {
    let shown = cues.iter().filter(|cue| cue.start < to && cue.end > from);
    write(shown, "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n")
}

fn write<'a>(cues: impl Iterator<Item = &'a Cue>, head: &str) -> String {
    let mut text = head.to_owned();
    for cue in cues {
        let space = if cue.settings.is_empty() { "" } else { " " };
        let _ = write!(text, "\n{} --> {}{space}{}\n{}\n", clock(cue.start), clock(cue.end), cue.settings, cue.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_webvtts_own_markup_is_let_through() {
        for (line, wanted) in [
            ("plain text", "plain text"),
            ("<script>alert(1)</script>", "alert(1)"),
            ("<SCRIPT src=x>a", "a"),
            ("<img src=x onerror=alert(1)>a", "a"),
            ("<b onclick=x>bold</b>", "<b>bold</b>"),
            ("<c.yellow.bg-red.x\"y>hi</c>", "<c.yellow.bg-red>hi</c>"),
            ("<v.loud Ann & \"Bo\">hi</v>", "<v.loud Ann &amp; Bo>hi</v>"),
            ("<lang de>Hallo</lang>", "<lang de>Hallo</lang>"),
            ("<ruby>a<rt>b</rt></ruby>", "<ruby>a<rt>b</rt></ruby>"),
            ("<00:01.000>word <01:00:01.500>word", "<00:00:01.000>word <01:00:01.500>word"),
            ("1 < 2 && 3 > 2", "1 &lt; 2 &amp;&amp; 3 &gt; 2"),
            ("a --> b", "a --&gt; b"),
            ("&lt;script&gt; &#60;b&#62;", "&lt;script&gt; &amp;#60;b&amp;#62;"),
            ("<<script>script>x", "&lt;script&gt;x"),
            ("<!-- x --><?xml?>a", "a"),
            ("open <b", "open &lt;b"),
        ] {
            assert_eq!(clean(line), wanted, "{line}");
        }
        let long = "<".repeat(100_000);
        assert_eq!(clean(&long).len(), 400_000);
    }

    #[test]
    fn a_file_is_read_whatever_stands_between_its_cues() {
        let read = cues(
            "\u{feff}WEBVTT Kind: captions\r\nX: y\r\n\r\nSTYLE\r\n::cue { background: url(http://x) }\r\n\r\nNOTE 00:00:01.000 is no time\r\n\r\n\
             2\r\n00:03.000 --> 00:04.000 line:90% align:start onload:x position:<b\r\nlater\r\n\r\n1\r\n00:00:01.000 --> 00:00:02.500\r\none\r\ntwo\r\n\r\n\
             00:00:05.000 --> 00:00:05.000\nno time\n\n00:00:06.000 --> 00:00:07.000\n\n00:xx --> 00:08.000\nnonsense\n",
        );
        assert_eq!(
            file(&read),
            "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\none\ntwo\n\n00:00:03.000 --> 00:00:04.000 line:90% align:start\nlater\n"
        );
        assert_eq!(cues(&file(&read)), read, "what is written is read as it was");
    }

    #[test]
    fn a_cue_across_a_boundary_stands_on_both_sides_with_its_own_times() {
        let read = cues("WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n00:03.500 --> 00:09.000\nb\n\n00:08.000 --> 00:10.000\nc\n");
        let head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n";
        let b = "\n00:00:03.500 --> 00:00:09.000\nb\n";
        assert_eq!(segment(&read, 0, 4000), format!("{head}\n00:00:01.000 --> 00:00:02.000\na\n{b}"));
        assert_eq!(
            segment(&read, 4000, 8000),
            format!("{head}{b}"),
            "what ends where it begins, and begins where it ends, is no part of it"
        );
        assert_eq!(segment(&read, 8000, 9500), format!("{head}{b}\n00:00:08.000 --> 00:00:10.000\nc\n"));
        assert_eq!(segment(&read, 20_000, 24_000), head, "where nothing is said there is a segment too");
    }

    #[test]
    fn segments_together_hold_every_cue() {
        let text: String =
            (0..50).fold("WEBVTT\n".into(), |text, i| format!("{text}\n{} --> {}\ncue {i}\n", clock(i * 700), clock(i * 700 + 1900)));
        let all = cues(&text);
        let mut found: Vec<Cue> = (0..10).flat_map(|i| cues(&segment(&all, i * 4000, (i + 1) * 4000))).collect();
        found.sort_by_key(|cue| cue.start);
        found.dedup();
        assert_eq!(found, all);
    }
}
