//! What H.264 says of itself: the parameter set, and which picture is an IDR (ISO/IEC 14496-10 7.3). Pure.

/// What a sequence parameter set says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sps {
    pub profile: u8,
    pub constraints: u8,
    pub level: u8,
    /// Pixels after cropping.
    pub width: u32,
    pub height: u32,
    /// Sample aspect ratio.
    pub aspect: (u32, u32),
    /// Frames per second, when its timing information says that they come at a steady pace.
    pub rate: Option<f64>,
}

impl Sps {
    /// The size at which pictures are to be shown.
    pub fn shown(&self) -> (u32, u32) {
        let (n, d) = self.aspect;
        (((f64::from(self.width) * f64::from(n) / f64::from(d)).round()) as u32, self.height)
    }

    /// Reads a whole unit, its header byte included.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let (&head, rest) = unit.split_first()?;
        (head & 0x1F == 7).then_some(())?;
        let bytes = without_emulation(rest);
        let (profile, constraints, level) = (*bytes.first()?, *bytes.get(1)?, *bytes.get(2)?);
        let mut bits = Bits { bytes: bytes.get(3..)?, at: 0 };
        bits.golomb()?; // its number
        let (mut chroma, mut separate) = (1, false);
        if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            chroma = bits.golomb()?;
            separate = chroma == 3 && bits.flag()?;
            bits.golomb()?; // bit depths
            bits.golomb()?;
            bits.flag()?;
            if bits.flag()? {
                for list in 0..if chroma == 3 { 12 } else { 8 } {
                    if bits.flag()? {
                        skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        bits.golomb()?; // frame numbers
        match bits.golomb()? {
            0 => {
                bits.golomb()?;
            }
            1 => {
                bits.flag()?;
                bits.golomb()?;
                bits.golomb()?;
                for _ in 0..bits.golomb()?.min(255) {
                    bits.golomb()?;
                }
            }
            _ => {}
        }
        bits.golomb()?; // reference frames
        bits.flag()?;
        let columns = bits.golomb()?.checked_add(1)?;
        let rows = bits.golomb()?.checked_add(1)?;
        let frames_only = bits.flag()?;
        if !frames_only {
            bits.flag()?;
        }
        bits.flag()?;
        let mut crop = [0; 4];
        if bits.flag()? {
            for side in &mut crop {
                *side = bits.golomb()?;
            }
        }
        let (across, down) = match chroma {
            _ if separate => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let fields = if frames_only { 1 } else { 2 };
        let width = columns.checked_mul(16)?.checked_sub(crop[0].checked_add(crop[1])?.checked_mul(across)?)?;
        let height = rows.checked_mul(16 * fields)?.checked_sub(crop[2].checked_add(crop[3])?.checked_mul(down * fields)?)?;
        let (aspect, rate) = if bits.flag()? { usability(&mut bits)? } else { ((1, 1), None) };
        Some(Self { profile, constraints, level, width, height, aspect, rate })
    }
}

/// Aspect ratio and frame rate of the video usability information.
fn usability(bits: &mut Bits) -> Option<((u32, u32), Option<f64>)> {
    const TABLE: [(u32, u32); 17] = [
        (1, 1),
        (1, 1),
        (12, 11),
        (10, 11),
        (16, 11),
        (40, 33),
        (24, 11),
        (20, 11),
        (32, 11),
        (80, 33),
        (18, 11),
        (15, 11),
        (64, 33),
        (160, 99),
        (4, 3),
        (3, 2),
        (2, 1),
    ];
    let mut aspect = (1, 1);
    if bits.flag()? {
        aspect = match bits.take(8)? {
            255 => (bits.take(16)?, bits.take(16)?),
            known => TABLE.get(known as usize).copied().unwrap_or((1, 1)),
        };
    }
    if bits.flag()? {
        bits.flag()?;
    }
    if bits.flag()? {
        bits.take(4)?;
        if bits.flag()? {
            bits.take(24)?;
        }
    }
    if bits.flag()? {
        bits.golomb()?;
        bits.golomb()?;
    }
    let mut rate = None;
    if bits.flag()? {
        let (units, scale) = (bits.take(32)?, bits.take(32)?);
        // Where pictures may come at any time, these two only say how finely times are counted.
        let steady = bits.flag()?;
        rate = (steady && units > 0).then(|| f64::from(scale) / f64::from(units) / 2.0);
    }
    let aspect = if aspect.0 == 0 || aspect.1 == 0 { (1, 1) } else { aspect };
    Some((aspect, rate))
}

fn skip_scaling_list(bits: &mut Bits, size: usize) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..size {
        if next != 0 {
            let code = i64::from(bits.golomb()?);
            let delta = if code % 2 == 0 { -code / 2 } else { (code + 1) / 2 };
            next = (last + delta).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Whether the units of a sample, each after its length in `length` bytes, are an IDR picture.
///
/// # Errors
/// A sentence, when lengths do not fit the sample.
pub fn is_idr(mut sample: &[u8], length: usize) -> Result<bool, String> {
    let mut slices = 0;
    let mut idr = true;
    while !sample.is_empty() {
        let head = sample.get(..length).ok_or("a unit's length is cut")?;
        let size = head.iter().fold(0usize, |size, byte| (size << 8) | usize::from(*byte));
        let unit = size.checked_add(length).and_then(|end| sample.get(length..end)).ok_or("a unit goes beyond its sample")?;
        match unit.first().map(|byte| byte & 0x1F) {
            Some(5) => slices += 1,
            Some(1..=4) => {
                slices += 1;
                idr = false;
            }
            _ => {}
        }
        sample = &sample[length + size..];
    }
    Ok(slices > 0 && idr)
}

/// Takes the 3 out of 0 0 3.
fn without_emulation(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u32;
        for _ in 0..count {
            value = (value << 1) | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// An unsigned Exp-Golomb number.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            (zeros < 32).then_some(())?;
        }
        Some(((1u64 << zeros) - 1 + u64::from(self.take(zeros)?)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::sps;
    use super::*;

    #[test]
    fn a_parameter_set_gives_size_level_and_rate() {
        let read = Sps::parse(&sps(100, 31, 1280, 720, 25)).unwrap();
        assert_eq!((read.profile, read.level, read.width, read.height, read.rate), (100, 31, 1280, 720, Some(25.0)));
        let odd = Sps::parse(&sps(77, 30, 854, 480, 30)).unwrap();
        assert_eq!((odd.profile, odd.shown(), odd.rate), (77, (854, 480), Some(30.0)));
    }

    #[test]
    fn cut_and_wild_parameter_sets_are_refused() {
        let whole = sps(100, 31, 1280, 720, 25);
        for end in 0..whole.len() - 6 {
            Sps::parse(&whole[..end]);
        }
        assert_eq!(Sps::parse(&[0x67, 100, 0, 31, 0xFF]), None);
        assert_eq!(Sps::parse(&[0x68, 1, 2, 3]), None);
        assert_eq!(Sps::parse(&[0x67, 100, 0, 31, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn an_idr_is_known_by_its_units() {
        assert_eq!(is_idr(b"\0\0\0\x02\x06\x00\0\0\0\x01\x65", 4), Ok(true));
        assert_eq!(is_idr(b"\0\0\0\x01\x41", 4), Ok(false));
        assert_eq!(is_idr(b"\0\0\0\x01\x06", 4), Ok(false));
        assert!(is_idr(b"\0\0\0\x09\x65", 4).is_err());
        assert!(is_idr(b"\0\0", 4).is_err());
    }
}
