//! Chapters of a recording: those of the file itself until somebody edits them, the edited ones from then on.
//!
//! They are shown by players (`viewing`); here they are read, written and checked.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, FieldError, Json, Principal, Problem, etag, if_match, overtaken};
use kernel::id::AssetId;
use kernel::media::Kind;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Id;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(show, edit)).routes(routes!(webvtt))
}

/// More than a book has.
const MOST: usize = 500;
/// Longest title, in characters.
const LONGEST: usize = 200;

/// Where a chapter begins, and what it is called. It ends where the next one begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"start_s": 73.5, "title": "What a lease is"}))]
pub(crate) struct Chapter {
    /// Seconds from the beginning, kept to the millisecond.
    start_s: f64,
    title: String,
}

/// The chapters of a recording, in the order of time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"chapters": [{"start_s": 0.0, "title": "Welcome"}, {"start_s": 73.5, "title": "What a lease is"}], "edited": true}))]
struct Chapters {
    chapters: Vec<Chapter>,
    /// False while they are what the file itself says.
    edited: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"chapters": [{"start_s": 0.0, "title": "Welcome"}, {"start_s": 73.5, "title": "What a lease is"}]}))]
struct ChaptersEdit {
    chapters: Vec<Chapter>,
}

/// The chapters of a recording.
#[utoipa::path(
    get, path = "/assets/{id}/chapters", tag = "assets", operation_id = "chapters", security(("bearer" = [])),
    params(("id" = AssetId, Path)),
    responses(
        (status = 200, description = "`ETag` is the version that an edit has to name", body = Chapters),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_playable`: only recordings have chapters", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn show(State(env): State<Env>, who: Principal, Id(id): Id<AssetId>) -> Result<Response, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?;
    answer(&mut conn, id).await
}

/// The chapters as WebVTT, for players that take a track of them.
#[utoipa::path(
    get, path = "/assets/{id}/chapters.vtt", tag = "assets", operation_id = "chapters_webvtt", security(("bearer" = [])),
    params(("id" = AssetId, Path)),
    responses(
        (status = 200, description = "one cue for each chapter", body = String, content_type = "text/vtt"),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_playable`: only recordings have chapters", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn webvtt(State(env): State<Env>, who: Principal, Id(id): Id<AssetId>) -> Result<Response, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?;
    let facts = facts(&mut conn, id).await?;
    let text = to_webvtt(&of(&mut conn, id).await?, facts.duration_ms);
    Ok(([(header::CONTENT_TYPE, "text/vtt; charset=utf-8")], text).into_response())
}

