//! `GET` and `PUT /assets/{id}/captions`: captions as a person corrects them, cue by cue.
//!
//! Saving writes a new source and lets everything follow from it as after an upload: the clean file for players, the
//! chunks, the vectors, the index. The former source stays stored. Which captions a recording has is `lms`'s to say.

use std::collections::HashMap;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use kernel::access;
use kernel::env::Env;
use kernel::events::{self, Cause};
use kernel::http::{ApiError, FieldError, Json, Principal, Problem, RequestId, etag, if_match, overtaken};
use kernel::id::AssetId;
use kernel::language;
use kernel::media::Kind;
use kernel::pipeline::Event;
use kernel::store::{Key, Prefix, Received, sources};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::CAPTIONS;
use crate::extract::Cue;
use crate::extract::captions::{from_own_webvtt, to_verbatim_webvtt};
use crate::sniff::Format;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(show, edit)).layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// Captions of a whole day have two megabytes; this is the body of a request.
const MAX_BYTES: usize = 16 << 20;
/// A cue each second, for half a day.
const MAX_CUES: usize = 43_200;
/// Longest text of a cue, in characters: two lines have 84.
const MAX_TEXT: usize = 1000;
/// Longest name of a speaker, and of the captions, in characters.
const MAX_NAME: usize = 200;
/// Latest second: four days.
const MAX_SECOND: f64 = 360_000.0;

/// Captions, and what is known of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"label": "English", "language": "en", "sdh": false, "auto": true,
    "cues": [{"start_s": 1.0, "end_s": 3.5, "text": "A lease is a promise with an end.", "speaker": null}]}))]
struct CaptionsShown {
    /// As learners see it in the menu.
    label: String,
    /// BCP 47, where it is known.
    language: Option<String>,
    /// They also tell what is heard besides speech.
    sdh: bool,
    /// Made by a machine, and seen through by nobody yet.
    auto: bool,
    /// In the order of time.
    cues: Vec<EditedCue>,
}

/// All of it is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"label": "English", "language": "en", "sdh": false,
    "cues": [{"start_s": 1.0, "end_s": 3.5, "text": "A lease is a promise with an end.", "speaker": null}]}))]
