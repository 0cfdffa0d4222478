//! Timed text to chunks: whole sentences of a few seconds, so that a hit opens where the answer is spoken.
//!
//! Cues end where the line was full, not where the sentence ends. They are cut at sentence ends (the moment inside a
//! cue is interpolated by characters) and put together again into one to three sentences.

use kernel::locator::Locator;

use super::{Draft, TOKEN_BUDGET};
use crate::chunk::tokens::Tokens;
use crate::extract::Cue;

/// A chunk that is this long ends with its sentence. Seconds.
const ENOUGH: f64 = 8.0;
/// A chunk is not made longer than this while there is a sentence end to cut at. Seconds.
const LONG: f64 = 20.0;
/// Without any sentence end a chunk ends at the next cue after this. Seconds.
const TOO_LONG: f64 = 30.0;
/// Silence that ends a chunk. Seconds.
const PAUSE: f64 = 3.0;
/// A cue is cut at words where it is longer than this, so that no cue exceeds the token budget. Characters.
const MAX_ATOM_CHARS: usize = 300;

/// The chunks of a recording's captions, in the order of time.
pub fn drafts(cues: &[Cue], tokens: &Tokens) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut group: Vec<Atom> = Vec::new();
    let mut size = 0;
    for atom in cues.iter().flat_map(atoms) {
        let count = tokens.count(&atom.text) as usize;
        if let (Some(first), Some(last)) = (group.first(), group.last()) {
            let is_break = atom.start - last.end > PAUSE || atom.speaker != last.speaker;
            let is_enough = last.ends_sentence && last.end - first.start >= ENOUGH;
            let length = atom.end - first.start;
            if is_break || is_enough {
                drafts.push(draft(std::mem::take(&mut group), tokens));
                size = 0;
            } else if length > LONG || size + count > TOKEN_BUDGET {
                let end = group.iter().rposition(|atom| atom.ends_sentence).map(|at| at + 1);
                if let Some(end) = end.or((length > TOO_LONG || size + count > TOKEN_BUDGET).then_some(group.len())) {
                    let rest = group.split_off(end);
                    drafts.push(draft(std::mem::replace(&mut group, rest), tokens));
                    size = group.iter().map(|atom| tokens.count(&atom.text) as usize).sum();
                }
            }
        }
        size += count;
        group.push(atom);
    }
    if !group.is_empty() {
        drafts.push(draft(group, tokens));
    }
    drafts
}

/// A part of a cue that holds no sentence end but at its own end.
#[derive(Debug)]
struct Atom {
    start: f64,
    end: f64,
    text: String,
    speaker: Option<String>,
    ends_sentence: bool,
}

fn draft(group: Vec<Atom>, tokens: &Tokens) -> Draft {
    let mut text = String::new();
    let mut chars = 0;
    let mut cues = Vec::with_capacity(group.len());
    for atom in &group {
        if !text.is_empty() {
            text.push(' ');
            chars += 1;
        }
        cues.push((atom.start, chars));
        text.push_str(&atom.text);
        chars += atom.text.chars().count() as u32;
    }
    let start = group.first().map_or(0.0, |atom| atom.start);
    let end = group.iter().map(|atom| atom.end).fold(start, f64::max);
    Draft { tokens: tokens.count(&text), text, heading_path: Vec::new(), locator: Locator::Time { start, end, cues } }
}

fn atoms(cue: &Cue) -> Vec<Atom> {
    let total = cue.text.chars().count().max(1);
    // Where the times of words are known, what lies between them is short.
    let known: Vec<(f64, usize)> =
        std::iter::once((cue.start, 0)).chain(cue.words.iter().map(|(time, at)| (*time, *at as usize))).chain([(cue.end, total)]).collect();
    let moment = |chars: usize| {
        let after = known.partition_point(|(_, at)| *at <= chars).clamp(1, known.len() - 1);
        let ((from, first), (to, last)) = (known[after - 1], known[after]);
        let part = chars.saturating_sub(first) as f64 / last.saturating_sub(first).max(1) as f64;
        ((from + (to - from) * part.min(1.0)) * 1000.0).round() / 1000.0
    };
    let mut atoms = Vec::new();
    let mut at = 0;
    let mut words: Vec<&str> = Vec::new();
    let mut length = 0;
    let mut rest = cue.text.split(' ').peekable();
    while let Some(word) = rest.next() {
        words.push(word);
        length += word.chars().count() + 1;
        let ends_sentence = ends_sentence(word, rest.peek().copied());
        if ends_sentence || length >= MAX_ATOM_CHARS || rest.peek().is_none() {
            atoms.push(Atom {
                start: moment(at),
                end: moment((at + length).min(total)),
                text: words.join(" "),
                speaker: cue.speaker.clone(),
                ends_sentence,
            });
            at += length;
            length = 0;
            words.clear();
        }
    }
    atoms
}

