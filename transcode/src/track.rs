//! One rendition on disk: gathers coded samples into segments and writes each as soon as it is whole, so that memory
//! stays at one segment. Keeps the measures that the playlists need.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cmaf::{self, Coding, Sample};
use crate::error::{Doing, TranscodeError};

/// Name of a rendition's initialisation segment.
pub const INIT: &str = "init.mp4";

/// Name of the n-th media segment, counted from 1.
pub fn segment_name(number: usize) -> String {
    format!("seg-{number:05}.m4s")
}

/// Whether a file's name is that of a media segment.
pub fn is_segment_name(name: &str) -> bool {
    name.strip_prefix("seg-")
        .and_then(|rest| rest.strip_suffix(".m4s"))
        .is_some_and(|number| number.len() >= 5 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Measures of one written segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Ticks of the track.
    pub duration: i64,
    /// Size of the file.
    pub bytes: u64,
    /// Bytes from the start of the file to the end of its first picture, for I-frame playlists.
    pub first_picture: u64,
}

/// A rendition that is being, or has been, written to its own folder.
pub struct Track {
    dir: PathBuf,
    pub name: String,
    pub timescale: u32,
    coding: Coding,
    /// How late composition times are written, see [`cmaf::delay`].
    delay: i64,
    /// Number of the first segment.
    first: usize,
    init_bytes: u64,
    pub segments: Vec<Segment>,
    open: Option<i64>,
    samples: Vec<Sample>,
    data: Vec<u8>,
}

impl Track {
    /// Makes the folder `name` in `out`, for segments from number `first` on; the one that has the first of all writes the
    /// initialisation segment, which is the same for all.
    pub fn create(out: &Path, name: &str, coding: Coding, timescale: u32, delay: i64, first: usize) -> Result<Self, TranscodeError> {
        let dir = out.join(name);
        fs::create_dir_all(&dir).doing("make a rendition's folder")?;
        Ok(Self {
            dir,
            name: name.to_owned(),
            timescale,
            coding,
            delay,
            first,
            init_bytes: 0,
            segments: Vec::new(),
            open: None,
            samples: Vec::new(),
            data: Vec::new(),
        })
    }

    /// Ends the segment that is open and starts one at `start`.
    pub fn cut(&mut self, start: i64) -> Result<(), TranscodeError> {
        self.close(start)?;
        self.open = Some(start);
        Ok(())
    }

    /// Adds a sample in decoding order; `append` writes its bytes.
    pub fn add(&mut self, pts: i64, sync: bool, append: impl FnOnce(&mut Vec<u8>)) {
        let before = self.data.len();
        append(&mut self.data);
        let size = (self.data.len() - before) as u32;
        if size > 0 {
            self.samples.push(Sample { pts, size, sync });
        }
    }

    /// Writes the segment that is open, which lasts until `end`.
    pub fn close(&mut self, end: i64) -> Result<(), TranscodeError> {
        let Some(start) = self.open.take() else { return Ok(()) };
        let number = self.first + self.segments.len();
        if number == 1 {
            self.write_init()?;
        }
        let mut bytes = cmaf::segment_header(number as u32, start, end, self.delay, &self.samples);
        let first_picture = bytes.len() as u64 + self.samples.first().map_or(0, |sample| sample.size.into());
        bytes.append(&mut self.data);
        self.samples.clear();
        fs::write(self.dir.join(segment_name(number)), &bytes).doing("write a segment")?;
        self.segments.push(Segment { duration: end - start, bytes: bytes.len() as u64, first_picture });
        Ok(())
    }

    fn write_init(&mut self) -> Result<(), TranscodeError> {
        let init = cmaf::init(&self.coding, self.timescale, self.delay);
        self.init_bytes = init.len() as u64;
        fs::write(self.dir.join(INIT), &init).doing("write an initialisation segment")
    }

    /// What has been made of this rendition; `codec` as the playlists announce it, `frames` the number of coded frames.
    pub fn into_part(self, codec: &str, frames: u64) -> Part {
        let Self { name, timescale, segments, init_bytes, .. } = self;
        Part { name, codec: codec.to_owned(), timescale, frames, segments, init_bytes }
    }
}

/// Segments of one rendition, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    /// RFC 6381.
    pub codec: String,
    /// Ticks per second.
    pub timescale: u32,
    /// Coded frames.
    pub frames: u64,
    pub segments: Vec<Segment>,
    /// Size of the initialisation segment, where it is part of this.
    pub init_bytes: u64,
}

impl Part {
    /// Appends what follows it.
    pub fn append(&mut self, next: &Self) {
        self.frames += next.frames;
        self.segments.extend(&next.segments);
        self.init_bytes += next.init_bytes;
    }

    /// Bytes of everything written, playlists aside.
    pub fn bytes(&self) -> u64 {
        self.init_bytes + self.segments.iter().map(|segment| segment.bytes).sum::<u64>()
    }

    /// Ticks of everything written.
    pub fn duration(&self) -> i64 {
        self.segments.iter().map(|segment| segment.duration).sum()
    }
}
