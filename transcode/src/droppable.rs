//! Which AV1 pictures need not even be decoded when there are more per second than will be shown: those that no other
//! picture refers to. Pure; reads the headers of AV1 bitstreams (AV1 specification, 5.5 and 5.9.2) and nothing else.
//!
//! Only AV1, because only there is decoding the dearest part of the whole work: recordings of a 4K screen at 60 frames
//! per second, coded in pyramids whose top layer is every second picture.

use crate::ladder::Rung;
use crate::probe::VideoInfo;

/// Decides packet by packet for one stream.
#[derive(Debug)]
pub struct Dropper {
    /// Shortest distance of two pictures left out, in the caller's ticks: never two neighbours.
    apart: i64,
    last: Option<i64>,
    sequence: Option<Sequence>,
}

/// Whether half the pictures need not be decoded: AV1 says which are referred to, and the rate is far above the cap.
pub fn applies(info: &VideoInfo, top: &Rung) -> bool {
    info.codec == "av1" && info.fps >= f64::from(top.max_fps) * 1.5
}

/// What remains of a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Thinned {
    Whole,
    /// Without the picture that would be shown; others refer to the rest.
    Part(Vec<u8>),
    Nothing,
}

/// What of the sequence header is needed to find a frame's reference flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sequence {
    /// 0 never, 1 always, 2 as each frame says.
    screen_content_tools: u32,
    integer_mv: u32,
    order_hint_bits: u32,
}

const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const SELECT: u32 = 2;

impl Dropper {
    /// `config` is the stream's `av1C` record, `frame` the nominal duration of a picture in ticks.
    pub fn new(config: &[u8], frame: i64) -> Self {
        let sequence = units(config.get(4..).unwrap_or_default()).find(|unit| unit.kind == SEQUENCE_HEADER);
        Self { apart: frame * 3 / 2, last: None, sequence: sequence.and_then(|unit| Sequence::read(unit.body)) }
    }

    /// What of the packet that is shown at `pts` must be decoded.
    pub fn thin(&mut self, packet: &[u8], pts: i64) -> Thinned {
        let far = self.last.is_none_or(|last| (pts - last).abs() >= self.apart);
        let (mut rest, mut others, mut dropped) = (Vec::new(), 0, 0);
        for unit in units(packet) {
            if unit.kind == SEQUENCE_HEADER {
                self.sequence = Sequence::read(unit.body);
            }
            let unreferenced = self.sequence.is_some_and(|sequence| sequence.leaves_unreferenced(unit.body) == Some(true));
            if unit.kind == FRAME && unreferenced {
                dropped += 1;
            } else {
                others += usize::from(matches!(unit.kind, FRAME | FRAME_HEADER));
                rest.extend(unit.whole);
            }
        }
        if dropped != 1 || !far {
            return Thinned::Whole;
        }
        self.last = Some(pts);
        if others == 0 { Thinned::Nothing } else { Thinned::Part(rest) }
    }
}

impl Sequence {
    /// `None` for streams with features that move the flags about; nothing is dropped from those.
    fn read(body: &[u8]) -> Option<Self> {
        let mut bits = Bits { bytes: body, at: 0 };
        bits.skip(4)?; // profile, still picture
        if bits.read(1)? == 1 {
            return None; // a single still picture
        }
        if bits.read(1)? == 1 {
            bits.skip(64)?; // display tick, time scale
            if bits.read(1)? == 1 {
                bits.skip_uvlc()?;
            }
            if bits.read(1)? == 1 {
                return None; // a decoder model
            }
        }
        let display_delay = bits.read(1)? == 1;
        for _ in 0..=bits.read(5)? {
            bits.skip(12)?;
            if bits.read(5)? > 7 {
                bits.skip(1)?;
            }
            if display_delay && bits.read(1)? == 1 {
                bits.skip(4)?;
            }
        }
        let (width, height) = (bits.read(4)? + 1, bits.read(4)? + 1);
        bits.skip(width + height)?;
        if bits.read(1)? == 1 {
            return None; // frame ids
        }
        bits.skip(7)?; // block size, two intra tools, four inter tools
        let order_hint = bits.read(1)? == 1;
        if order_hint {
            bits.skip(2)?;
        }
        let screen_content_tools = if bits.read(1)? == 1 { SELECT } else { bits.read(1)? };
        let integer_mv = match screen_content_tools {
            0 => SELECT,
            _ if bits.read(1)? == 1 => SELECT,
            _ => bits.read(1)?,
        };
        let order_hint_bits = if order_hint { bits.read(3)? + 1 } else { 0 };
        Some(Self { screen_content_tools, integer_mv, order_hint_bits })
    }