/// Whether a sentence ends with this word. Abbreviations and initials are told by what follows and by their length.
fn ends_sentence(word: &str, next: Option<&str>) -> bool {
    let bare = word.trim_end_matches(['"', '\'', ')', ']', '”', '’', '»']);
    if bare.ends_with(['?', '!', '…', '。', '？', '！', '؟', '।']) {
        return true;
    }
    let Some(stem) = bare.strip_suffix('.') else { return false };
    let is_short = stem.chars().count() < 2 || stem.contains('.') || ABBREVIATIONS.contains(&stem.to_lowercase().as_str());
    let goes_on = next.is_some_and(|next| next.starts_with(char::is_lowercase));
    !is_short && !goes_on
}

const ABBREVIATIONS: [&str; 16] =
    ["mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "fig", "eq", "no", "vol", "al", "approx", "bzw", "ca"];

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start: f64, end: f64, text: &str) -> Cue {
        Cue { start, end, text: text.into(), speaker: None, words: vec![] }
    }

    fn spans(cues: &[Cue]) -> Vec<(f64, f64, String)> {
        drafts(cues, &Tokens::words())
            .into_iter()
            .map(|draft| match draft.locator {
                Locator::Time { start, end, .. } => (start, end, draft.text),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn sentences_across_cues_stay_whole_and_chunks_stay_short() {
        let cues = [
            cue(0.0, 4.0, "A heap is a tree in which every parent"),
            cue(4.0, 8.0, "is smaller than its children. The root"),
            cue(8.0, 12.0, "holds the minimum."),
            cue(12.0, 16.0, "To remove it, we swap."),
        ];
        let spans = spans(&cues);
        assert_eq!(spans.len(), 2, "{spans:?}");
        assert_eq!(spans[0].2, "A heap is a tree in which every parent is smaller than its children. The root holds the minimum.");
        assert_eq!((spans[1].0, spans[1].1), (12.0, 16.0));
    }

    #[test]
    fn a_sentence_that_begins_inside_a_cue_begins_inside_its_time() {
        let drafts = drafts(&[cue(0.0, 10.0, "First sentence done. Second one here")], &Tokens::words());
        let Locator::Time { cues, .. } = &drafts[0].locator else { panic!() };
        assert_eq!(cues.len(), 2);
        assert_eq!(cues[1].1, 21);
        assert!((5.0..7.0).contains(&cues[1].0), "{cues:?}");
    }

    #[test]
    fn a_sentence_begins_when_its_first_word_is_said() {
        let words = vec![(1.0, 6), (7.25, 21), (8.0, 28)];
        let drafts = drafts(&[Cue { words, ..cue(0.0, 10.0, "First sentence done. Second one here") }], &Tokens::words());
        let Locator::Time { cues, .. } = &drafts[0].locator else { panic!() };
        assert_eq!(cues[..], [(0.0, 0), (7.25, 21)]);
    }

    #[test]
    fn speech_without_punctuation_is_cut_by_time() {
        let cues: Vec<Cue> = (0..40).map(|n| cue(f64::from(n) * 3.0, f64::from(n) * 3.0 + 3.0, "words without any full stop")).collect();
        let spans = spans(&cues);
        assert!(spans.iter().all(|(start, end, _)| end - start <= TOO_LONG), "{spans:?}");
        assert_eq!(spans.iter().map(|(.., text)| text.split(' ').count()).sum::<usize>(), 200);
    }

    #[test]
    fn pauses_and_speakers_end_a_chunk() {
        let mut cues = vec![cue(0.0, 2.0, "Hello."), cue(2.0, 4.0, "Hi."), cue(60.0, 62.0, "Later.")];
        cues[1].speaker = Some("Bo".into());
        assert_eq!(spans(&cues).len(), 3);
    }

    #[test]
    fn a_cue_of_enormous_length_is_cut() {
        let text = "word ".repeat(2000).trim_end().to_owned();
        let drafts = drafts(&[cue(0.0, 600.0, &text)], &Tokens::words());
        assert!(drafts.iter().all(|draft| draft.tokens as usize <= TOKEN_BUDGET));
        assert_eq!(drafts.iter().map(|draft| draft.text.split(' ').count()).sum::<usize>(), 2000);
    }

    #[test]
    fn abbreviations_do_not_end_a_sentence() {
        assert!(ends_sentence("minimum.", Some("The")));
        assert!(ends_sentence("really?\"", None));
        for (word, next) in [("e.g.", Some("Bo")), ("Dr.", Some("Bo")), ("3.", Some("Then")), ("min.", Some("and"))] {
            assert!(!ends_sentence(word, next), "{word}");
        }
    }
}