struct CaptionsEdit {
    label: String,
    /// Null: it is told from the text.
    language: Option<String>,
    sdh: bool,
    cues: Vec<EditedCue>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditedCue {
    /// Seconds from the beginning, kept to the millisecond.
    start_s: f64,
    /// Seconds from the beginning, later than `start_s`.
    end_s: f64,
    /// Plain text; line ends become spaces.
    text: String,
    /// Who speaks, where it matters.
    #[serde(default)]
    speaker: Option<String>,
}

/// Captions with their cues, for editing.
#[utoipa::path(
    get, path = "/assets/{id}/captions", tag = "assets", operation_id = "captions", security(("bearer" = [])),
    params(("id" = AssetId, Path, description = "An asset of kind `captions`")),
    responses(
        (status = 200, description = "`ETag` is the version that an edit has to name", body = CaptionsShown),
        (status = 403, description = "You may see them, but not edit them", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such asset, or you may not see it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_captions`; `captions_not_read` while an upload has not been read yet, or could not be", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn show(State(env): State<Env>, who: Principal, Path(id): Path<String>) -> Result<Response, ApiError> {
    let id: AssetId = id.parse().map_err(|_| ApiError::not_found())?;
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?.1.editor()?;
    let facts = facts(&mut conn, id).await?;
    drop(conn); // reading objects may take a while
    answer(&env, facts).await
}

/// Replace captions: their cues, and what they are called
///
/// Learners get the new ones, and search finds their words, as soon as they have been read and indexed.
#[utoipa::path(
    put, path = "/assets/{id}/captions", tag = "assets", operation_id = "edit_captions", security(("bearer" = [])), request_body = CaptionsEdit,
    params(
        ("id" = AssetId, Path, description = "An asset of kind `captions`"),
        ("If-Match" = String, Header, description = "the `ETag` of the captions that were edited"),
    ),
    responses(
        (status = 200, description = "Stored for good, and being read. `ETag` is the new version", body = CaptionsShown),
        (status = 403, description = "You may see them, but not edit them", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such asset, or you may not see it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_captions`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`version_conflict`: somebody else has changed them meanwhile", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "`if_match_required`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn edit(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<CaptionsEdit>,
) -> Result<Response, ApiError> {
    let id: AssetId = id.parse().map_err(|_| ApiError::not_found())?;
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?.1.editor()?;
    let former = facts(&mut conn, id).await?;
    drop(conn);
    let version = if_match(&headers, "captions")?;
    let mut edited = checked(body)?;
    keep_words(&mut edited.cues, cues(&env, &former).await.unwrap_or_default());
    let received = receive(&env, to_verbatim_webvtt(&edited.cues).as_bytes()).await?;
    // Stored before the transaction, so that none is open while bytes are synced.
    received.store(env.store.as_ref()).await?;
    let mut tx = env.db.begin().await?;
    sources::record(&mut tx, env.store.as_ref(), &received).await?;
    let saved = sqlx::query!(
        "update assets set source_sha256 = $3, media_type = $4, file_name = $5::text || '.vtt', title = $6, language = $7, sdh = $8,
                auto = false, captions_version = captions_version + 1,
                state = case when state = 'failed' then 'processing' else state end,
                failure_code = null, failure_reason = null, failure_stage = null, failure_attempt = null
          where id = $1 and ($2::integer is null or captions_version = $2)",
        id.0,
        version,
        &received.sha256[..],
        Format::WebVtt.media_type(),
        file_stem(&former.file_name),
        edited.label,
        edited.language,
        edited.sdh,
    )
    .execute(&mut *tx)
    .await?;
    if saved.rows_affected() == 0 {
        return Err(overtaken("these captions"));
    }
    events::record(&mut tx, &Event::CaptionsEdited { asset_id: id }, &Cause::http(&who, &request_id)).await?;
    let facts = facts(&mut tx, id).await?;
    tx.commit().await?;
    answer(&env, facts).await
}

/// An edit that can be stored.
#[derive(Debug, PartialEq)]
struct Checked {
    label: String,
    language: Option<String>,
    sdh: bool,
    cues: Vec<Cue>,
}

/// A cue that was left as it was keeps the times of its words, which the editor does not show.
fn keep_words(edited: &mut [Cue], former: Vec<Cue>) {
    let key = |cue: &Cue| ((cue.start * 1000.0).round() as i64, (cue.end * 1000.0).round() as i64, cue.text.clone());
    let mut known: HashMap<_, _> = former.into_iter().map(|cue| (key(&cue), cue.words)).collect();
    for cue in edited {
        cue.words = known.remove(&key(cue)).unwrap_or_default();
    }
}

/// `lecture.en.srt` is stored as WebVTT from now on, and called so.
fn file_stem(name: &str) -> String {
    let stem = name.rsplit_once('.').filter(|(stem, ending)| !stem.is_empty() && ending.len() <= 4).map_or(name, |(stem, _)| stem);
    stem.chars().take(250).collect()
}

/// What the editor is to show, or all that is wrong with what it sent.
fn checked(edit: CaptionsEdit) -> Result<Checked, ApiError> {
    let mut faults = Vec::new();
    let mut fault = |pointer: String, detail: &str| faults.push(FieldError { pointer, detail: detail.into() });
    let label = one_line(&edit.label);
    if !(1..=MAX_NAME).contains(&label.chars().count()) {
        fault("/label".into(), "must have 1 to 200 characters");
    }
    let language = edit.language.as_deref().map(|said| language::tag(Some(said)));
    if language.as_deref() == Some(language::UNKNOWN) {
        fault("/language".into(), "must be a language tag (BCP 47), such as en or pt-BR");
    }
    if edit.cues.is_empty() {
        fault("/cues".into(), "must not be empty: captions have at least one cue");
    }
    if edit.cues.len() > MAX_CUES {
        fault("/cues".into(), "are too many: at most 43200");
    }
    let mut cues = Vec::with_capacity(edit.cues.len().min(MAX_CUES));
    for (at, cue) in edit.cues.iter().take(MAX_CUES).enumerate() {
        let mut fault = |field: &str, detail: &str| fault(format!("/cues/{at}/{field}"), detail);
        let (text, speaker) = (one_line(&cue.text), cue.speaker.as_deref().map(one_line).filter(|who| !who.is_empty()));
        if !(1..=MAX_TEXT).contains(&text.chars().count()) {
            fault("text", "must have 1 to 1000 characters");
        }
        if speaker.as_ref().is_some_and(|who| who.chars().count() > MAX_NAME) {
            fault("speaker", "must have at most 200 characters");
        }
        let (start, end) = (milliseconds(cue.start_s), milliseconds(cue.end_s));
        if !(0.0..=MAX_SECOND).contains(&start) {
            fault("start_s", "must be a time in seconds, 0 or later");
        }
        if !(end > start && end <= MAX_SECOND) {
            fault("end_s", "must be later than the start");
        }
        cues.push(Cue { start, end, text, speaker, words: vec![] });
    }
    if !faults.is_empty() {
        faults.truncate(100); // nobody reads more, and an answer stays an answer
        return Err(ApiError::unprocessable(faults));
    }
    cues.sort_by(|a, b| a.start.total_cmp(&b.start));
    Ok(Checked { label, language, sdh: edit.sdh, cues })
}

fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Without control characters, and with single spaces: as the text will be read again.
fn one_line(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    printable.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn receive(env: &Env, bytes: &[u8]) -> anyhow::Result<Received> {
    let mut incoming = env.incoming().await?;
    incoming.write(bytes).await?;
    incoming.finish().await
}

struct Facts {
    file_name: String,
    label: String,
    language: Option<String>,
    sdh: bool,
    auto: bool,
    version: i32,
    source: Key,
    /// Of the clean file that was made of the source; None before it has been read.
    clean: Option<Key>,
}

async fn facts(conn: &mut PgConnection, id: AssetId) -> Result<Facts, ApiError> {
    let row = sqlx::query!(
        r#"select a.kind as "kind: Kind", a.title, coalesce(a.language, d.language) as language, a.sdh, a.auto, a.captions_version,
                  a.file_name, a.source_sha256, d.prefix as "prefix?"
             from assets a left join documents d on d.asset_id = a.id where a.id = $1"#,
        id.0,
    )
    .fetch_one(conn)
    .await?;
    match row.kind {
        Some(Kind::Captions) => {}
        None => return Err(not_read()),
        Some(_) => return Err(ApiError::conflict("asset_not_captions", "this asset is not captions")),
    }
    let clean = row.prefix.map(|prefix| Key::in_prefix(&Prefix::parse(&prefix)?, CAPTIONS)).transpose()?;
    Ok(Facts {
        file_name: row.file_name,
        label: row.title,
        language: row.language,
        sdh: row.sdh,
        auto: row.auto,
        version: row.captions_version,
        source: Key::source(&row.source_sha256),
        clean,
    })
}

async fn answer(env: &Env, facts: Facts) -> Result<Response, ApiError> {
    let cues = cues(env, &facts).await?;
    let cues = cues.into_iter().map(|cue| EditedCue { start_s: cue.start, end_s: cue.end, text: cue.text, speaker: cue.speaker }).collect();
    let Facts { label, language, sdh, auto, version, .. } = facts;
    Ok(([(header::ETAG, etag(version))], Json(CaptionsShown { label, language, sdh, auto, cues })).into_response())
}

/// What was saved here is read from its source, since the clean file of it may still be in the making; what was uploaded, from
/// the clean file that a disposable child has made of it.
async fn cues(env: &Env, facts: &Facts) -> Result<Vec<Cue>, ApiError> {
    if facts.version > 1
        && let Some(saved) = own(env, &facts.source).await?
    {
        return Ok(saved);
    }
    let read = match &facts.clean {
        Some(clean) => own(env, clean).await?,
        None => None,
    };
    read.ok_or_else(not_read)
}

fn not_read() -> ApiError {
    ApiError::conflict("captions_not_read", "these captions have not been read yet; try again in a moment")
}

async fn own(env: &Env, key: &Key) -> anyhow::Result<Option<Vec<Cue>>> {
    let small = env.store.head(key).await?.is_some_and(|meta| meta.bytes <= MAX_BYTES as u64);
    if !small {
        return Ok(None);
    }
    let bytes = env.store.get(key).await?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(from_own_webvtt))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start_s: f64, end_s: f64, text: &str) -> EditedCue {
        EditedCue { start_s, end_s, text: text.into(), speaker: None }
    }

    fn edit(cues: Vec<EditedCue>) -> CaptionsEdit {
        CaptionsEdit { label: " English ".into(), language: Some("eng".into()), sdh: true, cues }
    }

    #[test]
    fn cues_are_tidied_and_put_in_order() {
        let spoken = EditedCue { speaker: Some("  ".into()), ..cue(1.00049, 2.0, "two\nlines\u{0} ") };
        let checked = checked(edit(vec![cue(5.0, 6.0, "later"), spoken])).unwrap();
        assert_eq!((checked.label.as_str(), checked.language.as_deref()), ("English", Some("en")));
        assert_eq!(checked.cues[0], Cue { start: 1.0, end: 2.0, text: "two lines".into(), speaker: None, words: vec![] });
        assert_eq!(checked.cues[1].text, "later");
    }

    #[test]
    fn only_cues_that_were_changed_lose_the_times_of_their_words() {
        let told = |start, text: &str| Cue { start, end: 9.0, text: text.into(), speaker: None, words: vec![(start + 0.5, 4)] };
        let mut edited = checked(edit(vec![cue(1.0, 9.0, "ebb and"), cue(2.0, 9.0, "flow it"), cue(3.5, 9.0, "and more")])).unwrap().cues;
        keep_words(&mut edited, vec![told(1.0, "ebb and"), told(2.0, "flow at"), told(3.0, "and more")]);
        assert_eq!(edited.iter().map(|cue| cue.words.len()).collect::<Vec<_>>(), [1, 0, 0]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong = CaptionsEdit {
            label: String::new(),
            language: Some("english".into()),
            ..edit(vec![cue(-1.0, 2.0, "x"), cue(3.0, 3.0004, "x"), cue(f64::NAN, 1.0, "x"), cue(1.0, 2.0, " \u{7} "), cue(1.0, 1e9, "x")])
        };
        let said = format!("{:?}", checked(wrong).unwrap_err());
        for pointer in ["/label", "/language", "/cues/0/start_s", "/cues/1/end_s", "/cues/2/start_s", "/cues/3/text", "/cues/4/end_s"] {
            assert!(said.contains(pointer), "{pointer} in {said}");
        }
        assert!(checked(edit(Vec::new())).is_err());
        assert!(checked(edit(vec![cue(0.0, 1.0, &"x".repeat(1001))])).is_err());
    }

    #[test]
    fn a_saved_file_is_called_what_it_is() {
        assert_eq!(file_stem("lecture.en.srt"), "lecture.en");
        assert_eq!(file_stem("lecture"), "lecture");
        assert_eq!(file_stem(".vtt"), ".vtt");
        assert_eq!(file_stem(&"x".repeat(255)).len(), 250);
    }
}
