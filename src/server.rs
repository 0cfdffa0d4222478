//! Running processes: the HTTP side, the workers, and how both come to an end.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use kernel::config::Config;
use kernel::db;
use kernel::env::Env;
use kernel::http::{ApiError, request_id};
use kernel::jobs::{Runner, Stage};
use kernel::store::serve as media;
use kernel::telemetry;
use search_api::Searcher;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tracing::{info, warn};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::world::{Claim, World};
use crate::{janitor, pages};

/// A part of the HTTP side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    Api,
    Search,
    Pages,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Api, Self::Search, Self::Pages];
}

/// What one process is to do.
pub struct Plan {
    pub claim: Claim,
    /// Parts to serve and where; None for a worker.
    pub serve: Option<(Vec<Part>, String)>,
    pub stages: BTreeSet<Stage>,
}

/// Runs the plan until a signal; then drains and stops.
pub async fn run(config: Config, plan: Plan) -> Result<()> {
    telemetry::collect_metrics();
    // Taken before anything is opened: an address that is in use should cost nothing.
    let listener = match &plan.serve {
        Some((_, address)) => Some(
            tokio::net::TcpListener::bind(address)
                .await
                .with_context(|| format!("listen on {address}: set http.listen or --listen to a free address"))?,
        ),
        None => None,
    };
    let world = World::open(config, plan.claim).await?;
    let env = world.env.clone();
    // The model takes time and memory: only who makes vectors or answers searches has it.
    let wants_model = plan.stages.contains(&Stage::Embed) || plan.serve.as_ref().is_some_and(|(parts, _)| parts.contains(&Part::Search));
    let embedder = match wants_model {
        true => open_embedder(&env, world.no_vectors.as_deref()).await,
        false => Err(embedder::Unavailable::new("this process neither embeds nor searches", "start one with those roles")),
    };
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();

    if !plan.stages.is_empty() {
        let runner = runner(env.clone(), embedder.clone()).only(&plan.stages);
        world.bell.listen(env.db.clone());
        tasks.spawn(runner.run(stop.clone()));
        tasks.spawn(janitor::run(env.clone(), stop.clone()));
    }
    if let (Some(listener), Some((parts, _))) = (listener, &plan.serve) {
        indexer::start(&env).await?;
        let address = listener.local_addr().context("the address we listen on")?;
        let app = app(&env, parts, Arc::new(Searcher::new(&env, embedder.ok())));
        println!("listening on http://{address}");
        let (asked, hurry) = (stop.clone(), Duration::from_secs(5));
        tasks.spawn(async move {
            let serving = axum::serve(listener, app).with_graceful_shutdown(asked.clone().cancelled_owned()).into_future();
            // Streams of progress would go on for ever: after a while they are cut off.
            let cut = async {
                asked.cancelled().await;
                tokio::time::sleep(hurry).await;
            };
            tokio::select! {
                ended = serving => if let Err(error) = ended { warn!("serving ended: {error}") },
                () = cut => {}
            }
        });
    }
    signal().await?;
    info!("stopping: running jobs are finished or handed back");
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    world.close().await;
    info!("stopped");
    Ok(())
}

/// The model, or why there is none; the reason is logged once, here.
pub async fn open_embedder(env: &Env, no_vectors: Option<&str>) -> Result<Arc<embedder::Embedder>, embedder::Unavailable> {
    let config = env.config.clone();
    let opened = tokio::task::spawn_blocking(move || embedder::Embedder::open(&config)).await;
    let opened = opened.unwrap_or_else(|_| panic!("opening the model does not panic")).map(Arc::new);
    if let Err(why) = &opened {
        warn!("search is lexical only: {why}");
    } else if let Some(why) = no_vectors {
        warn!("search is lexical only: {why}");
    }
    opened
}

/// Every handler of every room.
pub fn runner(env: Env, embedder: Result<Arc<embedder::Embedder>, embedder::Unavailable>) -> Runner {
    let mut runner = Runner::new(env);
    ingest::register(&mut runner);
    transcode::register(&mut runner);
    embedder::register(&mut runner, embedder);
    indexer::register(&mut runner);
    certgen::register(&mut runner);
    runner
}

