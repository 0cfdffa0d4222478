//! Why a file could not be transcoded: one enum, one stable code and one sentence for the teacher per reason.
//! What happens next (fail the asset, try again) is the caller's business; `hopeless` says which of the two it is.

use std::io;

use ffmpeg_next as ffmpeg;

/// A reason why no stream came out. `Display` is for the operator; [`TranscodeError::sentence`] is for the teacher.
#[derive(Debug, thiserror::Error)]
pub enum TranscodeError {
    #[error("the file holds no bytes")]
    EmptyFile,
    #[error("the container is not one that is accepted")]
    UnsupportedContainer,
    #[error("no video and no audio stream")]
    NoMediaStreams,
    #[error("{streams} streams")]
    TooManyStreams { streams: usize },
    #[error("could not read the media: {detail}")]
    MediaUnreadable { detail: String },
    #[error("the index lists {listed} packets, {read} could be read")]
    MediaTruncated { read: u64, listed: u64 },
    #[error("a frame of {width}x{height}")]
    VideoTooLarge { width: u32, height: u32 },
    #[error("more than {} h of decoded media", crate::budget::MAX_SECONDS / 3600)]
    TooLong,
    #[error("no decoder for {codec}")]
    CodecUnsupported { codec: String },
    #[error("the samples are encrypted")]
    EncryptedMedia,
    #[error("the source's pictures cannot be copied: {detail}")]
    CannotCopy { detail: String },
    #[error("{doing}")]
    Io { doing: &'static str, source: io::Error },
    #[error("{doing}: {source}")]
    Library { doing: &'static str, source: ffmpeg::Error },
}

/// Code of a source that was planned to be copied and turned out not to be what it seemed: it is encoded instead.
pub const CANNOT_COPY: &str = "cannot_copy";

impl TranscodeError {
    /// The stable code that API, database and pages share.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyFile => "empty_file",
            Self::UnsupportedContainer => "unsupported_container",
            Self::NoMediaStreams => "no_media_streams",
            Self::TooManyStreams { .. } => "too_many_streams",
            Self::MediaUnreadable { .. } => "media_unreadable",
            Self::MediaTruncated { .. } => "media_truncated",
            Self::VideoTooLarge { .. } => "video_too_large",
            Self::TooLong => "too_long",
            Self::CodecUnsupported { .. } => "codec_unsupported",
            Self::EncryptedMedia => "encrypted_media",
            Self::CannotCopy { .. } => CANNOT_COPY,
            Self::Io { .. } => "scratch_failed",
            Self::Library { .. } => "encoder_failed",
        }
    }

    /// One plain sentence for the person who uploaded the file: what is wrong and what to do.
    pub fn sentence(&self) -> String {
        match self {
            Self::EmptyFile => "this file is empty; please upload it again".into(),
            Self::UnsupportedContainer => {
                "this is not a kind of video or sound file that can be used here; please export it as MP4 (H.264 and AAC) and upload that"
                    .into()
            }
            Self::NoMediaStreams => "there is no picture and no sound in this file; please check the export and upload it again".into(),
            Self::TooManyStreams { streams } => format!(
                "this file has {streams} tracks, more than the {} that are accepted; please export it with one picture and one sound track",
                crate::budget::MAX_STREAMS
            ),
            Self::MediaUnreadable { .. } => {
                "this file is damaged or incomplete and nothing in it can be played; please export it again and upload the new file".into()
            }
            Self::MediaTruncated { read, listed } => format!(
                "only about {} % of this file is there, the rest was cut off; please upload the whole file",
                read * 100 / (*listed).max(1)
            ),
            Self::VideoTooLarge { width, height } => format!(
                "the picture is {width} × {height} pixels, larger than can be used here; please export it in 4K (3840 × 2160) or smaller"
            ),
            Self::TooLong => {
                format!("this recording is longer than {} hours; please split it into shorter parts", crate::budget::MAX_SECONDS / 3600)
            }
            Self::CodecUnsupported { codec } => {
                format!("this file is coded as “{codec}”, which cannot be played here; please export it as MP4 (H.264 and AAC)")
            }
            Self::EncryptedMedia => "this file is copy-protected (encrypted); please upload an unprotected copy".into(),
            Self::CannotCopy { .. } | Self::Io { .. } | Self::Library { .. } => {
                "the server could not finish this conversion; it will be tried again".into()
            }
        }
    }

    /// True when trying again with the same bytes can never work.
    pub fn hopeless(&self) -> bool {
        !matches!(self, Self::CannotCopy { .. } | Self::Io { .. } | Self::Library { .. })
    }

    /// True when only space is missing.
    pub fn disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self::MediaUnreadable { detail: detail.into() }
    }
}

/// Says what was being done when the library or the disk refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, TranscodeError>;
}

impl<T> Doing<T> for Result<T, ffmpeg::Error> {
    fn doing(self, what: &'static str) -> Result<T, TranscodeError> {
        self.map_err(|source| TranscodeError::Library { doing: what, source })
    }
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, TranscodeError> {
        self.map_err(|source| TranscodeError::Io { doing: what, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_of_ours_is_not_hopeless_and_a_full_disk_is_told_apart() {
        let full = TranscodeError::Io { doing: "write a segment", source: io::ErrorKind::StorageFull.into() };
        let gone = TranscodeError::Io { doing: "write a segment", source: io::ErrorKind::NotFound.into() };
        assert!(full.disk_full() && !gone.disk_full());
        assert!(!full.hopeless() && !gone.hopeless());
        assert!(TranscodeError::EmptyFile.hopeless());
    }
}