/// Replace the chapters of a recording. An empty list says that it has none.
#[utoipa::path(
    put, path = "/assets/{id}/chapters", tag = "assets", operation_id = "edit_chapters", security(("bearer" = [])), request_body = ChaptersEdit,
    params(("id" = AssetId, Path), ("If-Match" = String, Header, description = "the `ETag` of the chapters that were edited")),
    responses(
        (status = 200, description = "`ETag` is the new version", body = Chapters),
        (status = 403, description = "you may see it, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_playable`: only recordings have chapters", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`version_conflict`: somebody else has changed them meanwhile", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "`if_match_required`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn edit(
    State(env): State<Env>,
    who: Principal,
    Id(id): Id<AssetId>,
    headers: HeaderMap,
    Json(body): Json<ChaptersEdit>,
) -> Result<Response, ApiError> {
    let mut tx = env.db.begin().await?;
    access::asset(&mut tx, &who, id).await?.1.editor()?;
    let version = if_match(&headers, "chapters")?;
    let facts = facts(&mut tx, id).await?;
    let chapters = checked(&body.chapters, facts.duration_ms)?;
    let edited = sqlx::query!(
        "update assets set chapters_version = chapters_version + 1 where id = $1 and ($2::integer is null or chapters_version = $2)",
        id.0,
        version,
    )
    .execute(&mut *tx)
    .await?;
    if edited.rows_affected() == 0 {
        return Err(overtaken("these chapters"));
    }
    let (starts, titles): (Vec<i64>, Vec<String>) = chapters.into_iter().unzip();
    sqlx::query!("delete from chapters where asset_id = $1", id.0).execute(&mut *tx).await?;
    sqlx::query!(
        "insert into chapters (asset_id, start_ms, title) select $1, start_ms, title from unnest($2::bigint[], $3::text[]) as named(start_ms, title)",
        id.0,
        &starts,
        &titles,
    )
    .execute(&mut *tx)
    .await?;
    let answer = answer(&mut tx, id).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn answer(conn: &mut PgConnection, id: AssetId) -> Result<Response, ApiError> {
    let Facts { version, .. } = facts(conn, id).await?;
    let chapters = of(conn, id).await?;
    Ok(([(header::ETAG, etag(version))], Json(Chapters { chapters, edited: version > 0 })).into_response())
}

struct Facts {
    version: i32,
    /// None until it can be played.
    duration_ms: Option<i64>,
}

async fn facts(conn: &mut PgConnection, id: AssetId) -> Result<Facts, ApiError> {
    let row = sqlx::query!(
        r#"select a.kind as "kind: Kind", a.chapters_version, s.duration_ms as "duration_ms?"
             from assets a left join streams s on s.asset_id = a.id where a.id = $1"#,
        id.0,
    )
    .fetch_one(conn)
    .await?;
    match row.kind {
        Some(Kind::Video | Kind::Audio) => Ok(Facts { version: row.chapters_version, duration_ms: row.duration_ms }),
        _ => Err(ApiError::conflict("asset_not_playable", "only recordings have chapters")),
    }
}

/// The chapters to show, in the order of time.
pub(crate) async fn of(conn: &mut PgConnection, id: AssetId) -> Result<Vec<Chapter>, ApiError> {
    let row = sqlx::query!(
        "select a.chapters_version, s.manifest -> 'chapters' as found
           from assets a left join streams s on s.asset_id = a.id where a.id = $1",
        id.0,
    )
    .fetch_one(&mut *conn)
    .await?;
    if row.chapters_version == 0 {
        return Ok(row.found.map(from_file).unwrap_or_default());
    }
    let rows = sqlx::query!("select start_ms, title from chapters where asset_id = $1 order by start_ms", id.0).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| Chapter { start_s: seconds(row.start_ms), title: row.title }).collect())
}

/// As the manifest has them. What is no chapter is left out: files are made by everybody.
fn from_file(found: serde_json::Value) -> Vec<Chapter> {
    #[derive(Deserialize)]
    struct Found {
        start_ms: i64,
        title: Option<String>,
    }
    let mut found: Vec<Found> =
        found.as_array().into_iter().flatten().filter_map(|one| Found::deserialize(one).ok()).filter(|one| one.start_ms >= 0).collect();
    found.sort_by_key(|one| one.start_ms);
    found.dedup_by_key(|one| one.start_ms);
    found.truncate(MOST);
    found
        .into_iter()
        .enumerate()
        .map(|(at, one)| {
            let title = tidy(one.title.as_deref().unwrap_or_default());
            let title: String = title.chars().take(LONGEST).collect();
            Chapter { start_s: seconds(one.start_ms), title: if title.is_empty() { format!("Chapter {}", at + 1) } else { title } }
        })
        .collect()
}

/// In milliseconds and in the order of time, or all that is wrong with them.
fn checked(chapters: &[Chapter], duration_ms: Option<i64>) -> Result<Vec<(i64, String)>, ApiError> {
    if chapters.len() > MOST {
        let detail = format!("a recording has at most {MOST} chapters");
        return Err(ApiError::unprocessable(vec![FieldError { pointer: "/chapters".into(), detail }]));
    }
    let mut faults = Vec::new();
    let mut checked: Vec<(i64, String)> = Vec::with_capacity(chapters.len());
    for (at, chapter) in chapters.iter().enumerate() {
        let mut fault =
            |field: &str, detail: &str| faults.push(FieldError { pointer: format!("/chapters/{at}/{field}"), detail: detail.into() });
        let title = tidy(&chapter.title);
        if !(1..=LONGEST).contains(&title.chars().count()) {
            fault("title", "must have 1 to 200 characters");
        }
        let start_ms = milliseconds(chapter.start_s);
        match start_ms {
            None => fault("start_s", "must be a time in seconds, 0 or later"),
            Some(ms) if duration_ms.is_some_and(|end| ms >= end) => fault("start_s", "is after the end of the recording"),
            Some(ms) if checked.iter().any(|(other, _)| *other == ms) => fault("start_s", "is the same as that of another chapter"),
            Some(_) => {}
        }
        checked.push((start_ms.unwrap_or(-1), title));
    }
    if !faults.is_empty() {
        return Err(ApiError::unprocessable(faults));
    }
    checked.sort();
    Ok(checked)
}

/// On one line, without what cannot be seen.
fn tidy(title: &str) -> String {
    let printable: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    printable.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn to_webvtt(chapters: &[Chapter], duration_ms: Option<i64>) -> String {
    let mut file = String::from("WEBVTT\n");
    for (at, chapter) in chapters.iter().enumerate() {
        let start = milliseconds(chapter.start_s).unwrap_or_default();
        let next = chapters.get(at + 1).and_then(|next| milliseconds(next.start_s));
        let end = next.or(duration_ms).unwrap_or_default().max(start + 1);
        let title = chapter.title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        file.push_str(&format!("\n{} --> {}\n{title}\n", clock(start), clock(end)));
    }
    file
}

fn clock(ms: i64) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// None for what is no time of a recording.
pub(crate) fn milliseconds(seconds: f64) -> Option<i64> {
    // A year; beyond it the numbers mean nothing.
    (0.0..31_536_000.0).contains(&seconds).then(|| (seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chapter(start_s: f64, title: &str) -> Chapter {
        Chapter { start_s, title: title.into() }
    }

    #[test]
    fn chapters_are_put_in_order_and_tidied() {
        let checked = checked(&[chapter(73.5004, " What a\tlease is "), chapter(0.0, "Welcome")], Some(100_000)).unwrap();
        assert_eq!(checked, [(0, "Welcome".to_owned()), (73_500, "What a lease is".to_owned())]);
        assert!(super::checked(&[], None).unwrap().is_empty());
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong =
            [chapter(f64::NAN, "a"), chapter(-1.0, "b"), chapter(2.0, " "), chapter(2.0004, "c"), chapter(99.0, "d"), chapter(1.0, "fine")];
        let error = checked(&wrong, Some(99_000)).unwrap_err();
        assert_eq!(error.code(), "validation_failed");
        let said = format!("{error:?}");
        for pointer in ["/chapters/0/start_s", "/chapters/1/start_s", "/chapters/2/title", "/chapters/3/start_s", "/chapters/4/start_s"] {
            assert!(said.contains(pointer), "{pointer} in {said}");
        }
        assert!(!said.contains("/chapters/5"), "{said}");
        assert!(checked(&vec![chapter(1.0, "x"); MOST + 1], None).is_err());
    }

    #[test]
    fn chapters_of_a_file_are_taken_as_far_as_they_can_be_read() {
        let found = json!([
            {"start_ms": 5000, "end_ms": 9000, "title": "Two"}, {"start_ms": 0, "end_ms": 5000, "title": ""},
            {"start_ms": 5000, "title": "Two again"}, {"start_ms": -4, "title": "before"}, {"title": "no time"}, 7,
        ]);
        assert_eq!(from_file(found), [chapter(0.0, "Chapter 1"), chapter(5.0, "Two")]);
        assert_eq!(from_file(json!("nonsense")), []);
    }

    #[test]
    fn webvtt_has_one_cue_for_each_chapter_and_no_markup() {
        let text = to_webvtt(&[chapter(0.0, "A <b> & -->"), chapter(3661.5, "Z")], Some(3_700_000));
        assert_eq!(text, "WEBVTT\n\n00:00:00.000 --> 01:01:01.500\nA &lt;b&gt; &amp; --&gt;\n\n01:01:01.500 --> 01:01:40.000\nZ\n");
    }
}
