//! Posters: the pictures that a recording's package has of itself, the one that was uploaded for it, and which of them stands
//! for it. Uploading is `transcode`'s.

use axum::extract::State;
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, FieldError, Json, Principal, Problem};
use kernel::id::AssetId;
use kernel::media::Kind;
use kernel::store::Prefix;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::delivery;
use crate::extract::Id;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(choose))
}

/// The picture that was uploaded for a video, where there is one.
const UPLOADED: &str = "uploaded.jpg";

/// A picture out of the recording, or one that was uploaded for it (`uploaded.jpg`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"file": "poster-2.jpg", "url": "/media/1795172400.kXo…/assets/0193…/0193….1/poster-2.jpg", "chosen": true}))]
struct Poster {
    file: String,
    /// A signed address that ends after a while.
    url: String,
    /// It stands for the recording now.
    chosen: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"file": "poster-2.jpg"}))]
struct PosterChoice {
    /// One of those that `GET /assets/{id}/posters` lists; null leaves the choice to the program.
    file: Option<String>,
}

/// The pictures that a video can be shown by.
#[utoipa::path(
    get, path = "/assets/{id}/posters", tag = "assets", operation_id = "posters", security(("bearer" = [])), params(("id" = AssetId, Path)),
    responses(
        (status = 200, body = Vec<Poster>),
        (status = 403, description = "you may see it, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_has_no_poster`: it is no video, or not ready yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list(State(env): State<Env>, who: Principal, Id(id): Id<AssetId>) -> Result<Json<Vec<Poster>>, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?.1.editor()?;
    Ok(Json(posters(&mut conn, &env, &who, id).await?))
}

/// Choose the picture that a video is shown by.
#[utoipa::path(
    put, path = "/assets/{id}/poster", tag = "assets", operation_id = "choose_poster", security(("bearer" = [])), request_body = PosterChoice,
    params(("id" = AssetId, Path)),
    responses(
        (status = 200, body = Vec<Poster>),
        (status = 403, description = "you may see it, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_has_no_poster`: it is no video, or not ready yet", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`: none of its pictures is called so", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn choose(
    State(env): State<Env>,
    who: Principal,
    Id(id): Id<AssetId>,
    Json(body): Json<PosterChoice>,
) -> Result<Json<Vec<Poster>>, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?.1.editor()?;
    let known = posters(&mut conn, &env, &who, id).await?;
    if body.file.as_ref().is_some_and(|file| known.iter().all(|poster| poster.file != *file)) {
        let detail = "is none of the pictures of this video".into();
        return Err(ApiError::unprocessable(vec![FieldError { pointer: "/file".into(), detail }]));
    }
    sqlx::query!("update assets set poster_file = $2 where id = $1", id.0, body.file).execute(&mut *conn).await?;
    Ok(Json(posters(&mut conn, &env, &who, id).await?))
}

async fn posters(conn: &mut PgConnection, env: &Env, who: &Principal, id: AssetId) -> Result<Vec<Poster>, ApiError> {
    let row = sqlx::query!(
        r#"select a.kind as "kind: Kind", a.poster_file, s.prefix as "prefix?", s.poster, s.manifest -> 'posters' as candidates,
                  (select p.prefix from posters p where p.asset_id = a.id and p.stored) as uploaded
             from assets a left join streams s on s.asset_id = a.id where a.id = $1"#,
        id.0,
    )
    .fetch_one(conn)
    .await?;
    let (Some(Kind::Video), Some(prefix), Some(poster)) = (row.kind, row.prefix, row.poster) else {
        return Err(ApiError::conflict("asset_has_no_poster", "this asset has no pictures to choose from, or none yet"));
    };
    let own = poster.rsplit('/').next().unwrap_or_default();
    let folder = |prefix: &str| anyhow::Ok(delivery::folder(env, who.account_id, id, &Prefix::parse(prefix)?, env.clock.now()));
    let mut all: Vec<(String, String)> = files(own, row.candidates).into_iter().map(|file| (prefix.clone(), file)).collect();
    all.extend(row.uploaded.map(|prefix| (prefix, UPLOADED.to_owned())));
    let chosen = row.poster_file.filter(|chosen| all.iter().any(|(_, file)| file == chosen)).unwrap_or_else(|| own.to_owned());
    all.into_iter().map(|(prefix, file)| Ok(Poster { url: format!("{}/{file}", folder(&prefix)?), chosen: file == chosen, file })).collect()
}

/// The candidates, and the program's own choice where it is none of them.
fn files(own: &str, candidates: Option<serde_json::Value>) -> Vec<String> {
    let mut files: Vec<String> = candidates.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default();
    if files.iter().all(|file| file != own) {
        files.insert(0, own.to_owned());
    }
    files
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_own_choice_is_always_among_the_pictures() {
        assert_eq!(files("poster.jpg", None), ["poster.jpg"]);
        assert_eq!(files("poster.jpg", Some(json!(["poster-1.jpg", "poster-2.jpg"]))), ["poster.jpg", "poster-1.jpg", "poster-2.jpg"]);
        assert_eq!(files("poster-2.jpg", Some(json!(["poster-1.jpg", "poster-2.jpg"]))), ["poster-1.jpg", "poster-2.jpg"]);
    }
}
