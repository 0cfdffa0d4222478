//! Encodes one run: a window of pictures with some or all rungs, a window of sound, or a whole file. A line of stations,
//! from the source over the rungs, writes segments; what was made is told as values, for assemble.rs to put together.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};

use crate::aac;
use crate::copying::CopyStation;
use crate::error::{Doing, TranscodeError};
use crate::ladder::Rung;
use crate::line::{self, Post};
use crate::placing::Tally;
use crate::plan::{Plan, Window};
use crate::probe::Probe;
use crate::scale;
use crate::source::{Reading, Source, Trays};
use crate::stations::{RungStation, SOUND, SoundStation};
use crate::stills::{Stills, StillsMade};
use crate::track::{INIT, Part, segment_name};
use crate::upright::Upright;

/// What to encode of a planned file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Run {
    /// Pictures of a window, in these rungs of the ladder (the first included, the last not).
    Pictures { window: Window, rungs: (usize, usize) },
    /// Sound of a window.
    Sound { window: Window },
    /// Pictures and sound of the whole file.
    Whole,
}

impl Run {
    /// Number of its first segment.
    pub fn first(&self) -> usize {
        match self {
            Self::Pictures { window, .. } | Self::Sound { window } => window.first,
            Self::Whole => 1,
        }
    }

    /// Whether it makes nothing but sound.
    pub fn is_sound(&self) -> bool {
        matches!(self, Self::Sound { .. })
    }
}

/// What one run made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Number of its first segment.
    pub first: usize,
    /// Largest picture first, sound last.
    pub parts: Vec<Part>,
    pub tally: Tally,
    pub stills: StillsMade,
}

impl Made {
    /// Its files, relative to the folder of the package; segments in the order in which they are shown.
    pub fn files(&self) -> Vec<String> {
        let mut files = vec![];
        for part in &self.parts {
            files.extend((self.first == 1).then(|| format!("{}/{INIT}", part.name)));
            files.extend((self.first..).take(part.segments.len()).map(|number| format!("{}/{}", part.name, segment_name(number))));
        }
        files.extend(self.stills.files());
        files
    }
}

/// The film that runs are made of.
#[derive(Clone, Copy)]
pub struct Film<'a> {
    pub input: &'a Path,
    /// The folder that everything goes into.
    pub out: &'a Path,
    pub probe: &'a Probe,
    pub plan: &'a Plan,
}

/// How a run is worked on.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Processor cores for this run.
    pub threads: usize,
    /// See [`crate::Options`].
    pub hold_repeats: bool,
}

/// Trays between stations: enough that no station waits for a short delay of another, few enough to stay small.
const PICTURES_WAITING: usize = 4;
const SOUND_WAITING: usize = 128;
const CODED_WAITING: usize = 16;

/// All runs of a plan in the order in which they are wanted: the beginning first, its sound before its pictures.
pub fn runs(plan: &Plan) -> Vec<Run> {
    if plan.is_whole() {
        return vec![Run::Whole];
    }
    let sound = plan.sound.iter().map(|&window| Run::Sound { window });
    let pictures = plan.pictures.iter().map(|&window| Run::Pictures { window, rungs: (0, plan.ladder.len()) });
    let mut runs: Vec<Run> = sound.chain(pictures).collect();
    runs.sort_by_key(|run| match run {
        Run::Pictures { window, .. } | Run::Sound { window } => window.from,
        Run::Whole => 0,
    });
    runs
}

