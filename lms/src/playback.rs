//! What a player needs of a video or audio asset.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Principal, Problem};
use kernel::id::AssetId;
use kernel::language;
use kernel::media::Kind;
use kernel::store::Prefix;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::assets::not_ready;
use crate::delivery::{self, playlist, tracks};
use crate::extract::Id;
use crate::viewing::{self, Viewing};

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(playback))
}

/// All addresses are relative to the origin, yours alone, and end after a while: ask again before that, and put the token
/// of the new addresses (the part after `/stream/`) into those you have. Where the part after the asset's id has changed, the
/// film was made anew or replaced: go on with the new addresses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"hls_url": "/stream/1795172400.0193….kXo…/0193…/0193….1/master.m3u8", "expires_in": 300,
    "poster_url": "/stream/1795172400.0193….kXo…/0193…/0193….1/poster.jpg", "storyboard_url": null, "duration_ms": 121400, "complete": true, "kind": "video",
    "captions": [{"id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "language": "en", "label": "English",
        "sdh": false, "auto": false, "url": "/stream/1795172400.0193….kXo…/0193…/0193….1/captions/0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10/captions.vtt"}],
    "chapters": [{"start_s": 0.0, "title": "Welcome"}], "resume_s": 734.2}))]
struct Playback {
    hls_url: String,
    /// Seconds until the addresses end.
    expires_in: i64,
    poster_url: Option<String>,
    /// WebVTT whose cues are pieces of pictures, for the seek bar.
    storyboard_url: Option<String>,
    duration_ms: i64,
    /// False while most of it is still being made: what is asked for is made next, and takes a moment.
    complete: bool,
    kind: Kind,
    captions: Vec<CaptionTrack>,
    #[serde(flatten)]
    viewing: Viewing,
}

#[derive(Debug, Serialize, ToSchema)]
struct CaptionTrack {
    /// Among the captions of this asset.
    id: String,
    /// The captions' own asset; the asset itself for what was inside the film.
    asset_id: AssetId,
    /// BCP 47, where it is known.
    language: Option<String>,
    label: String,
    /// For those who cannot hear: they also tell what is heard besides speech.
    sdh: bool,
    /// Made by a machine, and seen through by nobody yet.
    auto: bool,
    /// WebVTT.
    url: String,
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
async fn playback(State(env): State<Env>, who: Principal, Id(id): Id<AssetId>, headers: HeaderMap) -> Result<Response, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?;
    let row = sqlx::query!(
        r#"select a.state, a.kind as "kind: Kind", s.prefix as "prefix?", s.manifest #>> '{storyboard,file}' as storyboard,
                  coalesce((select p.prefix || '/' || a.poster_file from posters p where p.asset_id = a.id and p.stored and a.poster_file = 'uploaded.jpg'),
                           case when s.manifest -> 'posters' ? a.poster_file then s.prefix || '/' || a.poster_file else s.poster end) as poster,
                  s.duration_ms as "duration_ms?", s.complete as "complete?"
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
    let prefix = Prefix::parse(&prefix)?;
    let folder = delivery::folder(&env, who.account_id, id, &prefix, now);
    let captions = tracks::of(&mut conn, id, &prefix).await?;
    let captions = captions
        .into_iter()
        .map(|tracks::Captions { track, asset, .. }| CaptionTrack {
            url: format!("{folder}/captions/{}/captions.vtt", track.id),
            // What somebody uploaded has the title that they gave it.
            label: track.title.clone().filter(|_| asset != id && !track.auto).unwrap_or_else(|| playlist::label(&track)),
            language: Some(track.language).filter(|tag| tag != language::UNKNOWN),
            sdh: track.sdh,
            auto: track.auto,
            id: track.id,
            asset_id: asset,
        })
        .collect();
    let answer = Playback {
        hls_url: format!("{folder}/master.m3u8"),
        expires_in: env.signer.stream_life().whole_seconds(),
        poster_url: row.poster.map(|poster| delivery::picture(&env, who.account_id, id, &poster, now)).transpose()?,
        storyboard_url: row.storyboard.map(|file| format!("{folder}/{file}")),
        duration_ms,
        complete: row.complete.unwrap_or(true),
        kind,
        captions,
        viewing: viewing::of(&mut conn, &who, id).await?,
    };
    let cookie = match delivery::access_token(&headers).filter(|_| env.config.delivery.encrypt) {
        Some(token) => Some((header::SET_COOKIE, delivery::session_cookie(&env, token, env.tokens.life())?)),
        None => None,
    };
    Ok((AppendHeaders(cookie), Json(answer)).into_response())
}
