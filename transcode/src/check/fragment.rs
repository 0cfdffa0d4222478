//! Media segments: when they start, which samples they hold, which of those are IDRs. Pure.

use super::boxes::{find, u32_at, u64_at, walk};
use super::h264::is_idr;
use super::init::{Coding, Init};

/// What a media segment holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Decode time of its first sample, in ticks.
    pub start: i64,
    pub samples: Vec<Sample>,
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Composition time in ticks, before the edit list.
    pub pts: i64,
    pub duration: u32,
    /// The flags say that it can be decoded without any other.
    pub sync: bool,
    /// Its units are those of an IDR picture; for other codings than H.264 the same as `sync`.
    pub idr: bool,
}

impl Fragment {
    /// Ticks of all samples.
    pub fn duration(&self) -> i64 {
        self.samples.iter().map(|sample| i64::from(sample.duration)).sum()
    }

    pub fn first_pts(&self) -> Option<i64> {
        self.samples.iter().map(|sample| sample.pts).min()
    }
}

/// What is wrong with a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is no segment of this track.
    Form(String),
    /// Decode times do not run on within it.
    Times(String),
}

/// Reads a whole segment.
pub fn parse(bytes: &[u8], init: &Init) -> (Fragment, Vec<Fault>) {
    let mut fragment = Fragment::default();
    let mut faults = vec![];
    if let Err(fault) = read(bytes, init, false, &mut fragment, &mut faults) {
        faults.push(Fault::Form(fault));
    } else if fragment.samples.is_empty() {
        faults.push(Fault::Form("no samples".into()));
    }
    (fragment, faults)
}

/// Reads the bytes of an I-frame: a movie fragment, cut after its first sample. Gives the samples that are whole.
///
/// # Errors
/// A sentence, when there is no movie fragment.
pub fn parse_cut(bytes: &[u8], init: &Init) -> Result<Fragment, String> {
    let mut fragment = Fragment::default();
    read(bytes, init, true, &mut fragment, &mut vec![])?;
    Ok(fragment)
}

fn read(bytes: &[u8], init: &Init, cut: bool, fragment: &mut Fragment, faults: &mut Vec<Fault>) -> Result<(), String> {
    let boxes = walk(bytes, cut)?;
    let mut next = None;
    for moof in boxes.iter().filter(|found| &found.kind == b"moof") {
        if moof.missing > 0 {
            return Err("the moof is cut".into());
        }
        let trafs: Vec<_> = walk(moof.body, false)?.into_iter().filter(|found| &found.kind == b"traf").collect();
        let track = |traf: &[u8]| find(traf, &[b"tfhd"]).and_then(|tfhd| u32_at(tfhd, 4));
        let Some(traf) = trafs.iter().find(|traf| track(traf.body) == Some(init.track)) else {
            let tracks: Vec<_> = trafs.iter().filter_map(|traf| track(traf.body)).collect();
            return Err(format!("samples of {tracks:?}, where the initialisation has track {}", init.track));
        };
        let head = header(traf.body, init)?;
        let tfdt = find(traf.body, &[b"tfdt"]).ok_or("no tfdt")?;
        let start = match tfdt.first() {
            Some(1) => u64_at(tfdt, 4).map(|time| time as i64),
            _ => u32_at(tfdt, 4).map(i64::from),
        };
        let start = start.filter(|time| *time >= 0).ok_or("no time in tfdt")?;
        match next {
            None => fragment.start = start,
            Some(next) if next != start => faults.push(Fault::Times(format!("a moof starts at {start} ticks where {next} would go on"))),
            Some(_) => {}
        }
        let mut time = start;
        let mut data = moof.start;
        for run in walk(traf.body, false)?.iter().filter(|found| &found.kind == b"trun") {
            (time, data) = read_run(run.body, moof.start, head, (time, data), &mut |sample, place, size| {
                let Some(bytes) = bytes.get(place..place.saturating_add(size)) else {
                    return if cut { Ok(()) } else { Err("a sample lies beyond the end".into()) };
                };
                let inside = |found: &&super::boxes::Mp4Box| {
                    &found.kind == b"mdat" && place >= found.body_start && place + size <= found.body_start + found.body.len()
                };
                if !boxes.iter().any(|found| inside(&found)) {
                    return Err("a sample lies outside of the mdat".to_owned());
                }
                let idr = match &init.coding {
                    Coding::Avc(avc) => is_idr(bytes, avc.length)?,
                    _ => sample.sync,
                };
                fragment.samples.push(Sample { idr, ..sample });
                Ok(())
            })?;
        }
        next = Some(time);
    }
    next.map(|_| ()).ok_or("no moof".into())
}

