//! An asset's way through the pipeline, as server-sent events.
//!
//! The stream looks at the database twice a second, holds no connection in between, and asks each time whether the
//! asset may still be seen.

use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use kernel::env::Env;
use kernel::http::{ApiError, Principal, Problem};
use kernel::id::AssetId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::asset::{Asset, AssetState};
use crate::assets::visible;
use crate::extract::Id;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(progress))
}

const PAUSE: Duration = Duration::from_millis(500);

/// Follow an asset until it is published or has failed.
///
/// Sends `event: asset` with the asset as JSON, at once and on every change.
#[utoipa::path(
    get, path = "/assets/{id}/progress", tag = "assets", security(("bearer" = [])),
    params(("id" = AssetId, Path)),
    responses(
        (status = 200, description = "`event: asset`, data: the asset", body = Asset, content_type = "text/event-stream"),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn progress(
    State(env): State<Env>,
    who: Principal,
    Id(id): Id<AssetId>,
) -> Result<Sse<impl Stream<Item = Result<Event, axum::Error>>>, ApiError> {
    let mut conn = env.db.acquire().await?;
    let first = visible(&mut conn, &env, &who, id).await?;
    drop(conn);
    let watch = Watch { env, who, id, next: Some(first), seen: String::new() };
    Ok(Sse::new(stream::unfold(watch, Watch::step)).keep_alive(KeepAlive::default()))
}

struct Watch {
    env: Env,
    who: Principal,
    id: AssetId,
    /// Read, but not yet compared; None once the end has been told.
    next: Option<Asset>,
    seen: String,
}

impl Watch {
    /// The next change, or the end of the stream.
    async fn step(mut self) -> Option<(Result<Event, axum::Error>, Self)> {
        let mut asset = self.next.take()?;
        loop {
            let face = face(&asset);
            let over = asset.state != AssetState::Processing && asset.complete;
            if face != self.seen {
                self.seen = face;
                let event = Event::default().event("asset").json_data(&asset);
                self.next = (!over).then_some(asset);
                return Some((event, self));
            }
            if over {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
            let mut conn = self.env.db.acquire().await.ok()?;
            asset = visible(&mut conn, &self.env, &self.who, self.id).await.ok()?;
        }
    }
}

/// What counts as a change: everything but the signature in the poster's address, which is new each time.
fn face(asset: &Asset) -> String {
    let still = Asset { poster_url: asset.poster_url.as_ref().map(|_| String::new()), ..asset.clone() };
    serde_json::to_string(&still).unwrap_or_default()
}
