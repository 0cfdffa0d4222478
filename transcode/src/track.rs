//! One rendition on disk: gathers coded samples into segments and writes each as soon as it is whole, so that memory
//! stays at one segment. Keeps the measures that the playlists need.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cmaf::{self, Coding, Sample};
use crate::error::{Doing, TranscodeError};

/// Name of a rendition's initialisation segment.
pub const INIT: &str = "init.mp4";

/// Name of the n-th media segment, counted from 1.
pub fn segment_name(number: usize) -> String {
    format!("seg-{number:05}.m4s")
}

/// Measures of one written segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Of composition times; settled by the first segment, with which the initialisation segment is written.
    delay: Option<i64>,
    init_bytes: u64,
    pub segments: Vec<Segment>,
    open: Option<i64>,
    samples: Vec<Sample>,
    data: Vec<u8>,
}

impl Track {
    /// Makes the folder `name` in `out`.
    pub fn create(out: &Path, name: &str, coding: Coding, timescale: u32) -> Result<Self, TranscodeError> {
        let dir = out.join(name);
        fs::create_dir_all(&dir).doing("make a rendition's folder")?;
        Ok(Self {
            dir,
            name: name.to_owned(),
            timescale,
            coding,
            delay: None,
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
        let number = self.segments.len() + 1;
        let delay = match self.delay {
            Some(delay) => delay,
            None => self.write_init()?,
        };
        let mut bytes = cmaf::segment_header(number as u32, start, end, delay, &self.samples);
        let first_picture = bytes.len() as u64 + self.samples.first().map_or(0, |sample| sample.size.into());
        bytes.append(&mut self.data);
        self.samples.clear();
        fs::write(self.dir.join(segment_name(number)), &bytes).doing("write a segment")?;
        self.segments.push(Segment { duration: end - start, bytes: bytes.len() as u64, first_picture });
        Ok(())
    }

    fn write_init(&mut self) -> Result<i64, TranscodeError> {
        let delay = cmaf::delay(&self.samples, self.timescale);
        let init = cmaf::init(&self.coding, self.timescale, delay);
        fs::write(self.dir.join(INIT), &init).doing("write an initialisation segment")?;
        self.init_bytes = init.len() as u64;
        self.delay = Some(delay);
        Ok(delay)
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
