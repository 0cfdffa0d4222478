//! CMAF boxes: one initialisation segment per track and one movie fragment per segment (ISO/IEC 14496-12, 23000-19).
//! Pure: values in, bytes out. Written by hand rather than by libav's muxer because the playlists need the exact
//! times and byte ranges of what was written.

use crate::loudness::Level;
use crate::scale::Colour;

/// What a track holds.
#[derive(Debug, Clone)]
pub enum Coding {
    /// `record` is the body of `avcC`.
    Avc { width: u32, height: u32, record: Vec<u8>, colour: Colour },
    /// `config` is the AudioSpecificConfig; rates in Hz and bit/s.
    Aac { config: Vec<u8>, sample_rate: u32, channels: u16, bitrate: u32, level: Option<Level> },
}

/// One coded picture or audio frame, in decoding order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Presentation time in ticks of the track.
    pub pts: i64,
    pub size: u32,
    /// Can be decoded without any other.
    pub sync: bool,
}

/// The initialisation segment. `delay` is how much later than their true time the samples' composition times are
/// written, in ticks; an edit list takes it off again.
pub fn init(coding: &Coding, timescale: u32, delay: i64) -> Vec<u8> {
    let video = matches!(coding, Coding::Avc { .. });
    let mvhd = full(b"mvhd", 0, 0, |b| {
        b.extend([0; 8]); // creation, modification
        b.extend(timescale.to_be_bytes());
        b.extend([0; 4]); // duration: in the fragments
        b.extend(0x0001_0000u32.to_be_bytes());
        b.extend(0x0100u16.to_be_bytes());
        b.extend([0; 10]);
        b.extend(IDENTITY);
        b.extend([0; 24]);
        b.extend(2u32.to_be_bytes()); // next track
    });
    let (width, height) = match coding {
        Coding::Avc { width, height, .. } => (*width, *height),
        Coding::Aac { .. } => (0, 0),
    };
    let tkhd = full(b"tkhd", 0, 7, |b| {
        b.extend([0; 8]);
        b.extend(TRACK.to_be_bytes());
        b.extend([0; 8]); // reserved, duration
        b.extend([0; 12]); // reserved, layer, group
        b.extend(if video { 0u16 } else { 0x0100 }.to_be_bytes());
        b.extend([0; 2]);
        b.extend(IDENTITY);
        b.extend((width << 16).to_be_bytes());
        b.extend((height << 16).to_be_bytes());
    });
    let mdhd = full(b"mdhd", 0, 0, |b| {
        b.extend([0; 8]);
        b.extend(timescale.to_be_bytes());
        b.extend([0; 4]);
        b.extend(0x55C4u16.to_be_bytes()); // language: und
        b.extend([0; 2]);
    });
    let hdlr = full(b"hdlr", 0, 0, |b| {
        b.extend([0; 4]);
        b.extend(if video { b"vide" } else { b"soun" });
        b.extend([0; 12]);
        b.push(0); // no name
    });
    let header = match video {
        true => full(b"vmhd", 0, 1, |b| b.extend([0; 8])),
        false => full(b"smhd", 0, 0, |b| b.extend([0; 4])),
    };
    let here = full(b"url ", 0, 1, |_| {});
    let dinf = boxed(
        b"dinf",
        &full(b"dref", 0, 0, |b| {
            b.extend(1u32.to_be_bytes());
            b.extend(here);
        }),
    );
    let stsd = full(b"stsd", 0, 0, |b| {
        b.extend(1u32.to_be_bytes());
        b.extend(sample_entry(coding));
    });
    let empty = |kind, zeros: usize| full(kind, 0, 0, |b| b.extend(vec![0; zeros]));
    let stbl = boxed(b"stbl", &[stsd, empty(b"stts", 4), empty(b"stsc", 4), empty(b"stsz", 8), empty(b"stco", 4)].concat());
    let minf = boxed(b"minf", &[header, dinf, stbl].concat());
    let edts = match delay {
        0 => vec![],
        delay => boxed(
            b"edts",
            &full(b"elst", 0, 0, |b| {
                b.extend(1u32.to_be_bytes());
                b.extend([0; 4]); // duration: all there is
                b.extend((delay as u32).to_be_bytes());
                b.extend(0x0001_0000u32.to_be_bytes());
            }),
        ),
    };
    let udta = match coding {
        Coding::Aac { level: Some(level), .. } => boxed(b"udta", &boxed(b"ludt", &track_loudness(level))),
        _ => vec![],
    };
    let trak = boxed(b"trak", &[tkhd, edts, boxed(b"mdia", &[mdhd, hdlr, minf].concat()), udta].concat());
    let trex = full(b"trex", 0, 0, |b| {
        b.extend(TRACK.to_be_bytes());
        b.extend(1u32.to_be_bytes()); // sample description
        b.extend([0; 12]);
    });
    let ftyp = boxed(b"ftyp", b"iso6\0\0\0\0iso6cmfcmp41");
    let moov = boxed(b"moov", &[mvhd, trak, boxed(b"mvex", &trex)].concat());
    [ftyp, moov].concat()
}

