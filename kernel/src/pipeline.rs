//! What follows what: the whole graph of the pipeline on one page.
//!
//! Events say what happened and carry ids only. [`next`] is pure; the ledger enqueues what it returns in the
//! transaction that records the event, so that nothing can be recorded and not followed up.

use serde::{Deserialize, Serialize};

use crate::id::{AssetId, CertificateId};
use crate::jobs::{AnyJob, Job, Place, Stage};
use crate::media::Kind;

/// Something that happened, in the past tense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Event {
    /// The bytes of an asset are stored and acknowledged.
    Uploaded { asset_id: AssetId },
    /// The asset's kind is known from its bytes.
    Ingested { asset_id: AssetId, media: Kind },
    /// It is known how a video or audio asset becomes a stream, in so many runs of segments.
    StreamPlanned { asset_id: AssetId, runs: u32 },
    /// The beginning of the asset's stream is stored: it can be watched while the rest is made.
    StreamBegun { asset_id: AssetId },
    /// Every run of the asset's segments is stored.
    StreamEncoded { asset_id: AssetId },
    /// The HLS package of a video or audio asset is stored.
    Transcoded { asset_id: AssetId },
    /// A stored stream has sound and no captions, and there is an engine that can make some.
    CaptionsMissed { asset_id: AssetId },
    /// The chunks of a document or captions asset are stored.
    Extracted { asset_id: AssetId },
    /// Somebody has saved other words or times for captions that are there already.
    CaptionsEdited { asset_id: AssetId },
    /// Every chunk of the asset has its vector.
    Embedded { asset_id: AssetId },
    /// The full-text index holds the asset as it is in the database.
    Indexed { asset_id: AssetId },
    /// Learners can see the asset from now on.
    Published { asset_id: AssetId },
    /// Learners see another version of the asset from now on.
    Replaced { asset_id: AssetId },
    /// The asset cannot be processed; its row says why.
    AssetFailed { asset_id: AssetId },
    /// A learner finished a course.
    CourseCompleted { certificate_id: CertificateId },
    /// The certificate's PDF is stored.
    CertificateIssued { certificate_id: CertificateId },
}

/// The jobs that follow an event.
pub fn next(event: &Event) -> Vec<AnyJob> {
    match *event {
        Event::Uploaded { asset_id } => vec![IngestUpload { asset_id }.into()],
        Event::Ingested { asset_id, media: Kind::Video | Kind::Audio } => {
            vec![TranscodeMedia { asset_id }.into(), UpdateIndex {}.into()]
        }
        Event::StreamPlanned { asset_id, runs } => (0..runs).map(|number| EncodeRun { asset_id, number, of: runs }.into()).collect(),
        Event::StreamEncoded { asset_id } => vec![PackageStream { asset_id }.into()],
        Event::CaptionsMissed { asset_id } => vec![TranscribeSpeech { asset_id }.into()],
        Event::Ingested { asset_id, media: Kind::Document | Kind::Captions } => {
            vec![ExtractDocument { asset_id }.into()]
        }
        Event::CaptionsEdited { asset_id } => vec![ExtractDocument { asset_id }.into()],
        Event::Extracted { asset_id } => vec![EmbedChunks { asset_id }.into(), UpdateIndex {}.into()],
        Event::StreamBegun { asset_id } | Event::Transcoded { asset_id } | Event::Embedded { asset_id } | Event::Indexed { asset_id } => {
            vec![PublishAsset { asset_id }.into()]
        }
        Event::CourseCompleted { certificate_id } => vec![RenderCertificate { certificate_id }.into()],
        Event::AssetFailed { .. } | Event::Replaced { .. } => vec![UpdateIndex {}.into()],
        Event::Published { .. } | Event::CertificateIssued { .. } => vec![],
    }
}