/// The whole HTTP side of a process.
pub fn app(env: &Env, parts: &[Part], searcher: Arc<Searcher>) -> Router {
    let (api, description) = api(parts, searcher).split_for_parts();
    let description = with_unique_ids(description);
    // Media and streams of progress are sent as they are; a playlist is text.
    let compress = SizeAbove::new(256)
        .and(NotForContentType::const_new("video/"))
        .and(NotForContentType::const_new("image/"))
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::const_new("application/pdf"))
        .and(NotForContentType::SSE);
    let mut app = Router::new()
        .nest("/api/v1", api.route("/openapi.json", get(|| async move { Json(description) })).fallback(|| async { ApiError::not_found() }));
    if parts.contains(&Part::Api) {
        app = app.merge(media::router());
    }
    if parts.contains(&Part::Pages) {
        app = app.merge(pages::router());
    }
    app.route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not take that method")
        })
        .layer(DefaultBodyLimit::max(1 << 20))
        .layer(CompressionLayer::new().compress_when(compress))
        .layer(CatchPanicLayer::custom(|_| ApiError::from(anyhow::anyhow!("a handler panicked")).into_response()))
        .layer(middleware::from_fn(pages::security_headers))
        .layer(middleware::from_fn(count))
        .layer(middleware::from_fn(request_id))
        .with_state(env.clone())
}

/// The description of the whole API.
pub fn description() -> utoipa::openapi::OpenApi {
    with_unique_ids(api(&Part::ALL, Arc::new(Searcher::without_index())).into_openapi())
}

/// In its file a handler is called `list`; in the description of everything it is `courses_list`.
fn with_unique_ids(mut description: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for item in description.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let tag = operation.tags.as_ref().and_then(|tags| tags.first());
            if let (Some(tag), Some(id)) = (tag, &operation.operation_id) {
                operation.operation_id = Some(format!("{}_{id}", tag.replace([' ', '-'], "_")));
            }
        }
    }
    description
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Learnhub", description = "Content pipeline, search and LMS of a learning platform."),
    servers((url = "/api/v1")),
    modifiers(&BearerToken),
    security(("bearer" = []))
)]
struct Description;

struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        description.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

fn api(parts: &[Part], searcher: Arc<Searcher>) -> OpenApiRouter<Env> {
    let mut api = OpenApiRouter::with_openapi(Description::openapi());
    if parts.contains(&Part::Api) {
        api = api.merge(lms::router()).merge(ingest::router()).merge(certgen::router());
    }
    if parts.contains(&Part::Search) {
        api = api.merge(search_api::router(searcher));
    }
    api
}

/// Ready when the database answers and has our schema.
async fn ready(State(env): State<Env>) -> Result<&'static str, ApiError> {
    match tokio::time::timeout(Duration::from_secs(2), db::pending_migrations(&env.db)).await {
        Ok(Ok(0)) => Ok("ok\n"),
        _ => Err(ApiError::unavailable("not_ready", "the database does not answer or is being migrated", 5)),
    }
}

async fn metrics(State(env): State<Env>) -> Response {
    let depths = sqlx::query!(
        "select stage, state, count(*) as \"count!\", extract(epoch from now() - min(created_at))::float8 as oldest
           from jobs where state in ('queued', 'running', 'dead', 'parked') group by stage, state"
    )
    .fetch_all(&env.db)
    .await
    .unwrap_or_default();
    for stage in Stage::ALL {
        for state in ["queued", "running", "dead", "parked"] {
            let found = depths.iter().find(|row| row.stage == stage.as_str() && row.state == state);
            metrics::gauge!("learnhub_jobs", "stage" => stage.as_str(), "state" => state).set(found.map_or(0.0, |row| row.count as f64));
            metrics::gauge!("learnhub_oldest_job_seconds", "stage" => stage.as_str(), "state" => state)
                .set(found.and_then(|row| row.oldest).unwrap_or(0.0));
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render_metrics()).into_response()
}

/// Middleware: counts requests by route, never by address, since addresses hold ids.
async fn count(request: axum::extract::Request, next: middleware::Next) -> Response {
    let begun = std::time::Instant::now();
    let method = request.method().as_str().to_owned();
    let route =
        request.extensions().get::<axum::extract::MatchedPath>().map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!("learnhub_http_request_seconds", "method" => method, "route" => route, "status" => status)
        .record(begun.elapsed().as_secs_f64());
    response
}

async fn signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
