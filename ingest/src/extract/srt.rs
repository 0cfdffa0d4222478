//! SubRip: counters, times with a comma, text. There is no standard; what players accept is accepted.

use super::{Cue, Meter, captions};
use crate::refusal::Refusal;

/// The cues in the order of time.
///
/// # Errors
/// `captions_invalid` when no cue can be read.
pub fn read(source: &str, meter: &Meter) -> Result<Vec<Cue>, Refusal> {
    let mut collector = captions::Collector::default();
    let mut cue: Option<((f64, f64), Vec<&str>)> = None;
    let mut chars = 0;
    for line in source.lines() {
        if let Some(times) = captions::timing(line) {
            if let Some((times, mut lines)) = cue.replace((times, Vec::new())) {
                drop_counter(&mut lines);
                collector.add(times, &lines.join("\n"))?;
            }
        } else if let Some((_, lines)) = &mut cue {
            // Some writers put empty lines inside a cue, so only the next timing ends it.
            chars += line.len();
            meter.check_chars(chars)?;
            lines.push(line);
        }
    }
    if let Some((times, lines)) = cue {
        collector.add(times, &lines.join("\n"))?;
    }
    collector.finish().ok_or(Refusal::CaptionsInvalid)
}

/// The next cue's counter has been read as this cue's last line; an empty line before it gives it away.
fn drop_counter(lines: &mut Vec<&str>) {
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    let is_counter = |line: &str| !line.trim().is_empty() && line.trim().bytes().all(|b| b.is_ascii_digit());
    if let [.., before, last] = lines[..]
        && before.trim().is_empty()
        && is_counter(last)
    {
        lines.pop();
    } else if let [only] = lines[..]
        && is_counter(only)
    {
        // An empty cue directly followed by the next counter.
        lines.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        read(source, &Meter::unhurried()).unwrap().into_iter().map(|cue| cue.text).collect()
    }

    #[test]
    fn counters_are_not_text_but_numbers_are() {
        let source = "1\n00:00:01,000 --> 00:00:02,000\nThe answer is\n42\n\n2\n00:00:02,000 --> 00:00:03,000\n<i>Yes.</i>\n\n";
        assert_eq!(texts(source), ["The answer is 42", "Yes."]);
    }

    #[test]
    fn empty_lines_inside_a_cue_and_missing_counters_are_accepted() {
        let source = "00:00:01,000 --> 00:00:02,000\none\n\nmore\n\n00:00:03,000 --> 00:00:04,000\ntwo\n";
        assert_eq!(texts(source), ["one more", "two"]);
    }

    #[test]
    fn cues_are_sorted_by_time() {
        let source = "1\n00:00:05,000 --> 00:00:06,000\nlater\n\n2\n00:00:01,000 --> 00:00:02,000\nfirst\n";
        assert_eq!(texts(source), ["first", "later"]);
    }

    #[test]
    fn file_without_times_is_refused() {
        let result = read("1\nno times here\n", &Meter::unhurried());
        assert_eq!(result.unwrap_err().code(), "captions_invalid");
    }
}
