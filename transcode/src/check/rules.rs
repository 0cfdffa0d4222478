//! Every rule the checker knows, one entry each. A plain number is a clause of Apple's HLS Authoring Specification;
//! other rules name the document they stand in. Sentences are our own words.

use serde::{Serialize, Serializer};

/// How binding a rule is, in the words of RFC 2119.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    Must,
    Should,
}

impl Level {
    /// As the specifications write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        }
    }
}

/// One rule.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The clause.
    pub id: &'static str,
    pub level: Level,
    /// What it asks for.
    pub sentence: &'static str,
}

/// A rule within a finding is its clause.
pub fn as_id<S: Serializer>(rule: &&'static Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.id)
}

macro_rules! rules {
    ($($name:ident $level:ident $id:literal $sentence:literal)*) => {
        $(pub static $name: Rule = Rule { id: $id, level: Level::$level, sentence: $sentence };)*
        /// All of them.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    // video
    VIDEO_CODEC Must "1.1" "video is H.264 or HEVC"
    AVC_PROFILE Must "1.3" "H.264 is at most High profile, level 4.2"
    AVC_HIGH Should "1.4" "H.264 is of High profile rather than Main or Baseline"
    IDR_EVERY_TWO_SECONDS Should "1.13" "an IDR comes at least every two seconds"
    AVERAGE_RATE Must "1.26" "the measured average bit rate is within 10 % of AVERAGE-BANDWIDTH"
    PEAK_RATE Must "1.27" "the measured peak bit rate is within 10 % of BANDWIDTH"
    PEAK_TO_AVERAGE Should "1.30" "the peak bit rate is at most twice the average"
    FIRST_VARIANT Should "1.32" "the first variant is the one nearest to 2000 kbit/s on average"
    ASPECT_RATIO Must "1.33" "all variants have one aspect ratio"
    // sound
    STEREO_AAC Must "2.3" "where there is sound there is a stereo AAC rendition"
    AAC_RATE Must "2.9" "stereo AAC has between 32 and 160 kbit/s"
    LOUDNESS Should "2.19" "sound tells its loudness in a loudness box (ludt)"
    // accessibility and captions
    CAPTIONS Should "4.1" "video has captions"
    SDH_CHARACTERISTICS Must "4.5" "captions for the hard of hearing carry both characteristics, spoken dialog and music and sound"
    SDH_AUTOSELECT Must "4.6" "captions for the hard of hearing are AUTOSELECT=YES"
    WEBVTT Must "5.1" "subtitles are WebVTT or IMSC1"
    TIMESTAMP_MAP Must "5.3" "each WebVTT segment has an X-TIMESTAMP-MAP"
    SUBTITLES_COVER Must "5.5" "a subtitle rendition covers the whole presentation"
    // trick play
    IFRAME_PLAYLISTS Must "6.1" "video has I-frame playlists"
    DENSE_IFRAMES Should "6.2" "one I-frame playlist has a picture for every second"
    IFRAMES_ONLY Must "6.8" "I-frame playlists say EXT-X-I-FRAMES-ONLY"
    IFRAME_RANGE Must "6.10" "the bytes of an I-frame hold its moof and just one sync sample"
    // segments
    TFDT Must "7.3" "decode times run on without a gap from segment to segment"
    IDR_FIRST Must "7.4" "each video segment starts with an IDR"
    SIX_SECONDS Should "7.5" "the target duration is 6 seconds"
    LONGEST_SEGMENT Must "7.7" "no segment lasts longer than the target duration and half a second"
    // media playlists
    EXTINF_SUM Must "8.1" "EXTINF durations add up to the media's own within one frame"
    SAME_TARGET Must "8.2" "sound and video have the same target duration"
    SAME_LENGTH Must "8.3" "sound and video have the same length"
    VOD Must "8.6" "playlists of recordings say EXT-X-PLAYLIST-TYPE:VOD"
    LANGUAGE Must "8.10" "each EXT-X-MEDIA but of TYPE=VIDEO has a LANGUAGE, a BCP 47 tag"
    REDIRECT Must "8.18" "nothing is redirected"
    MAP Must "8.20" "fragmented MP4 has an EXT-X-MAP"
    ALIGNED Must "8.22" "segments of all video renditions start at the same times"
    // multivariant playlist
    CODECS Must "9.1" "each variant has CODECS"
    RESOLUTION Must "9.2" "each video variant has a RESOLUTION, that of its pictures"
    IFRAME_CODECS Must "9.3" "each I-frame playlist is announced with CODECS"
    IFRAME_RESOLUTION Must "9.4" "each I-frame playlist is announced with a RESOLUTION, that of its pictures"
    SEPARATE_SOUND Should "9.5" "sound of video is a rendition of its own"
    LANGUAGES_APART Must "9.7" "sound in several languages is in renditions of their own"
    SEVERAL_RATES Must "9.9" "video is there in several bit rates"
    TWO_AT_THE_TOP Should "9.10" "the largest picture is there in two bit rates"
    INDEPENDENT Must "9.11" "the multivariant playlist says EXT-X-INDEPENDENT-SEGMENTS"
    LARGEST_SUM Must "9.13" "BANDWIDTH is not less than the largest sum of peaks of what can be played together"
    AVERAGE_BANDWIDTH Must "9.14" "each variant has AVERAGE-BANDWIDTH"
    FRAME_RATE Must "9.15" "each video variant has a FRAME-RATE, that of its pictures"
    CELLULAR Should "9.21" "one variant has a peak of at most 192 kbit/s for cellular networks"
    // delivery
    GZIP Must "10.1" "playlists are compressed by gzip on their way"
    // protocol
    FMP4 Must "RFC 8216 3.3" "initialisation and media segments are whole fragmented MP4"
    VTT_SEGMENT Must "RFC 8216 3.5" "WebVTT segments are well-formed and hold the cues of their own time"
    PLAYLIST_MIME Must "RFC 8216 4" "playlists end in .m3u8 or .m3u, or are served as application/vnd.apple.mpegurl"
    PLAYLIST_TEXT Must "RFC 8216 4.1" "a playlist is UTF-8 without byte order mark or control characters, and either multivariant or media"
    ATTRIBUTES Must "RFC 8216 4.2" "attribute lists are well-formed"
    EXTM3U Must "RFC 8216 4.3.1.1" "the first line is #EXTM3U"
    VERSION_TAG Must "RFC 8216 4.3.1.2" "EXT-X-VERSION is one number, given at most once"
    EXTINF Must "RFC 8216 4.3.2.1" "each segment has a well-formed EXTINF"
    BYTERANGE Must "RFC 8216 4.3.2.2" "byte ranges are well-formed and within their file"
    KEY Must "RFC 8216 4.3.2.4" "an EXT-X-KEY names a method and a key that opens the segments"
    MAP_TAG Must "RFC 8216 4.3.2.5" "an EXT-X-MAP has a URI"
    TARGET_DURATION Must "RFC 8216 4.3.3.1" "EXT-X-TARGETDURATION is given once and is no less than any rounded EXTINF"
    MEDIA_SEQUENCE Must "RFC 8216 4.3.3.2" "EXT-X-MEDIA-SEQUENCE is one number, given at most once, before the first segment"
    ENDLIST Must "RFC 8216 4.3.3.4" "the playlist of a recording ends with EXT-X-ENDLIST"
    PLAYLIST_TYPE Must "RFC 8216 4.3.3.5" "EXT-X-PLAYLIST-TYPE is VOD or EVENT, given at most once"
    IFRAME_TIMES Must "RFC 8216 4.3.3.6" "the EXTINF of an I-frame is the time until the next one"
    MEDIA_TAG Must "RFC 8216 4.3.4.1" "EXT-X-MEDIA has what its TYPE asks for, and says what is there"
    GROUPS Must "RFC 8216 4.3.4.1.1" "members of a group differ in NAME, and one at most is DEFAULT"
    STREAM_INF Must "RFC 8216 4.3.4.2" "EXT-X-STREAM-INF has BANDWIDTH, a URI, and groups that exist"
    IFRAME_STREAM_INF Must "RFC 8216 4.3.4.3" "EXT-X-I-FRAME-STREAM-INF has BANDWIDTH and URI, and no attribute that is not for it"
    REACHABLE Must "RFC 8216 6.2.1" "what a playlist names is there"
    SAME_START Must "RFC 8216 6.2.4" "all renditions start at the same time"
    VERSION Must "RFC 8216 7" "EXT-X-VERSION is high enough for what is used"
    CODEC_STRING Must "RFC 6381 3.3" "CODECS names just the codecs that are there, with their profile and level"
    MEDIA_MIME Should "RFC 4337 2" "segments are served as video/mp4, audio/mp4 or video/iso.segment, WebVTT as text/vtt"
    TRACK_SIZE Must "ISO 14496-12 8.3.2" "the track header and the sample entry give the size of the coded pictures"
    AVC_RECORD Must "ISO 14496-15 5.3.3" "the decoder configuration repeats profile and level of its parameter set"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clause_is_one_entry() {
        let mut ids: Vec<_> = ALL.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|w| w[0] != w[1]), "{ids:?}");
    }
}
