//! What a transcode made: the one description that the database, the pages and the tests read.

use serde::{Deserialize, Serialize};

use crate::draft;
use crate::loudness::Loudness;
use crate::playlist::{IFRAMES, MASTER, MEDIA};
use crate::probe::Probe;
use crate::remux::NotCopied;
use crate::track::{INIT, segment_name};

/// Version of what is made from a source. Raised when the output changes, so that `backfill` finds what is older.
pub const MADE_BY: i32 = 3;

/// An HLS package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub made_by: i32,
    /// Whether all of it is there. A draft promises segments that are made later, and has no measured rates.
    #[serde(default = "yes")]
    pub complete: bool,
    pub duration_ms: u64,
    /// Pixels of the largest rendition; `None` for sound alone.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Largest picture first, sound last.
    pub renditions: Vec<Rendition>,
    /// File name of the poster; `None` for sound alone.
    pub poster: Option<String>,
    /// Pictures that could be the poster instead, in the order of the film.
    #[serde(default)]
    pub posters: Vec<String>,
    /// Small pictures for the seek bar.
    #[serde(default)]
    pub storyboard: Option<Storyboard>,
    /// As the file names them, in order.
    #[serde(default)]
    pub chapters: Vec<Chapter>,
    pub captions: Vec<CaptionFile>,
    pub notices: Vec<Notice>,
    /// How loud the source is, and what was done about it; `None` when that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<Loudness>,
    /// Why no rendition is the source's own pictures; `None` when one is, and for sound alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_copied: Option<NotCopied>,
    /// Pictures that were decoded, and how many of them equalled their predecessor and were held instead of encoded.
    pub pictures: u64,
    pub pictures_held: u64,
    /// Places in the source that could not be decoded.
    pub damaged: u64,
    /// Bytes of everything, playlists aside.
    pub bytes: u64,
    pub source: Probe,
}

fn yes() -> bool {
    true
}

/// One rendition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rendition {
    /// Its folder.
    pub name: String,
    /// RFC 6381.
    pub codec: String,
    /// Pixels and frames per second of a picture; `None` for sound.
    pub picture: Option<PictureSize>,
    /// Coded frames: pictures, or blocks of 1024 samples.
    pub frames: u64,
    pub segments: usize,
    /// ms
    pub duration_ms: u64,
    /// Measured, bit/s.
    pub peak_bandwidth: u64,
    pub average_bandwidth: u64,
    pub bytes: u64,
    /// It is the source's own pictures, not encoded again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copied: bool,
}

/// Size and rate of a video rendition.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct PictureSize {
    pub width: u32,
    pub height: u32,
    pub frame_rate: f64,
}

/// Small pictures on sheets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storyboard {
    /// WebVTT that says which part of which sheet belongs to what time.
    pub file: String,
    pub sheets: Vec<String>,
}

/// A named part of the film; times in ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chapter {
    pub start_ms: u64,
    pub end_ms: u64,
    pub title: String,
}

/// Captions that were embedded in the source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaptionFile {
    pub file: String,
    /// BCP 47.
    pub language: String,
    /// What the source calls the track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For those who cannot hear: what is not speech is told as well.
    #[serde(default)]
    pub sdh: bool,
    /// Shown even to those who want no captions.
    #[serde(default)]
    pub forced: bool,
    /// Shown when nobody has chosen.
    #[serde(default)]
    pub default: bool,
}

/// Published, but the teacher should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// There is sound, but in a codec that cannot be decoded.
    SoundUnsupported,
    /// Some packets could not be decoded.
    PartlyDamaged,
    /// The file ends before the end that its header announces.
    EndsEarly,
    /// There are captions, but as pictures of text (DVD, Blu-ray, television).
    CaptionsArePictures,
}

impl Notice {
    /// One plain sentence for the teacher.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::SoundUnsupported => {
                "the sound of this video is coded in a way that cannot be played here, so it is silent; export it with AAC sound to have it heard"
            }
            Self::PartlyDamaged => "parts of this file are damaged; they were left out",
            Self::CaptionsArePictures => {
                "this file has captions that are pictures of text, which cannot be read here; upload them as WebVTT or SRT to have them shown"
            }
            Self::EndsEarly => "this file ends earlier than it says; please check whether the end is missing",
        }
    }
}

impl Manifest {
    /// Every file of the package that must be there, relative to its folder, the multivariant playlist last: whoever can
    /// read that can read all.
    pub fn files(&self) -> Vec<String> {
        let mut files = vec![];
        if !self.complete {
            files.extend(
                self.renditions
                    .iter()
                    .flat_map(|Rendition { name, .. }| [format!("{name}/{INIT}"), draft::path(&format!("{name}/{MEDIA}"))]),
            );
            files.extend(self.captions.iter().map(|captions| captions.file.clone()));
            files.push(draft::path(MASTER));
            return files;
        }
        for Rendition { name, picture, segments, .. } in &self.renditions {
            files.push(format!("{name}/{INIT}"));
            files.extend((1..=*segments).map(|number| format!("{name}/{}", segment_name(number))));
            files.push(format!("{name}/{MEDIA}"));
            files.extend(picture.map(|_| format!("{name}/{IFRAMES}")));
        }
        files.extend(self.poster.iter().chain(&self.posters).cloned());
        files.extend(self.storyboard.iter().flat_map(|board| board.sheets.iter().chain([&board.file])).cloned());
        files.extend(self.captions.iter().map(|captions| captions.file.clone()));
        files.push(MASTER.to_owned());
        files
    }
}
