//! Whether the libav that this program runs with can make what we make.

use ffmpeg_next as ffmpeg;

/// Encoders that a package needs and this libavcodec lacks, by libav's names; empty when all is well.
pub fn missing_encoders() -> Vec<&'static str> {
    ["libx264", "aac"].into_iter().filter(|name| ffmpeg::encoder::find_by_name(name).is_none()).collect()
}
