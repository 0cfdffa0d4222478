//! The H.264 byte stream of the encoder in the form MP4 wants: parameter sets apart, slices with their lengths in
//! front (ISO/IEC 14496-15); and pictures of a source that are in this form already. Pure.

use serde::{Deserialize, Serialize};

/// Parameter sets of one encoder, and what they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    pub sps: Vec<u8>,
    pub pps: Vec<u8>,
}

impl Parameters {
    /// From the encoder's global header (start codes between the units). `None` when a set is missing.
    pub fn from_header(header: &[u8]) -> Option<Self> {
        let first = |kind: u8| units(header).find(|unit| unit.first().is_some_and(|b| b & 0x1F == kind)).map(<[u8]>::to_vec);
        let sps = first(SPS)?;
        (sps.len() >= 4).then_some(())?;
        Some(Self { sps, pps: first(PPS)? })
    }

    /// The codec string of RFC 6381: profile, constraints and level as the stream itself says, such as `avc1.640028`.
    pub fn codec(&self) -> String {
        format!("avc1.{:02X}{:02X}{:02X}", self.sps[1], self.sps[2], self.sps[3])
    }

    /// The decoder configuration record (`avcC` without its box header).
    pub fn record(&self) -> Vec<u8> {
        let mut record = vec![1, self.sps[1], self.sps[2], self.sps[3], 0xFC | 3, 0xE0 | 1];
        record.extend((self.sps.len() as u16).to_be_bytes());
        record.extend(&self.sps);
        record.push(1);
        record.extend((self.pps.len() as u16).to_be_bytes());
        record.extend(&self.pps);
        // High profiles add chroma format and bit depths: 4:2:0, 8 bit, no further sets.
        if matches!(self.sps[1], 100 | 110 | 122 | 144) {
            record.extend([0xFC | 1, 0xF8, 0xF8, 0]);
        }
        record
    }
}

const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const FILLER: u8 = 12;
const ENDS: std::ops::RangeInclusive<u8> = 10..=11;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const SEI: u8 = 6;

/// Rewrites one access unit into `out`: a four-byte length before each unit. Parameter sets are in the header, the
/// encoder's remarks on itself serve nobody, and delimiters are not wanted in MP4.
pub fn append_sample(access_unit: &[u8], out: &mut Vec<u8>) {
    for unit in units(access_unit) {
        if !matches!(unit.first().map(|b| b & 0x1F), None | Some(SPS | PPS | DELIMITER | SEI)) {
            out.extend((unit.len() as u32).to_be_bytes());
            out.extend(unit);
        }
    }
}

/// Reads a decoder configuration record: its parameter sets, if there is one of each, and the bytes of a unit's length.
pub fn configuration(record: &[u8]) -> Option<(Parameters, usize)> {
    let [1, _, _, _, lengths, sets, rest @ ..] = record else { return None };
    let one = |rest: &[u8]| {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        rest.split_at_checked(u16::from_be_bytes(*length).into()).map(|(set, rest)| (set.to_vec(), rest.to_vec()))
    };
    let (sps, rest) = one(rest)?;
    let (count, rest) = rest.split_first()?;
    let (pps, _) = one(rest)?;
    let plain = sets & 0x1F == 1 && *count == 1 && sps.len() >= 4 && !pps.is_empty();
    // Three bytes are not allowed.
    let length_size = usize::from(lengths & 3) + 1;
    (plain && length_size != 3).then_some((Parameters { sps, pps }, length_size))
}

/// A coded picture of a source.
#[derive(Debug, PartialEq, Eq)]
pub struct CodedPicture<'a> {
    /// Nothing after it refers to anything before it.
    pub idr: bool,
    /// Its slices as they are written, lengths included.
    pub bytes: u64,
    slices: Vec<&'a [u8]>,
    /// Parameter sets that come with it.
    sets: Vec<&'a [u8]>,
}

