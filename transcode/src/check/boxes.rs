//! The boxes of ISO base media files (ISO/IEC 14496-12 4.2). Pure; sizes that lie are errors, never panics.

/// One box.
#[derive(Debug, Clone, Copy)]
pub struct Mp4Box<'a> {
    pub kind: [u8; 4],
    /// Where its header begins, in the bytes that were walked.
    pub start: usize,
    /// Where its body begins.
    pub body_start: usize,
    pub body: &'a [u8],
    /// Bytes that its header promises beyond those that are there.
    pub missing: u64,
}

impl Mp4Box<'_> {
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.kind).into_owned()
    }
}

/// The boxes that stand side by side in `bytes`.
///
/// # Errors
/// A sentence, when a size does not fit. With `cut`, the last box may go on beyond the end.
pub fn walk(bytes: &[u8], cut: bool) -> Result<Vec<Mp4Box<'_>>, String> {
    let mut boxes = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let short = || format!("{} stray bytes where a box should begin", rest.len());
        let size = u64::from(u32_at(rest, 0).ok_or_else(short)?);
        let kind: [u8; 4] = rest.get(4..8).and_then(|kind| kind.try_into().ok()).ok_or_else(short)?;
        let (header, size) = match size {
            0 => (8, rest.len() as u64),
            1 => (16, u64_at(rest, 8).ok_or_else(short)?),
            size => (8, size),
        };
        let name = String::from_utf8_lossy(&kind).into_owned();
        if size < header as u64 {
            return Err(format!("box {name} says that it has {size} bytes"));
        }
        let there = size.min(rest.len() as u64) as usize;
        let missing = size - there as u64;
        if missing > 0 && !cut {
            return Err(format!("box {name} goes {missing} bytes beyond the end"));
        }
        let body = rest.get(header..there).ok_or_else(short)?;
        boxes.push(Mp4Box { kind, start: at, body_start: at + header, body, missing });
        at += there;
    }
    Ok(boxes)
}

/// The body of the first box along a path.
pub fn find<'a>(mut bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    for kind in path {
        bytes = walk(bytes, false).ok()?.iter().find(|found| found.kind == **kind)?.body;
    }
    Some(bytes)
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_be_bytes)
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_walked_and_lying_sizes_are_told() {
        let bytes = b"\0\0\0\x0Cfree1234\0\0\0\x10moof\0\0\0\x08traf";
        let kinds: Vec<_> = walk(bytes, false).unwrap().iter().map(Mp4Box::name).collect();
        assert_eq!(kinds, ["free", "moof"]);
        assert_eq!(find(bytes, &[b"moof", b"traf"]), Some(&b""[..]));
        assert_eq!(walk(&bytes[..20], false).unwrap_err(), "box moof goes 8 bytes beyond the end");
        assert_eq!(walk(&bytes[..20], true).unwrap()[1].missing, 8);
        for lie in [&b"\0\0\0\x04free"[..], b"\0\0", b"\0\0\0\x01free\0\0\0\0\0\0\0\x03", b"\0\0\0\x01free"] {
            assert!(walk(lie, true).is_err(), "{lie:?}");
        }
    }
}