/// The largest delay that [`delay`] asks for, in ms: two pictures at 24 per second. Some demuxers take a decoding time
/// of more than 100 ms before the presentation for a break in the stream.
const MOST_DELAY: i64 = 85;

/// Pictures by which the encoder may show one later than it codes it: two levels of B pictures.
const REORDERED: f64 = 2.0;

/// By how much composition times are written late so that no picture of a segment is due before it is decoded when
/// pictures come at an even pace of `fps`, in ticks. It depends on nothing else, so that every run of a rendition writes
/// the same.
pub fn delay(fps: f64, timescale: u32) -> i64 {
    ((f64::from(timescale) * REORDERED / fps).round() as i64).clamp(0, most_delay(timescale))
}

/// The largest delay that is written, in ticks.
pub fn most_delay(timescale: u32) -> i64 {
    i64::from(timescale) * MOST_DELAY / 1000
}

/// Decoding times, strictly ascending from the segment's first presentation time, none later than the sample's
/// delayed composition time. Where pictures come evenly these are the presentation times in order; where the pace
/// changes within a group of reordered pictures, some are pressed together.
fn decoding_times(samples: &[Sample], delay: i64) -> Vec<i64> {
    let mut times = in_order(samples);
    let mut cap = i64::MAX;
    for (time, sample) in times.iter_mut().zip(samples).rev() {
        cap = cap.min(sample.pts + delay);
        *time = cap.min(*time);
    }
    let mut first = 1;
    while first < times.len() {
        let run = times[first..].iter().take_while(|&&time| time == times[first]).count();
        let (before, at) = (times[first - 1], times[first]);
        for i in 0..run {
            times[first + i] = before + (at - before) * (i as i64 + 1) / run as i64;
        }
        first += run;
    }
    times
}

fn in_order(samples: &[Sample]) -> Vec<i64> {
    let mut times: Vec<i64> = samples.iter().map(|sample| sample.pts).collect();
    times.sort_unstable();
    times
}

/// The boxes before the samples of a segment: `styp`, `moof` and the header of `mdat`. The samples' bytes follow.
///
/// `start` is the segment's first presentation time, `end` that of the next segment, in ticks of the track. A segment
/// is a set of closed GOPs, so it is decoded from `start` on and `tfdt` is `start` itself.
pub fn segment_header(sequence: u32, start: i64, end: i64, delay: i64, samples: &[Sample]) -> Vec<u8> {
    let times = decoding_times(samples, delay);
    let mfhd = full(b"mfhd", 0, 0, |b| b.extend(sequence.to_be_bytes()));
    let tfhd = full(b"tfhd", 0, 0x02_0000, |b| b.extend(TRACK.to_be_bytes())); // base is the moof
    let tfdt = full(b"tfdt", 1, 0, |b| b.extend((start.max(0) as u64).to_be_bytes()));
    // Data offset, then per sample: duration, size, flags, composition offset.
    let trun_size = 12 + 8 + 16 * samples.len();
    let moof_size = 8 + mfhd.len() + 8 + tfhd.len() + tfdt.len() + trun_size;
    let trun = full(b"trun", 1, 0x0F01, |b| {
        b.extend((samples.len() as u32).to_be_bytes());
        b.extend((moof_size as u32 + 8).to_be_bytes());
        for (i, sample) in samples.iter().enumerate() {
            let next = times.get(i + 1).copied().unwrap_or(end);
            b.extend(((next - times[i]).max(0) as u32).to_be_bytes());
            b.extend(sample.size.to_be_bytes());
            b.extend(if sample.sync { 0x0200_0000u32 } else { 0x0101_0000 }.to_be_bytes());
            b.extend(((sample.pts + delay - times[i]) as i32).to_be_bytes());
        }
    });
    let moof = boxed(b"moof", &[mfhd, boxed(b"traf", &[tfhd, tfdt, trun].concat())].concat());
    let data: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
    let mut header = [boxed(b"styp", b"msdh\0\0\0\0msdhcmfs"), moof].concat();
    header.extend((data as u32 + 8).to_be_bytes());
    header.extend(b"mdat");
    header
}

