//! What a player needs of a video or audio asset.

use axum::extract::State;
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Principal, Problem};
use kernel::id::AssetId;
use kernel::media::Kind;
use kernel::store::{Key, Prefix, Served};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::assets::not_ready;
use crate::extract::Id;
use crate::viewing::{self, Viewing};

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(playback))
}

/// All addresses are relative to the origin, signed, and end after a while: ask again then.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"hls_url": "/media/1795172400.kXo…/assets/0193…/0193….1/master.m3u8", "poster_url": "/media/1795172400.kXo…/assets/0193…/0193….1/poster.jpg",
    "duration_ms": 121400, "kind": "video", "captions": [{"asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "language": "eng", "label": "English", "url": "/media/…/captions.vtt", "sdh": false, "auto": false}],
    "chapters": [{"start_s": 0.0, "title": "Welcome"}], "resume_s": 734.2}))]
struct Playback {
    hls_url: String,
    poster_url: Option<String>,
    duration_ms: i64,
    kind: Kind,
    captions: Vec<CaptionTrack>,
    #[serde(flatten)]
    viewing: Viewing,
}

#[derive(Debug, Serialize, ToSchema)]
struct CaptionTrack {
    asset_id: AssetId,
    /// ISO 639-3, where it is known.
    language: Option<String>,
    label: String,
    /// WebVTT.
    url: String,
    /// They also tell what is heard besides speech.
    sdh: bool,
    /// Made by a machine, and seen through by nobody yet.
    auto: bool,
}

/// Captions that were inside the source, as the stream's manifest lists them.
#[derive(serde::Deserialize)]
struct EmbeddedCaptions {
    file: String,
    language: String,
}

/// What to give a player.
#[utoipa::path(
    get, path = "/assets/{id}/playback", tag = "assets", security(("bearer" = [])),
    params(("id" = AssetId, Path)),
    responses(
        (status = 200, body = Playback),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_published`, or `asset_not_playable` for what cannot be played", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn playback(State(env): State<Env>, who: Principal, Id(id): Id<AssetId>) -> Result<Json<Playback>, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?;
    let row = sqlx::query!(
        r#"select a.state, a.kind as "kind: Kind", s.prefix as "prefix?", s.manifest -> 'captions' as embedded,
                  case when s.manifest -> 'posters' ? a.poster_file then s.prefix || '/' || a.poster_file else s.poster end as poster, s.duration_ms as "duration_ms?"
             from assets a left join streams s on s.asset_id = a.id where a.id = $1"#,
        id.0,
    )
    .fetch_one(&mut *conn)
    .await?;
    let kind = match row.kind {
        Some(kind @ (Kind::Video | Kind::Audio)) => kind,
        None => return Err(not_ready()),
        Some(_) => return Err(ApiError::conflict("asset_not_playable", "this asset is for reading, not for playing")),
    };
    let (true, Some(prefix), Some(duration_ms)) = (row.state == "published", row.prefix, row.duration_ms) else {
        return Err(not_ready());
    };
    let now = env.clock.now();
    let tracks = sqlx::query!(
        r#"select a.id, a.title, coalesce(a.language, d.language) as language, a.sdh, a.auto, d.prefix as "prefix!"
             from assets a join documents d on d.asset_id = a.id
            where a.parent_id = $1 and a.kind = 'captions' and a.state = 'published' and d.prefix is not null
              and a.course_id = (select course_id from assets where id = $1)
            order by a.created_at, a.id"#,
        id.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let uploaded = tracks
        .into_iter()
        .map(|track| {
            let url = env.signer.in_prefix(&Prefix::parse(&track.prefix)?, "captions.vtt", now);
            Ok(CaptionTrack {
                asset_id: track.id.into(),
                label: track.title,
                language: track.language,
                url,
                sdh: track.sdh,
                auto: track.auto,
            })
        })
        .collect::<Result<Vec<_>, ApiError>>()?;
    let prefix = Prefix::parse(&prefix)?;
    let embedded: Vec<EmbeddedCaptions> =
        row.embedded.map(serde_json::from_value).transpose().map_err(anyhow::Error::from)?.unwrap_or_default();
    let embedded = embedded.into_iter().map(|track| CaptionTrack {
        asset_id: id,
        label: track.language.clone(),
        url: env.signer.in_prefix(&prefix, &track.file, now),
        language: Some(track.language),
        sdh: false,
        auto: false,
    });
    // What was uploaded was chosen; what came with the film is there as well.
    let captions = uploaded.into_iter().chain(embedded).collect();
    let poster_url = match row.poster {
        Some(poster) => Some(env.signer.object(&Key::parse(&poster)?, &Served::default(), now)),
        None => None,
    };
    let hls_url = env.signer.in_prefix(&prefix, "master.m3u8", now);
    let viewing = viewing::of(&mut conn, &who, id).await?;
    Ok(Json(Playback { hls_url, poster_url, duration_ms, kind, captions, viewing }))
}
