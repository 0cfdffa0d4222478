//! When what waits will have passed: every stage's backlog, and what one more worker would do for it.

use axum::Json;
use axum::extract::State;
use kernel::env::Env;
use kernel::forecast::Backlog;
use kernel::http::{ApiError, Principal, Problem, Role};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Every stage's backlog, in the order in which an upload meets the stages.
#[utoipa::path(
    get, path = "/backlogs", tag = "backlogs", security(("bearer" = [])),
    responses(
        (status = 200, body = Vec<Backlog>),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list(State(env): State<Env>, who: Principal) -> Result<Json<Vec<Backlog>>, ApiError> {
    if who.role != Role::Admin {
        return Err(ApiError::forbidden());
    }
    let forecast = env.forecaster.forecast(&mut *env.db.acquire().await?).await?;
    Ok(Json(tokio::task::spawn_blocking(move || forecast.backlogs()).await.map_err(anyhow::Error::from)?))
}
