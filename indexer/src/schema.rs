//! What a document of the index holds. One document per asset carries the title, one per chunk carries the text: the
//! title is not repeated in chunks, or one long asset with a fitting title would crowd out all others.
//!
//! The text itself is indexed and not stored. What a learner is shown comes from Postgres after the last check of who
//! may see it, so nothing stale can leave through here.

use kernel::id::AssetId;
use tantivy::schema::{BytesOptions, FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::{TantivyDocument, Term};
use uuid::Uuid;

use crate::entry::Entry;
use crate::words;

/// Counts what changes the meaning of the index: fields, words, what is a document. An index of another version is
/// made again.
pub const VERSION: u32 = 1;

/// The word in `what` for the document that stands for the asset itself.
pub(crate) const ASSET: &str = "asset";
const CHUNK: &str = "chunk";

/// The fields, by what they are for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// `asset` or `chunk`.
    pub what: Field,
    pub asset_id: Field,
    pub chunk_id: Field,
    pub course_id: Field,
    pub kind: Field,
    pub title: Field,
    pub heading: Field,
    pub text: Field,
    /// `kernel::locator::Locator` as JSON.
    pub locator: Field,
    /// Breaks ties between equal scores in the same way whatever the segments: a part of the id.
    pub tie: Field,
}

/// Name of [`Fields::tie`], which sorting asks for by name.
pub(crate) const TIE: &str = "tie";

/// The schema and its fields.
pub(crate) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let id = || BytesOptions::default().set_indexed();
    let prose = || {
        let words = TextFieldIndexing::default().set_tokenizer(words::ANALYSER);
        TextOptions::default().set_indexing_options(words.set_index_option(IndexRecordOption::WithFreqsAndPositions))
    };
    let fields = Fields {
        what: builder.add_text_field("what", STRING),
        asset_id: builder.add_bytes_field("asset_id", id().set_stored()),
        chunk_id: builder.add_bytes_field("chunk_id", STORED),
        course_id: builder.add_bytes_field("course_id", INDEXED),
        kind: builder.add_text_field("kind", STRING),
        title: builder.add_text_field("title", prose()),
        heading: builder.add_text_field("heading", prose()),
        text: builder.add_text_field("text", prose()),
        locator: builder.add_text_field("locator", STORED),
        tie: builder.add_u64_field(TIE, FAST),
    };
    (builder.build(), fields)
}

impl Fields {
    /// The term that all documents of an asset share.
    pub(crate) fn of_asset(&self, asset: AssetId) -> Term {
        Term::from_field_bytes(self.asset_id, asset.0.as_bytes())
    }

    /// The documents of an asset.
    pub(crate) fn documents<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = TantivyDocument> + 'a {
        let asset = {
            let mut document = self.common(entry, ASSET, entry.asset_id.0);
            document.add_text(self.title, &entry.title);
            document
        };
        let chunks = entry.chunks.iter().map(|chunk| {
            let mut document = self.common(entry, CHUNK, chunk.id);
            document.add_bytes(self.chunk_id, chunk.id.as_bytes());
            for heading in &chunk.heading_path {
                document.add_text(self.heading, heading);
            }
            document.add_text(self.text, &chunk.text);
            document.add_text(self.locator, chunk.locator.to_string());
            document
        });
        std::iter::once(asset).chain(chunks)
    }

    fn common(&self, entry: &Entry, what: &str, id: Uuid) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.what, what);
        document.add_bytes(self.asset_id, entry.asset_id.0.as_bytes());
        document.add_bytes(self.course_id, entry.course_id.0.as_bytes());
        document.add_text(self.kind, &entry.kind);
        document.add_u64(self.tie, id.as_u64_pair().1);
        document
    }
}