impl CodedPicture<'_> {
    /// Whether it brings no other parameter sets than these.
    pub fn repeats(&self, parameters: &Parameters) -> bool {
        self.sets.iter().all(|set| *set == parameters.sps || *set == parameters.pps)
    }

    /// Writes its slices, each behind a length of four bytes.
    pub fn append(&self, out: &mut Vec<u8>) {
        for slice in &self.slices {
            out.extend((slice.len() as u32).to_be_bytes());
            out.extend(*slice);
        }
    }
}

/// Reads a sample whose units have lengths of `length_size` bytes in front. `None` when it is no picture of plain H.264:
/// lengths beyond its end, slices of both kinds, layers, partitions or planes that only some decoders know.
pub fn picture(sample: &[u8], length_size: usize) -> Option<CodedPicture<'_>> {
    let mut picture = CodedPicture { idr: false, bytes: 0, slices: vec![], sets: vec![] };
    let mut rest = sample;
    while !rest.is_empty() {
        let (length, after) = rest.split_at_checked(length_size)?;
        let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (unit, after) = after.split_at_checked(length)?;
        rest = after;
        match unit.first().map(|b| b & 0x1F) {
            Some(kind @ (SLICE | IDR_SLICE)) => {
                let idr = kind == IDR_SLICE;
                if !picture.slices.is_empty() && picture.idr != idr {
                    return None;
                }
                picture.idr = idr;
                picture.bytes += unit.len() as u64 + 4;
                picture.slices.push(unit);
            }
            Some(SPS | PPS) => picture.sets.push(unit),
            // Remarks, marks and padding say nothing of the picture.
            Some(SEI | DELIMITER | FILLER) | None => {}
            Some(kind) if ENDS.contains(&kind) => {}
            Some(_) => return None,
        }
    }
    (!picture.slices.is_empty()).then_some(picture)
}

/// The units between start codes (00 00 01, with any number of zeros before).
fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = stream;
    let mut inside = false;
    std::iter::from_fn(move || {
        if !inside {
            let (at, _) = start_code(rest)?;
            rest = &rest[at + 3..];
            inside = true;
        }
        let unit = match start_code(rest) {
            Some((at, zeros)) => {
                let unit = &rest[..at - zeros];
                rest = &rest[at + 3..];
                unit
            }
            None => {
                inside = false;
                std::mem::take(&mut rest)
            }
        };
        Some(unit)
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the next 00 00 01 is, and how many zeros stand before it.
fn start_code(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while at + 2 < bytes.len() {
        match bytes[at + 2] {
            // A byte above 1 cannot be part of a start code, so three bytes are passed at once.
            2.. => at += 3,
            1 if bytes[at] == 0 && bytes[at + 1] == 0 => {
                let zeros = bytes[..at].iter().rev().take_while(|&&b| b == 0).count();
                return Some((at, zeros));
            }
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\0\0\0\x01\x67\x64\x00\x28\xac\0\0\0\x01\x68\xee\x3c\0\0\x01\x06\x05abc";

    #[test]
    fn the_global_header_gives_the_codec_string_and_the_record() {
        let parameters = Parameters::from_header(HEADER).unwrap();
        assert_eq!(parameters.codec(), "avc1.640028");
        assert_eq!(parameters.record()[..8], [1, 0x64, 0, 0x28, 0xFF, 0xE1, 0, 5]);
        assert_eq!(parameters.record().len(), 6 + 2 + 5 + 1 + 2 + 3 + 4);
        assert_eq!(Parameters::from_header(b"\0\0\x01\x68\xee"), None);
    }

    #[test]
    fn slices_keep_their_bytes_and_everything_else_is_left_out() {
        let unit = [b"\0\0\0\x01\x09\xf0".as_slice(), HEADER, b"\0\0\x01\x65\x88\0\0\x03\x01\x02\0\0\0\0\x01\x41\x9a\0\0"].concat();
        let mut sample = vec![];
        append_sample(&unit, &mut sample);
        assert_eq!(sample, b"\0\0\0\x07\x65\x88\0\0\x03\x01\x02\0\0\0\x04\x41\x9a\0\0");
    }

    #[test]
    fn bytes_without_a_start_code_hold_no_unit() {
        for bytes in [&b""[..], b"\0", b"\0\0\x02", b"abc"] {
            assert_eq!(units(bytes).count(), 0);
        }
    }
}
