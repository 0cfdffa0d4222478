//! What a sequence parameter set of H.264 says that decides whether its stream can be copied (ITU-T H.264, 7.3.2.1.1). Pure.

/// Facts of a parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// High, level 4.2 at most: what Apple's clauses 1.3 and 1.4 want.
    pub high_42: bool,
    /// 4:2:0 in eight bits.
    pub plain_samples: bool,
    /// Only whole frames: nothing is interlaced.
    pub progressive: bool,
    /// Pixels that are shown.
    pub width: u32,
    pub height: u32,
    /// Pixels are square, or nothing is said of them.
    pub square: bool,
}

const HIGH: u8 = 100;
const HIGHEST_LEVEL: u8 = 42;

impl Sps {
    /// From a unit with its header byte; `None` when it ends too early or says what no stream can be.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let [header, profile, _, level, rest @ ..] = unit else { return None };
        if header & 0x1F != 7 {
            return None;
        }
        let mut bits = Bits::new(rest);
        bits.golomb()?; // id
        let (mut chroma, mut depth) = (1, 0);
        if !matches!(profile, 66 | 77 | 88) {
            chroma = bits.golomb()?;
            if chroma == 3 {
                bits.take(1)?;
            }
            depth = bits.golomb()?.max(bits.golomb()?);
            bits.take(1)?; // lossless bypass
            if bits.take(1)? == 1 {
                scaling_lists(&mut bits, if chroma == 3 { 12 } else { 8 })?;
            }
        }
        bits.golomb()?; // frame numbers
        picture_order(&mut bits)?;
        bits.golomb()?; // reference frames
        bits.take(1)?; // gaps
        let width = bits.golomb()?.checked_add(1)?.checked_mul(16)?;
        let rows = bits.golomb()?.checked_add(1)?.checked_mul(16)?;
        let progressive = bits.take(1)? == 1;
        let height = rows.checked_mul(if progressive { 1 } else { 2 })?;
        if !progressive {
            bits.take(1)?;
        }
        bits.take(1)?; // direct inference
        let (mut cut_width, mut cut_height) = (0u32, 0u32);
        if bits.take(1)? == 1 {
            let sides = [bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?];
            // Counted in samples of colour, which are half as many both ways in 4:2:0.
            cut_width = sides[0].checked_add(sides[1])?.checked_mul(2)?;
            cut_height = sides[2].checked_add(sides[3])?.checked_mul(if progressive { 2 } else { 4 })?;
        }
        let square = !(bits.take(1)? == 1 && bits.take(1)? == 1) || shape_is_square(&mut bits)?;
        Some(Self {
            high_42: *profile == HIGH && *level <= HIGHEST_LEVEL,
            plain_samples: chroma == 1 && depth == 0,
            progressive,
            width: width.checked_sub(cut_width)?,
            height: height.checked_sub(cut_height)?,
            square,
        })
    }
}

fn shape_is_square(bits: &mut Bits) -> Option<bool> {
    const WRITTEN_OUT: u32 = 255;
    Some(match bits.take(8)? {
        0 | 1 => true,
        WRITTEN_OUT => bits.take(16)? == bits.take(16)?,
        _ => false,
    })
}

fn picture_order(bits: &mut Bits) -> Option<()> {
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.take(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb().filter(|count| *count <= 255)? {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

fn scaling_lists(bits: &mut Bits, lists: usize) -> Option<()> {
    for list in 0..lists {
        if bits.take(1)? == 0 {
            continue;
        }
        let (mut last, mut next) = (8i32, 8i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.signed()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

/// The bits of a unit, without the bytes that only keep start codes out of it.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn new(unit: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(unit.len());
        let mut zeros = 0;
        for &byte in unit {
            if byte == 3 && zeros >= 2 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// An unsigned Exp-Golomb code.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.take(zeros)?)
    }

    fn signed(&mut self) -> Option<i32> {
        let code = self.golomb()?.min(1 << 20) as i32;
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of libx264: High 4.0, 1920 x 1080 (cropped from 1088), square pixels.
    const FULL_HD: &[u8] = &[
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00,
        0xc8, 0x3c, 0x60, 0xc6, 0x58,
    ];

    #[test]
    fn a_parameter_set_tells_size_profile_and_shape() {
        let sps = Sps::parse(FULL_HD).unwrap();
        assert_eq!(sps, Sps { high_42: true, plain_samples: true, progressive: true, width: 1920, height: 1080, square: true });
        let with = |at: usize, value: u8| {
            let mut bytes = FULL_HD.to_vec();
            bytes[at] = value;
            Sps::parse(&bytes).is_some_and(|sps| sps.high_42)
        };
        assert!(!with(3, 51), "level 5.1");
        assert!(!with(1, 110), "High 10");
        assert!(!with(1, 77), "Main, if it says anything");
    }

    #[test]
    fn what_ends_too_early_or_is_something_else_is_none() {
        // The shape of pixels ends in the thirteenth byte.
        for length in 0..13 {
            assert_eq!(Sps::parse(&FULL_HD[..length]), None);
        }
        assert_eq!(Sps::parse(&[0x68, 100, 0, 40, 0xff, 0xff]), None);
        assert_eq!(Sps::parse(&[&[0x67, 100, 0, 40][..], &[0; 40]].concat()), None);
    }
}