/// Encodes a run; `done` counts the frames of the source as they are read, and `tick` is called now and then.
///
/// # Errors
/// See [`TranscodeError`]. Files may be left in the folder.
pub fn encode(film: Film, run: &Run, work: Work, done: &Arc<AtomicU64>, tick: &mut dyn FnMut()) -> Result<Made, TranscodeError> {
    let Film { input, out, probe, plan } = film;
    let (window, ladder, wants_sound) = match run {
        Run::Pictures { window, rungs } => (*window, plan.ladder.get(rungs.0..rungs.1).unwrap_or_default(), false),
        Run::Sound { window } => (*window, &[][..], true),
        Run::Whole => (Window::WHOLE, &plan.ladder[..], probe.audio.is_some()),
    };
    fs::create_dir_all(out).doing("make the output folder")?;
    let copied = plan.copied.as_ref().zip(probe.video.as_ref()).filter(|_| !ladder.is_empty() && plan.ladder.first() == ladder.first());
    let mut copy = match copied {
        Some((copied, video)) => Some(CopyStation::new(&ladder[0], copied, video.colour, out, window, plan.grid())?),
        None => None,
    };
    let mut rungs = stations(probe, &ladder[usize::from(copy.is_some())..], out, window.first);
    let mut sound = wants_sound.then(|| SoundStation::new(out, plan.grid(), &window, plan.loudness.as_ref())).transpose()?;
    let trays = Trays {
        picture: (!rungs.is_empty()).then_some(1),
        sound: sound.is_some().then_some(1 + rungs.len()),
        copy: copy.is_some().then_some(1 + rungs.len() + usize::from(sound.is_some())),
    };
    // Whoever makes the largest rung has the best pictures at hand.
    let stills = match (&probe.video, ladder.first()) {
        (Some(video), Some(top)) if plan.ladder.first() == Some(top) => {
            Some(Stills::new(out, window.first, video.display_width, video.display_height)?)
        }
        _ => None,
    };
    let mut source = Source::open(Reading {
        path: input,
        probe,
        plan,
        window,
        top: ladder.first(),
        decoder_threads: decoder_threads(probe, work.threads),
        hold_repeats: work.hold_repeats,
        stills,
        trays,
        done: done.clone(),
    })?;

    let mut posts = vec![Post { station: Box::new(&mut source) as Box<_>, source: true, feeds: vec![], room: 0 }];
    let count = rungs.len();
    for (i, rung) in rungs.iter_mut().enumerate() {
        let feeds = if i + 1 < count { vec![i + 2] } else { vec![] };
        posts.push(Post { station: Box::new(rung), source: false, feeds, room: PICTURES_WAITING });
    }
    if let Some(sound) = &mut sound {
        posts.push(Post { station: Box::new(sound), source: false, feeds: vec![], room: SOUND_WAITING });
    }
    if let Some(copy) = &mut copy {
        posts.push(Post { station: Box::new(copy), source: false, feeds: vec![], room: CODED_WAITING });
    }
    posts[0].feeds = trays.picture.into_iter().chain(trays.sound).chain(trays.copy).collect();
    // The largest rung is the dearest and must never wait; then whatever keeps it fed.
    let mut order: Vec<usize> = (0..posts.len()).collect();
    order.sort_by_key(|&number| (number != 1, number));
    line::run(posts, order, work.threads, tick)?;

    let tally = source.tally;
    let stills = source.into_stills().map(Stills::finish).transpose()?.unwrap_or_default();
    let encoded = rungs.into_iter().filter_map(|rung| rung.track.map(|track| track.into_part(&rung.codec, rung.frames)));
    let mut parts: Vec<Part> = copy.map(CopyStation::into_part).into_iter().chain(encoded).collect();
    match sound {
        Some(sound) if sound.frames > 0 => parts.push(sound.track.into_part(aac::CODEC, sound.frames)),
        Some(_) => fs::remove_dir_all(out.join(SOUND)).doing("remove an empty rendition")?,
        None => {}
    }
    Ok(Made { first: window.first, parts, tally, stills })
}

fn stations(probe: &Probe, ladder: &[Rung], out: &Path, first: usize) -> Vec<RungStation> {
    let Some(video) = &probe.video else { return vec![] };
    let colour = match ladder.first() {
        Some(top) if Upright::new(video, top.width, top.height).tone_maps() => scale::Colour::BT709,
        _ => video.colour,
    };
    let station = |(i, rung)| {
        let below = (i + 1 < ladder.len()).then_some(i + 2);
        RungStation::new(rung, video.fps, colour, out, first, below)
    };
    ladder.iter().enumerate().map(station).collect()
}

/// Decoding is one station among several; only pictures above full HD are decoded by more than one thread.
fn decoder_threads(probe: &Probe, threads: usize) -> usize {
    let large = probe.video.as_ref().is_some_and(|video| u64::from(video.width) * u64::from(video.height) > 1920 * 1088);
    if large { threads.max(1) } else { 1 }
}
