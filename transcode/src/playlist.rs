//! HLS playlists from measured segments (RFC 8216 and Apple's authoring rules). Pure: measures in, text out. Written
//! last, when every size is known: announced rates are measured rates.

use std::fmt::Write;

use crate::track::{INIT, Segment, segment_name};

/// Name of the media playlist in a rendition's folder.
pub const MEDIA: &str = "index.m3u8";
/// Name of the I-frame playlist in a video rendition's folder.
pub const IFRAMES: &str = "iframes.m3u8";
/// Name of the multivariant playlist.
pub const MASTER: &str = "master.m3u8";

/// Peak and average rate in bit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    pub peak: u64,
    pub average: u64,
}

impl Rates {
    /// Measures as RFC 8216 4.3.4.2 defines: the peak is the largest rate of any run of segments that lasts between
    /// half and one and a half target durations. `bytes` of each segment are counted as `measure` says.
    pub fn of(segments: &[Segment], timescale: u32, target: u64, measure: impl Fn(&Segment) -> u64) -> Self {
        let seconds = |ticks: i64| ticks.max(1) as f64 / f64::from(timescale);
        let bits: u64 = segments.iter().map(&measure).sum::<u64>() * 8;
        let average = (bits as f64 / seconds(segments.iter().map(|s| s.duration).sum())).ceil() as u64;
        let target = target as f64;
        let mut peak = 0f64;
        for start in 0..segments.len() {
            let (mut ticks, mut bits) = (0, 0);
            for segment in &segments[start..] {
                ticks += segment.duration;
                bits += measure(segment) * 8;
                match seconds(ticks) / target {
                    share if share < 0.5 => {}
                    share if share > 1.5 => break,
                    _ => peak = peak.max(bits as f64 / seconds(ticks)),
                }
            }
        }
        Self { peak: (peak.ceil() as u64).max(average), average }
    }
}

/// The target duration all playlists share: the longest segment, rounded to whole seconds.
pub fn target_duration<'a>(tracks: impl IntoIterator<Item = (&'a [Segment], u32)>) -> u64 {
    let longest = tracks
        .into_iter()
        .flat_map(|(segments, timescale)| segments.iter().map(move |s| s.duration as f64 / f64::from(timescale)))
        .fold(0.0, f64::max);
    (longest.round() as u64).max(1)
}

