//! The place of work of a rung that is copied: takes the source's coded pictures of one window and writes them as segments.
//! Believes nothing that was planned: a picture that is not what the plan says ends the run, and the film is encoded.

use std::path::Path;

use crate::avc;
use crate::cadence::{Grid, VIDEO_TIMESCALE};
use crate::cmaf::Coding;
use crate::error::TranscodeError;
use crate::ladder::Rung;
use crate::line::{Flow, Station};
use crate::plan::Window;
use crate::remux::Copied;
use crate::scale::Colour;
use crate::stations::Item;
use crate::track::Track;

/// A picture as the source has it, in the order of decoding.
pub struct Coded {
    pub data: Vec<u8>,
    /// 1/90000 s from the start of the presentation.
    pub pts: i64,
}

/// A copied rendition at work.
pub struct CopyStation<'a> {
    copied: &'a Copied,
    window: Window,
    grid: Grid,
    next_cut: i64,
    track: Track,
    frames: u64,
}

impl<'a> CopyStation<'a> {
    pub fn new(rung: &Rung, copied: &'a Copied, colour: Colour, out: &Path, window: Window, grid: Grid) -> Result<Self, TranscodeError> {
        let coding = Coding::Avc { width: rung.width, height: rung.height, record: copied.parameters.record(), colour };
        let track = Track::create(out, &rung.name(), coding, VIDEO_TIMESCALE as u32, copied.delay, window.first)?;
        Ok(Self { copied, window, grid, next_cut: window.from, track, frames: 0 })
    }

    /// What was made, with the codec string that the stream itself says.
    pub fn into_part(self) -> crate::track::Part {
        self.track.into_part(&self.copied.parameters.codec(), self.frames)
    }

    fn copy(&mut self, Coded { data, pts }: Coded) -> Result<(), TranscodeError> {
        if pts < self.window.from || self.window.to.is_some_and(|to| pts >= to) {
            return Ok(());
        }
        let refused = |detail: &str| TranscodeError::CannotCopy { detail: format!("{detail} at {pts}") };
        let picture = avc::picture(&data, self.copied.length_size).ok_or_else(|| refused("no plain picture"))?;
        if !picture.repeats(&self.copied.parameters) {
            return Err(refused("other parameter sets"));
        }
        // The first picture of all covers everything from the start.
        let pts = if self.frames == 0 && self.window.first == 1 { 0 } else { pts };
        if self.frames == 0 || pts >= self.next_cut {
            if !picture.idr || pts != self.next_cut {
                return Err(refused("no IDR where a segment starts"));
            }
            self.track.cut(pts)?;
            self.next_cut = self.grid.after(pts);
        }
        self.track.add(pts, picture.idr, |out| picture.append(out));
        self.frames += 1;
        Ok(())
    }
}

impl Station<Item, TranscodeError> for &mut CopyStation<'_> {
    fn work(&mut self, item: Option<Item>, _: &mut Vec<(usize, Item)>) -> Result<Flow, TranscodeError> {
        match item {
            Some(Item::Coded(coded)) => self.copy(coded).map(|()| Flow::More),
            Some(Item::End(at)) if self.frames > 0 => self.track.close(at).map(|()| Flow::Done),
            Some(Item::End(_)) => Err(TranscodeError::CannotCopy { detail: "no picture in the window".into() }),
            Some(Item::Picture(_) | Item::Sound(_)) | None => Ok(Flow::More),
        }
    }
}
