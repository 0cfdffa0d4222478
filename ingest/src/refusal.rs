//! Why an upload or a document cannot be used: a stable code for programs, a sentence for the instructor.
//!
//! Owns the wording of every refusal of this room. Does not own what happens next: failing the asset is the
//! ledger's business, and the status of an HTTP answer is decided in `upload`.

/// A reason that lies in the file itself. Trying again with the same bytes gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing at all was sent.
    #[error("the file is empty")]
    EmptyFile,
    /// A playlist or manifest that only points at media elsewhere.
    #[error("this is {0}, a list that points at other files, not a recording; upload the recording itself")]
    UnsupportedContainer(&'static str),
    /// Bytes that are none of the formats this room reads.
    #[error("{0} cannot be read; upload a video, an audio file, a PDF, an HTML page, Markdown, plain text or captions (WebVTT, SRT)")]
    UnsupportedType(&'static str),
    /// The document asks for a password before it shows its text.
    #[error("this PDF is protected by a password; save it without one and upload it again")]
    PdfEncrypted,
    /// The file says it is a PDF and cannot be opened as one.
    #[error("this PDF is damaged or incomplete and cannot be opened; export it again")]
    PdfDamaged,
    /// More pages, bytes or characters than are read. The text says how many and of what.
    #[error("{0}")]
    TooLarge(String),
    /// Nested, compressed or tangled beyond a budget. The text says in what way.
    #[error("this file is too complex to read: {0}")]
    TooComplex(&'static str),
    /// Text in an encoding that could not be told, or that does not decode.
    #[error("the encoding of this text cannot be recognised; save it as UTF-8")]
    TextEncoding,
    /// WebVTT or SRT without a single readable cue.
    #[error("these captions contain no cue that can be read; check the times, for example 00:00:01.000 --> 00:00:04.000")]
    CaptionsInvalid,
}

impl Refusal {
    /// The stable code that jobs, the API and translations use.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyFile => "empty_file",
            Self::UnsupportedContainer(_) => "unsupported_container",
            Self::UnsupportedType(_) => "unsupported_type",
            Self::PdfEncrypted => "pdf_encrypted",
            Self::PdfDamaged => "pdf_damaged",
            Self::TooLarge(_) => "too_large",
            Self::TooComplex(_) => "too_complex",
            Self::TextEncoding => "text_encoding",
            Self::CaptionsInvalid => "captions_invalid",
        }
    }
}