/// The job with which an asset is made anew from a stage on; everything later follows from it as after an upload.
/// None when an asset of this kind does not go through the stage, or the kind is needed and not known yet.
pub fn from_stage(stage: Stage, asset_id: AssetId, media: Option<Kind>) -> Option<AnyJob> {
    match (stage, media) {
        (Stage::Ingest, _) => Some(IngestUpload { asset_id }.into()),
        (Stage::Transcode, Some(Kind::Video | Kind::Audio)) => Some(TranscodeMedia { asset_id }.into()),
        (Stage::Transcribe, Some(Kind::Video | Kind::Audio)) => Some(TranscribeSpeech { asset_id }.into()),
        (Stage::Extract, Some(Kind::Document | Kind::Captions)) => Some(ExtractDocument { asset_id }.into()),
        (Stage::Embed, Some(Kind::Document | Kind::Captions)) => Some(EmbedChunks { asset_id }.into()),
        // Reads what is marked; whoever enqueues it marks the asset.
        (Stage::Index, Some(_)) => Some(UpdateIndex {}.into()),
        (Stage::Publish, Some(_)) => Some(PublishAsset { asset_id }.into()),
        _ => None,
    }
}

impl Event {
    /// The word under which the event is stored.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Uploaded { .. } => "Uploaded",
            Self::Ingested { .. } => "Ingested",
            Self::StreamPlanned { .. } => "StreamPlanned",
            Self::StreamBegun { .. } => "StreamBegun",
            Self::StreamEncoded { .. } => "StreamEncoded",
            Self::Transcoded { .. } => "Transcoded",
            Self::CaptionsMissed { .. } => "CaptionsMissed",
            Self::Extracted { .. } => "Extracted",
            Self::CaptionsEdited { .. } => "CaptionsEdited",
            Self::Embedded { .. } => "Embedded",
            Self::Indexed { .. } => "Indexed",
            Self::Published { .. } => "Published",
            Self::Replaced { .. } => "Replaced",
            Self::AssetFailed { .. } => "AssetFailed",
            Self::CourseCompleted { .. } => "CourseCompleted",
            Self::CertificateIssued { .. } => "CertificateIssued",
        }
    }

    /// The asset it is about, if it is about one.
    pub fn asset_id(&self) -> Option<AssetId> {
        match *self {
            Self::Uploaded { asset_id }
            | Self::Ingested { asset_id, .. }
            | Self::StreamPlanned { asset_id, .. }
            | Self::StreamBegun { asset_id }
            | Self::StreamEncoded { asset_id }
            | Self::Transcoded { asset_id }
            | Self::CaptionsMissed { asset_id }
            | Self::Extracted { asset_id }
            | Self::CaptionsEdited { asset_id }
            | Self::Embedded { asset_id }
            | Self::Indexed { asset_id }
            | Self::Published { asset_id }
            | Self::Replaced { asset_id }
            | Self::AssetFailed { asset_id } => Some(asset_id),
            Self::CourseCompleted { .. } | Self::CertificateIssued { .. } => None,
        }
    }
}

