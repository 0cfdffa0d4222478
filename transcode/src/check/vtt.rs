//! WebVTT segments, as far as the rules ask: the header, the timestamp map, the times of cues. Pure.

/// What a WebVTT segment holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Captions {
    /// It begins as WebVTT does.
    pub is_vtt: bool,
    /// There is a well-formed X-TIMESTAMP-MAP; what must be added to the times of cues, in seconds.
    pub offset: Option<f64>,
    /// Start and end of each cue, in seconds of the presentation when there is a map.
    pub cues: Vec<(f64, f64)>,
    pub faults: Vec<String>,
}

/// MPEG-2 ticks per second.
const MPEG: f64 = 90_000.0;

/// Reads a segment.
pub fn parse(bytes: &[u8]) -> Captions {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Captions { faults: vec!["bytes that are not UTF-8".into()], ..Captions::default() };
    };
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut captions =
        Captions { is_vtt: first == "WEBVTT" || first.starts_with("WEBVTT ") || first.starts_with("WEBVTT\t"), ..Captions::default() };
    if !captions.is_vtt {
        return captions;
    }
    let mut head = true;
    for line in lines {
        head &= !line.trim().is_empty();
        if let (true, Some(map)) = (head, line.strip_prefix("X-TIMESTAMP-MAP=")) {
            captions.offset = timestamp_map(map);
            if captions.offset.is_none() {
                captions.faults.push(format!("X-TIMESTAMP-MAP={map} cannot be read"));
            }
        } else if let Some((start, rest)) = line.split_once("-->") {
            let end = rest.trim_start().split([' ', '\t']).next().unwrap_or_default();
            match (seconds(start.trim()), seconds(end)) {
                (Some(start), Some(end)) if start < end => captions.cues.push((start, end)),
                _ => captions.faults.push(format!("the times of {:?} cannot be read", line.chars().take(60).collect::<String>())),
            }
        }
    }
    let offset = captions.offset.unwrap_or(0.0);
    for (start, end) in &mut captions.cues {
        *start += offset;
        *end += offset;
    }
    captions
}

/// `MPEGTS:900000,LOCAL:00:00:00.000`, in either order.
fn timestamp_map(text: &str) -> Option<f64> {
    let (mut mpeg, mut local) = (None, None);
    for part in text.split(',') {
        match part.split_once(':')? {
            ("MPEGTS", ticks) => mpeg = Some(ticks.parse::<u64>().ok()? as f64 / MPEG),
            ("LOCAL", time) => local = Some(seconds(time)?),
            _ => return None,
        }
    }
    Some(mpeg? - local?)
}

/// `[hours:]minutes:seconds.thousandths`.
fn seconds(text: &str) -> Option<f64> {
    let (clock, thousandths) = text.split_once('.')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let parts = clock.split(':').map(number).collect::<Option<Vec<_>>>()?;
    let (hours, minutes, whole) = match parts[..] {
        [minutes, seconds] => (0, minutes, seconds),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    (minutes < 60 && whole < 60 && thousandths.len() == 3).then_some(())?;
    Some(f64::from(hours) * 3600.0 + f64::from(minutes * 60 + whole) + f64::from(number(thousandths)?) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_moved_by_the_timestamp_map() {
        let read = parse(b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n1\n00:01.500 --> 00:00:02.000 line:0\nHi\n");
        assert_eq!((read.is_vtt, read.offset, &read.cues[..], read.faults.len()), (true, Some(10.0), &[(11.5, 12.0)][..], 0));
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert!(!parse(b"1\n00:00.000 --> 00:01.000\n").is_vtt);
        assert_eq!(parse(b"WEBVTT\n\n00:02.000 --> 00:01.000\nx\n").faults.len(), 1);
        assert_eq!(parse(b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:x,LOCAL:00:00:00.000\n").faults.len(), 1);
        assert_eq!(parse(b"\xFF").faults.len(), 1);
        assert_eq!(parse(b"WEBVTT\n\nX-TIMESTAMP-MAP=MPEGTS:1,LOCAL:00:00:00.000\n").offset, None);
    }
}
