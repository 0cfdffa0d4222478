//! Where a hit opens: its link, its label, and for a video the very cue that answers. Pure.

use std::collections::HashSet;

use indexer::{Question, words};
use kernel::id::AssetId;
use kernel::locator::Locator;
use kernel::media::Kind;

/// A place in an asset, in words and as a link.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// `1:13`, `page 3`, a heading, or the kind of the asset when the hit is the asset as a whole.
    pub label: String,
    /// Path of the page that opens there.
    pub url: String,
    /// The chunk's locator; of a stretch of time only the cue that is opened.
    pub locator: Option<Locator>,
}

/// What is needed of a chunk to open it.
pub(crate) struct Spot<'a> {
    pub ordinal: i32,
    pub text: &'a str,
    pub heading_path: &'a [String],
    pub locator: Locator,
}

/// The place of a chunk in the asset that is opened, or of the asset as a whole.
pub(crate) fn place(asset: AssetId, kind: Kind, spot: Option<Spot<'_>>, question: &Question) -> Place {
    let page = match kind {
        Kind::Video | Kind::Audio => "watch",
        Kind::Document | Kind::Captions => "read",
    };
    let at = |query: String| format!("/{page}/{asset}?{query}");
    let Some(spot) = spot else {
        return Place { label: kind.as_str().into(), url: format!("/{page}/{asset}"), locator: None };
    };
    let heading = || spot.heading_path.last().cloned().unwrap_or_else(|| format!("part {}", spot.ordinal + 1));
    match spot.locator {
        Locator::Page { page: number, .. } => {
            Place { label: format!("page {number}"), url: at(format!("page={number}")), locator: Some(spot.locator) }
        }
        Locator::Section { .. } => Place { label: heading(), url: at(format!("chunk={}", spot.ordinal)), locator: Some(spot.locator) },
        Locator::Time { start, end, ref cues } => {
            let cue = answering(spot.text, cues, question);
            let second = cue.map_or(start, |(second, _)| second);
            let url = match kind {
                Kind::Video | Kind::Audio => at(format!("t={}", tenths(second))),
                Kind::Document | Kind::Captions => at(format!("chunk={}", spot.ordinal)),
            };
            Place { label: clock(second), url, locator: Some(Locator::Time { start, end, cues: cue.into_iter().collect() }) }
        }
    }
}

/// The cue in which the words of the question begin to be spoken: the one that, with half of what follows it, holds
/// most of them. The first cue when none holds any.
fn answering(text: &str, cues: &[(f64, u32)], question: &Question) -> Option<(f64, u32)> {
    let mut spoken: Vec<HashSet<String>> = vec![HashSet::new(); cues.len()];
    // cues count characters, words bytes
    let mut character = 0;
    let mut byte = 0;
    for word in words(text) {
        character += text[byte..word.start].chars().count() as u32;
        byte = word.start;
        let cue = cues.partition_point(|(_, offset)| *offset <= character).saturating_sub(1);
        if let Some(spoken) = spoken.get_mut(cue)
            && question.seeks(&word.stem)
        {
            spoken.insert(word.stem);
        }
    }
    let weight = |index: usize| {
        let following = spoken.get(index + 1).map_or(0, |next| next.difference(&spoken[index]).count());
        2 * spoken[index].len() + if spoken[index].is_empty() { 0 } else { following }
    };
    let best = (0..cues.len()).max_by_key(|&index| (weight(index), cues.len() - index))?;
    Some(cues[best])
}

/// Seconds with one digit after the point, or none: rounded down, so that the word is not missed.
fn tenths(second: f64) -> String {
    let tenths = (second.max(0.0) * 10.0 + 1e-6).floor();
    if tenths % 10.0 == 0.0 { format!("{}", tenths / 10.0) } else { format!("{:.1}", tenths / 10.0) }
}

/// `1:13`, or `1:02:03` from an hour on.
fn clock(second: f64) -> String {
    let seconds = second.max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Welcome to the course. The learning rate decides how far each step goes. If the learning rate is too large, the loss diverges.";

    fn time() -> Locator {
        Locator::Time { start: 4.0, end: 80.0, cues: vec![(4.0, 0), (61.04, 23), (73.26, 73)] }
    }

    fn open(kind: Kind, locator: Locator, asked: &str) -> Place {
        let headings = ["Basics".to_string(), "Step size".to_string()];
        let spot = Spot { ordinal: 11, text: TEXT, heading_path: &headings, locator };
        place(AssetId(uuid::Uuid::nil()), kind, Some(spot), &Question::parse(asked, 1024).unwrap())
    }

    #[test]
    fn a_video_opens_at_the_cue_that_answers() {
        let hit = open(Kind::Video, time(), "does the loss diverge ");
        assert_eq!((hit.label.as_str(), hit.url.as_str()), ("1:13", "/watch/00000000-0000-0000-0000-000000000000?t=73.2"));
        assert_eq!(hit.locator, Some(Locator::Time { start: 4.0, end: 80.0, cues: vec![(73.26, 73)] }));
        assert_eq!(open(Kind::Video, time(), "steps of the learning rate ").label, "1:01");
        assert_eq!(open(Kind::Audio, time(), "absent ").url, "/watch/00000000-0000-0000-0000-000000000000?t=4");
    }

    #[test]
    fn an_answer_that_runs_over_two_cues_opens_at_the_first() {
        let hit = open(Kind::Video, time(), "how far is a step when the loss diverges ");
        assert_eq!(hit.label, "1:01");
    }

    #[test]
    fn a_document_opens_at_its_page_or_chunk() {
        let hit = open(Kind::Document, Locator::Page { page: 3, start: 0, end: 9 }, "");
        assert_eq!((hit.label.as_str(), hit.url.as_str()), ("page 3", "/read/00000000-0000-0000-0000-000000000000?page=3"));
        let hit = open(Kind::Document, Locator::Section { start: 0, end: 9 }, "");
        assert_eq!((hit.label.as_str(), hit.url.as_str()), ("Step size", "/read/00000000-0000-0000-0000-000000000000?chunk=11"));
    }

    #[test]
    fn captions_without_a_video_are_read() {
        let hit = open(Kind::Captions, time(), "diverges ");
        assert_eq!((hit.label.as_str(), hit.url.as_str()), ("1:13", "/read/00000000-0000-0000-0000-000000000000?chunk=11"));
    }

    #[test]
    fn a_whole_asset_has_no_place_in_it() {
        let hit = place(AssetId(uuid::Uuid::nil()), Kind::Video, None, &Question::default());
        assert_eq!(hit, Place { label: "video".into(), url: "/watch/00000000-0000-0000-0000-000000000000".into(), locator: None });
    }

    #[test]
    fn hours_are_shown_when_there_are_any() {
        assert_eq!((clock(0.0), clock(59.99), clock(3723.0)), ("0:00".into(), "0:59".into(), "1:02:03".into()));
        assert_eq!((tenths(73.2), tenths(73.0), tenths(0.05)), ("73.2".into(), "73".into(), "0".into()));
    }
}
