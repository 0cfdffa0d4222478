//! What kinds of things an asset can be.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kind of an asset, decided from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// Moving pictures, with or without sound.
    Video,
    /// Sound alone.
    Audio,
    /// Something to read.
    Document,
    /// Timed text, alone or belonging to a video.
    Captions,
}

/// First line of captions that are to be read word for word: somebody who repeats a line means it, and it is no roll-up.
pub const VERBATIM: &str = "WEBVTT - edited, word for word";

impl Kind {
    /// The word used in SQL, JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Captions => "captions",
        }
    }
}

impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Video, Self::Audio, Self::Document, Self::Captions]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("an asset is video, audio, document or captions, never {text:?}"))
    }
}