macro_rules! jobs {
    ($($(#[$doc:meta])* $name:ident { $($field:ident : $type:ty),* } in $stage:ident, asset $asset:expr, dedupe $dedupe:expr $(, place $place:expr)?;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $(pub $field: $type),* }

        impl Job for $name {
            const NAME: &'static str = stringify!($name);
            const STAGE: Stage = Stage::$stage;
            fn asset_id(&self) -> Option<AssetId> {
                let read: fn(&Self) -> Option<AssetId> = $asset;
                read(self)
            }
            fn dedupe_key(&self) -> Option<String> {
                let read: fn(&Self) -> Option<String> = $dedupe;
                read(self)
            }
            $(fn place(&self) -> Place {
                let read: fn(&Self) -> Place = $place;
                read(self)
            })?
        }
    )+
        /// Every kind of job there is, as the ledger is asked for it: `kind/version`.
        pub fn kinds() -> Vec<String> {
            vec![$(format!("{}/{}", $name::NAME, $name::VERSION)),+]
        }
    };
}

jobs! {
    /// Reads the first bytes of an upload, decides its kind, pairs captions with their video.
    IngestUpload { asset_id: AssetId } in Ingest, asset |j| Some(j.asset_id), dedupe |_| None;
    /// Reads a video or audio source and plans its stream: which renditions, which segments, which runs of them.
    TranscodeMedia { asset_id: AssetId } in Transcode, asset |j| Some(j.asset_id), dedupe |_| None;
    /// Encodes one run of segments, `number` of so many. The beginnings of all films (sound and pictures) go before the rest of any.
    EncodeRun { asset_id: AssetId, number: u32, of: u32 } in Transcode, asset |j| Some(j.asset_id),
        dedupe |j| Some(format!("run:{}:{}", j.asset_id, j.number)), place |j| if j.is_beginning() { Place::Same } else { Place::Behind };
    /// Puts the runs together: playlists, posters, storyboard, and the row that makes the stream real.
    PackageStream { asset_id: AssetId } in Transcode, asset |j| Some(j.asset_id), dedupe |j| Some(format!("package:{}", j.asset_id)), place |_| Place::Before;
    /// Has captions made of what is said in a recording, where an operator has set up an engine for that.
    TranscribeSpeech { asset_id: AssetId } in Transcribe, asset |j| Some(j.asset_id), dedupe |j| Some(format!("speech:{}", j.asset_id));
    /// Reads a document or captions into chunks.
    ExtractDocument { asset_id: AssetId } in Extract, asset |j| Some(j.asset_id), dedupe |_| None;
    /// Makes the vectors that an asset's chunks lack.
    EmbedChunks { asset_id: AssetId } in Embed, asset |j| Some(j.asset_id), dedupe |_| None;
    /// Brings the full-text index up to date with everything that is marked dirty.
    UpdateIndex {} in Index, asset |_| None, dedupe |_| Some("index".into());
    /// Makes an asset visible when all of its parts are there, and does nothing before.
    PublishAsset { asset_id: AssetId } in Publish, asset |j| Some(j.asset_id), dedupe |j| Some(format!("publish:{}", j.asset_id));
    /// Renders and stores a certificate's PDF.
    RenderCertificate { certificate_id: CertificateId } in Certify, asset |_| None, dedupe |j| Some(format!("certificate:{}", j.certificate_id));
}

impl EncodeRun {
    /// Whether the film can be watched with this run, or the one beside it: the first of the pictures and the first of the sound.
    pub fn is_beginning(&self) -> bool {
        self.number <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(event: Event) -> Vec<&'static str> {
        next(&event).iter().map(|job| job.kind).collect()
    }

    #[test]
    fn a_video_is_transcoded_and_a_document_extracted() {
        let asset_id = AssetId::new();
        assert_eq!(names(Event::Uploaded { asset_id }), ["IngestUpload"]);
        assert_eq!(names(Event::Ingested { asset_id, media: Kind::Video }), ["TranscodeMedia", "UpdateIndex"]);
        assert_eq!(names(Event::StreamPlanned { asset_id, runs: 3 }), ["EncodeRun"; 3]);
        assert_eq!(names(Event::StreamEncoded { asset_id }), ["PackageStream"]);
        assert_eq!(names(Event::Ingested { asset_id, media: Kind::Captions }), ["ExtractDocument"]);
        assert_eq!(names(Event::Extracted { asset_id }), ["EmbedChunks", "UpdateIndex"]);
        assert_eq!(names(Event::CaptionsEdited { asset_id }), ["ExtractDocument"]);
        assert_eq!(names(Event::CaptionsMissed { asset_id }), ["TranscribeSpeech"]);
    }

    #[test]
    fn an_asset_is_made_anew_only_from_stages_it_goes_through() {
        let asset_id = AssetId::new();
        let stages =
            |media| -> Vec<Stage> { Stage::ALL.into_iter().filter(|stage| from_stage(*stage, asset_id, media).is_some()).collect() };
        assert_eq!(stages(Some(Kind::Audio)), [Stage::Ingest, Stage::Transcode, Stage::Transcribe, Stage::Index, Stage::Publish]);
        assert_eq!(stages(Some(Kind::Captions)), [Stage::Ingest, Stage::Extract, Stage::Embed, Stage::Index, Stage::Publish]);
        assert_eq!(stages(None), [Stage::Ingest], "before its kind is known");
        for stage in stages(Some(Kind::Document)) {
            assert_eq!(from_stage(stage, asset_id, Some(Kind::Document)).unwrap().stage, stage);
        }
    }

    #[test]
    fn every_part_that_is_ready_asks_whether_to_publish() {
        let asset_id = AssetId::new();
        for event in [Event::Transcoded { asset_id }, Event::Embedded { asset_id }, Event::Indexed { asset_id }] {
            assert_eq!(names(event), ["PublishAsset"]);
        }
        assert!(names(Event::Published { asset_id }).is_empty());
    }
}