const TRACK: u32 = 1;

const IDENTITY: [u8; 36] = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0];

fn sample_entry(coding: &Coding) -> Vec<u8> {
    let mut body = vec![0; 6];
    body.extend(1u16.to_be_bytes()); // data reference
    match coding {
        Coding::Avc { width, height, record, colour } => {
            body.extend([0; 16]);
            body.extend((*width as u16).to_be_bytes());
            body.extend((*height as u16).to_be_bytes());
            body.extend(0x0048_0000u32.to_be_bytes()); // 72 dpi, both ways
            body.extend(0x0048_0000u32.to_be_bytes());
            body.extend([0; 4]);
            body.extend(1u16.to_be_bytes()); // one picture per sample
            body.extend([0; 32]); // no compressor name
            body.extend(0x0018u16.to_be_bytes());
            body.extend(0xFFFFu16.to_be_bytes());
            body.extend(boxed(b"avcC", record));
            body.extend(boxed(b"colr", &[b"nclx", &[0, colour.primaries, 0, colour.transfer, 0, colour.matrix, 0][..]].concat()));
            body.extend(boxed(b"pasp", &[0, 0, 0, 1, 0, 0, 0, 1]));
            boxed(b"avc1", &body)
        }
        Coding::Aac { config, sample_rate, channels, bitrate, .. } => {
            body.extend([0; 8]);
            body.extend(channels.to_be_bytes());
            body.extend(16u16.to_be_bytes());
            body.extend([0; 4]);
            body.extend((sample_rate << 16).to_be_bytes());
            body.extend(full(b"esds", 0, 0, |b| b.extend(elementary_stream(config, *bitrate))));
            boxed(b"mp4a", &body)
        }
    }
}

/// `tlou`: loudness and true peak of the whole track, by the measures of EBU R128 (ISO/IEC 14496-12, 23003-4).
fn track_loudness(level: &Level) -> Vec<u8> {
    const EBU_R128: u8 = 1;
    const ACCURATE: u8 = 3;
    const PROGRAM_LOUDNESS: u8 = 1;
    // A 32nd of a decibel below 20, and a quarter of one above -57.75.
    let peak = ((20.0 - level.true_peak_dbtp) * 32.0).round().clamp(1.0, 4095.0) as u32;
    let loudness = ((level.lufs + 57.75) * 4.0).round().clamp(0.0, 255.0) as u8;
    full(b"tlou", 0, 0, |b| {
        b.extend([0; 2]); // no downmix, no dynamic range control
        b.extend((peak << 8 | u32::from(EBU_R128 << 4 | ACCURATE)).to_be_bytes()); // no peak of samples
        b.extend([1, PROGRAM_LOUDNESS, loudness, EBU_R128 << 4 | ACCURATE]);
    })
}

/// The descriptors of ISO/IEC 14496-1 that lead to an AudioSpecificConfig.
fn elementary_stream(config: &[u8], bitrate: u32) -> Vec<u8> {
    let descriptor = |tag: u8, body: &[u8]| [&[tag, body.len() as u8][..], body].concat();
    let mut decoder = vec![0x40, 0x15, 0, 0, 0]; // MPEG-4 audio, audio stream, no buffer size
    decoder.extend(bitrate.to_be_bytes());
    decoder.extend(bitrate.to_be_bytes());
    decoder.extend(descriptor(5, config));
    let mut stream = vec![0, 0, 0];
    stream.extend(descriptor(4, &decoder));
    stream.extend(descriptor(6, &[2]));
    descriptor(3, &stream)
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 8);
    bytes.extend((body.len() as u32 + 8).to_be_bytes());
    bytes.extend(kind);
    bytes.extend(body);
    bytes
}