/// What the fragment header says for samples that say nothing: duration, size, flags.
fn header(traf: &[u8], init: &Init) -> Result<[u32; 3], String> {
    let tfhd = find(traf, &[b"tfhd"]).ok_or("no tfhd")?;
    let flags = u32_at(tfhd, 0).ok_or("tfhd is cut")? & 0xFF_FFFF;
    if flags & 1 != 0 || flags & 0x2_0000 == 0 {
        return Err("places counted from elsewhere than the moof".into());
    }
    let mut at = 8;
    let mut optional = |flag: u32, default: u32| -> Result<u32, String> {
        if flags & flag == 0 {
            return Ok(default);
        }
        at += 4;
        u32_at(tfhd, at - 4).ok_or_else(|| "tfhd is cut".into())
    };
    optional(2, 1)?; // sample description
    Ok([optional(8, init.defaults.duration)?, optional(0x10, init.defaults.size)?, optional(0x20, init.defaults.flags)?])
}

/// The bit of a sample's flags that says that it needs others.
const NOT_SYNC: u32 = 0x1_0000;

/// Walks one run of samples; gives time and place behind it.
fn read_run(
    trun: &[u8],
    moof: usize,
    defaults: [u32; 3],
    (mut time, mut place): (i64, usize),
    each: &mut dyn FnMut(Sample, usize, usize) -> Result<(), String>,
) -> Result<(i64, usize), String> {
    let cut = "trun is cut";
    let flags = u32_at(trun, 0).ok_or(cut)?;
    let signed = flags >> 24 != 0;
    let count = u32_at(trun, 4).ok_or(cut)?;
    let mut at = 8;
    let mut next = |flag: u32| -> Result<Option<u32>, String> {
        if flags & flag == 0 {
            return Ok(None);
        }
        at += 4;
        u32_at(trun, at - 4).map(Some).ok_or_else(|| cut.to_owned())
    };
    if let Some(offset) = next(1)? {
        place = usize::try_from(moof as i64 + i64::from(offset as i32)).map_err(|_| "a place before the start")?;
    }
    let first_flags = next(4)?;
    // A run whose samples take no bytes in the table could claim any number of them.
    if flags & 0xF00 == 0 && count > 1_000_000 {
        return Err(format!("{count} samples in a run"));
    }
    for i in 0..count {
        let duration = next(0x100)?.unwrap_or(defaults[0]);
        let size = next(0x200)?.unwrap_or(defaults[1]) as usize;
        let own = next(0x400)?;
        let flags = match (i, first_flags) {
            (0, Some(first)) => first,
            _ => own.unwrap_or(defaults[2]),
        };
        let offset = next(0x800)?.unwrap_or(0);
        let offset = if signed { i64::from(offset as i32) } else { i64::from(offset) };
        let sync = flags & NOT_SYNC == 0;
        each(Sample { pts: time.saturating_add(offset), duration, sync, idr: sync }, place, size)?;
        time = time.saturating_add(i64::from(duration));
        place = place.saturating_add(size);
    }
    Ok((time, place))
}

#[cfg(test)]
mod tests {
    use super::super::{init, sample};
    use super::*;

    #[test]
    fn a_segment_of_our_own_writer_is_read_sample_by_sample() {
        let init = init::parse(&sample::video_init((640, 360), 30, 25, 0)).unwrap();
        let bytes = sample::video_segment(1, 90_000, 50, 25, 3600, 100);
        let (fragment, faults) = parse(&bytes, &init);
        assert_eq!(faults, []);
        assert_eq!((fragment.start, fragment.duration(), fragment.samples.len()), (90_000, 180_000, 50));
        let idrs: Vec<_> = fragment.samples.iter().filter(|s| s.idr && s.sync).map(|s| s.pts).collect();
        assert_eq!(idrs, [90_000, 180_000]);
    }

    #[test]
    fn a_cut_segment_gives_the_samples_that_are_whole() {
        let init = init::parse(&sample::video_init((640, 360), 30, 25, 0)).unwrap();
        let bytes = sample::video_segment(1, 0, 50, 25, 3600, 100);
        let first = sample::first_picture(&bytes, 100);
        assert_eq!(parse_cut(&bytes[..first], &init).unwrap().samples.len(), 1);
        assert_eq!(parse_cut(&bytes[..first - 1], &init).unwrap().samples.len(), 0);
        assert_eq!(parse_cut(&bytes[..first + 100], &init).unwrap().samples.len(), 2);
        assert!(parse_cut(&bytes[first..], &init).is_err());
        assert!(matches!(parse(&bytes[..first], &init).1[..], [Fault::Form(_)]));
    }

    #[test]
    fn bent_bytes_never_make_the_reader_panic() {
        let init = init::parse(&sample::video_init((640, 360), 30, 25, 0)).unwrap();
        let whole = sample::video_segment(1, 0, 4, 2, 3600, 20);
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7F, 0xFF] {
                let mut bent = whole.clone();
                bent[at] = byte;
                parse(&bent, &init);
                let _ = parse_cut(&bent, &init);
            }
        }
    }
}
