//! The account that asks.

use axum::extract::State;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Principal, Problem, Role};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::Account;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(me))
}

/// Who am I?
#[utoipa::path(
    get, path = "/me", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 200, body = Account),
        (status = 401, description = "no valid access token", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn me(State(env): State<Env>, who: Principal) -> Result<Json<Account>, ApiError> {
    let account = sqlx::query_as!(Account, r#"select id, email, name, role as "role: Role" from accounts where id = $1"#, who.account_id.0)
        .fetch_optional(&env.db)
        .await?;
    // A token may outlive its account.
    Ok(Json(account.ok_or_else(ApiError::unauthorized)?))
}
