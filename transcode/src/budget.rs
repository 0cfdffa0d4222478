//! How much of anything one file may cost. Counted on what was decoded, never on what a header claims: containers
//! of 100 KB that claim 40 hours exist, and so do pictures of 400 KB that unfold to 400 MB.

/// Pixels of one decoded frame: a little above 7680 × 4320.
pub const MAX_PIXELS: u64 = 33_554_432;

/// Streams of one container, of whatever kind.
pub const MAX_STREAMS: usize = 64;

/// Seconds of media on the output timeline.
pub const MAX_SECONDS: i64 = 24 * 3600;

/// Largest `moov` box that is read to look for encrypted sample entries, in bytes.
pub const MAX_MOOV: u64 = 64 << 20;

/// Embedded captions kept per track, in bytes of text.
pub const MAX_CAPTION_BYTES: usize = 4 << 20;