fn full(kind: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = ((u32::from(version) << 24) | flags).to_be_bytes().to_vec();
    fill(&mut body);
    boxed(kind, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(bytes: &[u8], kind: &[u8; 4]) -> usize {
        bytes.windows(4).position(|w| w == kind).unwrap() + 4
    }

    fn sample(pts: i64, sync: bool) -> Sample {
        Sample { pts, size: 10, sync }
    }

    #[test]
    fn reordered_pictures_are_decoded_evenly_and_composed_later() {
        // Decoding order I P B B, shown as I B B P.
        let samples = [sample(900, true), sample(990, false), sample(930, false), sample(960, false)];
        let header = segment_header(7, 900, 1020, 30, &samples);
        let at = find(&header, b"trun") + 12;
        let words: Vec<i32> = header[at..at + 64].chunks(4).map(|w| i32::from_be_bytes(w.try_into().unwrap())).collect();
        let durations: Vec<_> = words.iter().step_by(4).copied().collect();
        let offsets: Vec<_> = words.iter().skip(3).step_by(4).copied().collect();
        assert_eq!(durations, [30, 30, 30, 30]);
        assert_eq!(offsets, [30, 90, 0, 0]);
        let tfdt = find(&header, b"tfdt") + 4;
        assert_eq!(header[tfdt..tfdt + 8], 900u64.to_be_bytes());
    }

    #[test]
    fn uneven_pictures_are_still_decoded_in_time_and_in_order() {
        // After 30 ticks a picture is held for 9000: the group that spans it cannot be decoded at an even pace.
        let samples = [sample(0, true), sample(9060, false), sample(30, false), sample(9030, false), sample(9090, false)];
        for delay in [0, 30, 60] {
            let times = decoding_times(&samples, delay);
            assert_eq!(times[0], 0);
            assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
            assert!(times.iter().zip(&samples).all(|(time, sample)| *time <= sample.pts + delay), "{times:?}");
        }
    }

    #[test]
    fn the_data_offset_points_behind_the_mdat_header() {
        let header = segment_header(1, 0, 1024, 0, &[Sample { pts: 0, size: 5, sync: true }]);
        let moof = find(&header, b"moof") - 8;
        let at = find(&header, b"trun") + 8;
        let offset = u32::from_be_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(moof + offset, header.len());
        assert_eq!(&header[header.len() - 4..], b"mdat");
    }

    #[test]
    fn every_box_of_the_initialisation_segment_ends_where_its_parent_does() {
        fn walk(mut bytes: &[u8]) -> usize {
            let mut boxes = 0;
            while !bytes.is_empty() {
                let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
                let kind: &[u8; 4] = bytes[4..8].try_into().unwrap();
                if matches!(kind, b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"dinf" | b"mvex" | b"edts" | b"udta" | b"ludt") {
                    boxes += walk(&bytes[8..size]);
                }
                boxes += 1;
                bytes = &bytes[size..];
            }
            boxes
        }
        let colour = Colour { matrix: 1, primaries: 1, transfer: 1 };
        let video = init(&Coding::Avc { width: 640, height: 360, record: vec![1; 30], colour }, 90_000, 6000);
        let level = Level { lufs: -16.0, true_peak_dbtp: -1.5 };
        let audio = init(
            &Coding::Aac { config: vec![0x11, 0x90], sample_rate: 48_000, channels: 2, bitrate: 128_000, level: Some(level) },
            48_000,
            0,
        );
        assert_eq!((walk(&video), walk(&audio)), (22, 23));
        let told = find(&audio, b"tlou") + 4;
        // -16 LUFS are 167 quarters above -57.75, -1.5 dBTP are 688 parts of 32 below 20.
        assert_eq!(audio[told..told + 10], [0, 0, 0, 0x02, 0xB0, 0x13, 1, 1, 167, 0x13]);
    }
}