/// A rendition's media playlist.
pub fn media(segments: &[Segment], timescale: u32, target: u64) -> String {
    let mut text = head(7, target);
    let _ = writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"{INIT}\"");
    for (i, segment) in segments.iter().enumerate() {
        let _ = writeln!(text, "#EXTINF:{:.6},\n{}", segment.duration as f64 / f64::from(timescale), segment_name(i + 1));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// A video rendition's I-frame playlist: the first picture of each segment, with the boxes that describe it.
pub fn iframes(segments: &[Segment], timescale: u32, target: u64) -> String {
    let mut text = head(7, target);
    let _ = writeln!(text, "#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"{INIT}\"");
    for (i, segment) in segments.iter().enumerate() {
        let seconds = segment.duration as f64 / f64::from(timescale);
        let _ = writeln!(text, "#EXTINF:{seconds:.6},\n#EXT-X-BYTERANGE:{}@0\n{}", segment.first_picture, segment_name(i + 1));
    }
    text + "#EXT-X-ENDLIST\n"
}

fn head(version: u32, target: u64) -> String {
    format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n")
}

/// A video rendition as the multivariant playlist announces it.
#[derive(Debug, Clone)]
pub struct VideoEntry {
    pub name: String,
    pub codec: String,
    pub width: u32,
    pub height: u32,
    pub frame_rate: f64,
    pub rates: Rates,
    /// None while there is no I-frame playlist.
    pub iframe_rates: Option<Rates>,
}

/// The sound rendition as the multivariant playlist announces it.
#[derive(Debug, Clone)]
pub struct AudioEntry {
    pub name: String,
    pub codec: String,
    /// BCP 47.
    pub language: String,
    pub rates: Rates,
}

/// The rate a player should start with, in bit/s: the first variant listed is the one that starts (Apple's 1.32).
const STARTING_RATE: u64 = 2_000_000;

/// The multivariant playlist. Sound alone is a variant of its own, beside pictures too: the one for networks that carry
/// no picture (Apple's 9.21). It comes last, so that nobody starts with it.
pub fn master(videos: &[VideoEntry], audio: Option<&AudioEntry>) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let sound = audio.map(|audio| audio.rates).unwrap_or_default();
    if let Some(audio) = audio.filter(|_| !videos.is_empty()) {
        let _ = writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Sound\",LANGUAGE=\"{}\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"{}/{MEDIA}\"",
            audio.language, audio.name
        );
    }
    let mut listed: Vec<&VideoEntry> = videos.iter().collect();
    let start = (0..listed.len()).min_by_key(|&i| (listed[i].rates.average + sound.average).abs_diff(STARTING_RATE));
    if let Some(start) = start {
        listed[..=start].rotate_right(1);
    }
    for video in listed {
        let codecs = audio.map_or(video.codec.clone(), |audio| format!("{},{}", video.codec, audio.codec));
        let group = if audio.is_some() { ",AUDIO=\"audio\"" } else { "" };
        let _ = writeln!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{codecs}\",RESOLUTION={}x{},FRAME-RATE={:.3}{group}\n{}/{MEDIA}",
            video.rates.peak + sound.peak,
            video.rates.average + sound.average,
            video.width,
            video.height,
            video.frame_rate,
            video.name
        );
    }
    if let Some(audio) = audio {
        let group = if videos.is_empty() { "" } else { ",AUDIO=\"audio\"" };
        let _ = writeln!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"{group}\n{}/{MEDIA}",
            sound.peak, sound.average, audio.codec, audio.name
        );
    }
    for (video, rates) in videos.iter().filter_map(|video| Some((video, video.iframe_rates?))) {
        let _ = writeln!(
            text,
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\",RESOLUTION={}x{},URI=\"{}/{IFRAMES}\"",
            rates.peak, rates.average, video.codec, video.width, video.height, video.name
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(list: &[(i64, u64)]) -> Vec<Segment> {
        list.iter().map(|&(duration, bytes)| Segment { duration, bytes, first_picture: bytes / 2 }).collect()
    }

    #[test]
    fn the_peak_ignores_a_short_last_segment_and_the_average_does_not() {
        let list = segments(&[(4000, 500_000), (4000, 1_000_000), (100, 100_000)]);
        let rates = Rates::of(&list, 1000, 4, |s| s.bytes);
        assert_eq!(rates.peak, 2_146_342); // the last two together: 1.1 MB in 4.1 s
        assert_eq!(rates.average, 1_580_247);
    }

    #[test]
    fn one_short_segment_has_its_own_rate_as_peak() {
        let rates = Rates::of(&segments(&[(500, 1000)]), 1000, 4, |s| s.bytes);
        assert_eq!(rates, Rates { peak: 16_000, average: 16_000 });
    }

    #[test]
    fn a_media_playlist_names_every_segment_with_its_exact_duration() {
        let text = media(&segments(&[(360_360, 10), (90_000, 10)]), 90_000, 4);
        assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n"));
        assert!(text.contains("#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.004000,\nseg-00001.m4s\n#EXTINF:1.000000,\nseg-00002.m4s\n"));
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && text.ends_with("#EXT-X-ENDLIST\n"));
    }

    fn video(name: &str, rate: u64) -> VideoEntry {
        VideoEntry {
            name: name.into(),
            codec: "avc1.64001F".into(),
            width: 1280,
            height: 720,
            frame_rate: 29.97,
            rates: Rates { peak: rate * 2, average: rate },
            iframe_rates: Some(Rates { peak: 10, average: 9 }),
        }
    }

    fn audio() -> AudioEntry {
        AudioEntry {
            name: "audio".into(),
            codec: "mp4a.40.2".into(),
            language: "und".into(),
            rates: Rates { peak: 130_000, average: 128_000 },
        }
    }

    #[test]
    fn the_multivariant_playlist_adds_sound_to_rates_and_codecs_and_starts_near_two_megabits() {
        let text = master(&[video("a", 5_000_000), video("b", 1_900_000), video("c", 700_000)], Some(&audio()));
        let variants: Vec<_> = text.lines().filter(|line| line.ends_with("index.m3u8")).collect();
        assert_eq!(variants, ["b/index.m3u8", "a/index.m3u8", "c/index.m3u8", "audio/index.m3u8"]);
        assert!(text.contains("BANDWIDTH=130000,AVERAGE-BANDWIDTH=128000,CODECS=\"mp4a.40.2\",AUDIO=\"audio\"\naudio/index.m3u8"));
        assert!(text.contains("BANDWIDTH=3930000,AVERAGE-BANDWIDTH=2028000,CODECS=\"avc1.64001F,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"audio\""));
        assert!(text.contains("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=10,"));
    }

    #[test]
    fn silent_video_has_no_audio_group_and_sound_alone_is_a_variant() {
        assert!(!master(&[video("a", 1)], None).contains("AUDIO"));
        let text = master(&[], Some(&audio()));
        assert!(text.contains("#EXT-X-STREAM-INF:BANDWIDTH=130000,AVERAGE-BANDWIDTH=128000,CODECS=\"mp4a.40.2\"\naudio/index.m3u8\n"));
    }
}
