//! Traces: the request id is the trace id, from the header through the job to its child.
//!
//! Spans are `tracing`'s; whether they are sent anywhere is the binary's affair (`src/log.rs`). A job knows nothing but
//! the request id, and that is enough: the first span of a trace that begins here has an id that follows from the
//! trace's, so that a job on another machine names it as its parent.

use std::cell::Cell;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use sha2::{Digest, Sha256};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The W3C `traceparent` of a caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Traceparent {
    /// 32 lower-case hex digits.
    pub trace_id: String,
    parent: SpanContext,
}

impl Traceparent {
    /// Reads the header's value. None when it is not of version 00's form: it is then ignored, as the standard says.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        // Later versions may have more parts; the first four keep their meaning.
        let known = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !known || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
        let parent = SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags, true, TraceState::default());
        parent.is_valid().then(|| Self { trace_id: trace.to_owned(), parent })
    }
}

thread_local! {
    static ROOT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// The ids of the trace that is being begun on this thread: for the generator of ids.
pub fn begun_root() -> Option<(TraceId, SpanId)> {
    ROOT.get()
}

/// Makes the span the first of the trace of this request id, or the continuation of the caller's.
pub fn begin(span: &Span, request_id: &str, caller: Option<&Traceparent>) {
    match caller {
        Some(caller) => follow(span, caller.parent.clone()),
        None => {
            let trace_id = trace_id(request_id);
            ROOT.set(Some((trace_id, root_span_id(trace_id))));
            // Asking for its context gives the span its ids.
            let _ = span.context();
            ROOT.set(None);
        }
    }
}

/// Makes the span part of the trace of the request that caused it.
pub fn join(span: &Span, request_id: Option<&str>) {
    if let Some(id) = request_id {
        let trace_id = trace_id(id);
        follow(span, SpanContext::new(trace_id, root_span_id(trace_id), TraceFlags::SAMPLED, true, TraceState::default()));
    }
}

/// The `traceparent` for whatever the span causes elsewhere, for instance a child's environment. None when nobody
/// collects traces.
pub fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| format!("00-{}-{}-{:02x}", ids.trace_id(), ids.span_id(), ids.trace_flags().to_u8()))
}

fn follow(span: &Span, parent: SpanContext) {
    // Without anybody who collects traces there is nothing to set.
    let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
}

/// A request id of ours is a trace id; another is hashed into one.
fn trace_id(request_id: &str) -> TraceId {
    let given = Some(request_id).filter(|id| id.len() == 32).and_then(|id| TraceId::from_hex(id).ok());
    given.filter(|id| *id != TraceId::INVALID).unwrap_or_else(|| {
        let hash = Sha256::digest(request_id);
        TraceId::from_bytes(std::array::from_fn(|at| hash[at]))
    })
}

/// The second half, which is random in a UUIDv7 as in a hash.
fn root_span_id(trace_id: TraceId) -> SpanId {
    let bytes = trace_id.to_bytes();
    let half = SpanId::from_bytes(std::array::from_fn(|at| bytes[8 + at]));
    if half == SpanId::INVALID { SpanId::from(1) } else { half }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_traceparent_is_read_by_the_standard_and_otherwise_ignored() {
        let read = |text: &str| Traceparent::parse(text).map(|caller| caller.trace_id);
        assert_eq!(read(&format!("00-{TRACE}-00f067aa0ba902b7-01")).as_deref(), Some(TRACE));
        assert_eq!(read(&format!("01-{TRACE}-00f067aa0ba902b7-01-more")).as_deref(), Some(TRACE));
        for bad in [
            "",
            "00",
            &format!("00-{TRACE}-00f067aa0ba902b7"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{TRACE}-0000000000000000-01"),
            "00-é4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_request_id_of_ours_is_its_trace_id_and_any_other_has_one() {
        assert_eq!(trace_id(TRACE).to_string(), TRACE);
        assert_ne!(trace_id("order-4711-eu"), TraceId::INVALID);
        assert_eq!(trace_id("order-4711-eu"), trace_id("order-4711-eu"));
        assert_ne!(trace_id(&"0".repeat(32)), TraceId::INVALID);
        assert_eq!(root_span_id(trace_id(TRACE)).to_string(), &TRACE[16..]);
    }
}