    /// Whether a frame is shown at once, predicted from others, and kept as a reference nowhere.
    fn leaves_unreferenced(&self, body: &[u8]) -> Option<bool> {
        let mut bits = Bits { bytes: body, at: 0 };
        if bits.read(1)? == 1 {
            return Some(false); // shows a picture that exists
        }
        let inter = bits.read(2)? == 1;
        let shown = bits.read(1)? == 1;
        if !inter || !shown {
            return Some(false);
        }
        let error_resilient = bits.read(1)? == 1;
        bits.skip(1)?;
        let tools = if self.screen_content_tools == SELECT { bits.read(1)? } else { self.screen_content_tools };
        if tools == 1 && self.integer_mv == SELECT {
            bits.skip(1)?;
        }
        bits.skip(1 + self.order_hint_bits)?; // size override, order
        if !error_resilient {
            bits.skip(3)?;
        }
        Some(bits.read(8)? == 0)
    }
}

/// An open bitstream unit.
struct Unit<'a> {
    kind: u8,
    whole: &'a [u8],
    body: &'a [u8],
}

/// The units of a bitstream that carry their size. Ends at the first that makes no sense.
fn units(mut bytes: &[u8]) -> impl Iterator<Item = Unit<'_>> {
    std::iter::from_fn(move || {
        let header = *bytes.first()?;
        let (extended, sized) = (header & 4 != 0, header & 2 != 0);
        let mut at = if extended { 2 } else { 1 };
        if !sized {
            return None;
        }
        let mut size = 0u64;
        for shift in (0..56).step_by(7) {
            let byte = *bytes.get(at)?;
            at += 1;
            size |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let end = at.checked_add(usize::try_from(size).ok()?)?;
        let (whole, body) = (bytes.get(..end)?, bytes.get(at..end)?);
        bytes = &bytes[end..];
        Some(Unit { kind: header >> 3 & 0x0F, whole, body })
    })
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn read(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| {
            let bit = self.bytes.get(self.at / 8)? >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        self.at += count as usize;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// A number with as many leading zeros as digits.
    fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while self.read(1)? == 0 {
            zeros += 1;
        }
        self.skip(zeros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits as text, filled up with zeros.
    fn bits(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| b"01".contains(b)).map(|b| b - b'0').collect();
        digits.chunks(8).map(|chunk| chunk.iter().enumerate().fold(0, |byte, (i, bit)| byte | bit << (7 - i))).collect()
    }

    fn unit(kind: u8, body: Vec<u8>) -> Vec<u8> {
        [vec![kind << 3 | 2, body.len() as u8], body].concat()
    }

    /// profile, still, reduced, timing, display delay, one operating point, sizes of 8 + 8 bits, ids, 7 tools, order
    /// hints with two tools, screen content and integer vectors as each frame says, 7 bits of order.
    fn sequence() -> Vec<u8> {
        bits("000 0 0 0 0 00000 000000000000 00100 0111 0111 00000000 00000000 0 0000000 1 00 1 1 110 0")
    }

    /// show existing, type, shown, error resilient, cdf, screen content tools, size override, order, primary, flags.
    fn frame(kind: &str, shown: char, flags: &str) -> Vec<u8> {
        unit(FRAME, bits(&format!("0 {kind} {shown} 0 0 0 0 0000001 000 {flags} 00000000")))
    }

    fn dropper() -> Dropper {
        Dropper::new(&[vec![0x81, 0, 0, 0], unit(SEQUENCE_HEADER, sequence())].concat(), 1500)
    }

    #[test]
    fn the_sequence_header_is_understood() {
        let read = Sequence::read(&sequence()).unwrap();
        assert_eq!(read, Sequence { screen_content_tools: 2, integer_mv: 2, order_hint_bits: 7 });
    }

    #[test]
    fn only_shown_pictures_that_nothing_refers_to_are_dropped_and_never_two_neighbours() {
        let mut dropper = dropper();
        let (reference, unreferenced) = (frame("01", '1', "00000100"), frame("01", '1', "00000000"));
        assert_eq!(dropper.thin(&reference, 0), Thinned::Whole);
        assert_eq!(dropper.thin(&frame("00", '1', "00000000"), 0), Thinned::Whole, "a key frame");
        assert_eq!(dropper.thin(&frame("01", '0', "00000000"), 0), Thinned::Whole, "shown later");
        assert_eq!(dropper.thin(&unreferenced, 1500), Thinned::Nothing);
        assert_eq!(dropper.thin(&unreferenced, 3000), Thinned::Whole, "its neighbour");
        assert_eq!(dropper.thin(&unreferenced, 4500), Thinned::Nothing);
    }

    #[test]
    fn pictures_in_the_same_packet_that_others_refer_to_stay() {
        let hidden = frame("01", '0', "00001000");
        let both = [hidden.clone(), frame("01", '1', "00000000")].concat();
        assert_eq!(dropper().thin(&both, 0), Thinned::Part(hidden));
    }

    #[test]
    fn cut_and_nonsensical_bytes_drop_nothing() {
        let whole = frame("01", '1', "00000000");
        for length in 0..whole.len() {
            assert_eq!(dropper().thin(&whole[..length], 0), Thinned::Whole);
        }
        assert_eq!(Dropper::new(&[], 1500).thin(&whole, 0), Thinned::Whole, "no sequence header");
        assert_eq!(dropper().thin(&[0xFF; 64], 0), Thinned::Whole);
    }
}
