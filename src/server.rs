//! Running processes: the HTTP side, the workers, and how both come to an end.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router, middleware};
use kernel::config::Config;
use kernel::dependency::Dependency;
use kernel::env::Env;
use kernel::http::{ApiError, report_blame, request_id};
use kernel::jobs::{Runner, Stage};
use kernel::store::serve as media;
use kernel::telemetry;
use search_api::Searcher;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tracing::{info, warn};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::world::{Claim, World};
use crate::{janitor, metrics, notify, pages, reload};

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
        Some((_, address)) => Some(bind(address, "http.listen or --listen").await?),
        None if config.metrics.listen.is_empty() => None,
        None => Some(bind(&config.metrics.listen, "metrics.listen").await?),
    };
    let world = World::open(config, plan.claim).await?;
    let env = world.env.clone();
    env.bell.clone().listen(env.db.clone()).await?;
    // The model takes time and memory: only who makes vectors or answers searches has it.
    let wants_model = plan.stages.contains(&Stage::Embed) || plan.serve.as_ref().is_some_and(|(parts, _)| parts.contains(&Part::Search));
    let embedder = match wants_model {
        true => open_embedder(&env, world.no_vectors.as_deref()).await,
        false => embedder::Handle::new(env.config.clone()),
    };
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    probe(&env, &embedder, &stop, &mut tasks);

    if !plan.stages.is_empty() {
        let runner = runner(env.clone(), embedder.clone()).only(&plan.stages);
        for stage in runner.stages() {
            telemetry::worker_slots(*stage, env.config.pool(*stage).concurrency);
        }
        tasks.spawn(runner.run(stop.clone()));
        tasks.spawn(janitor::run(env.clone(), stop.clone()));
        tasks.spawn(kernel::forecast::run(env.clone(), stop.clone()));
        tasks.spawn(reload::run(env.clone(), stop.clone()));
    }
    if let Some(listener) = listener {
        let address = listener.local_addr().context("the address we listen on")?;
        let app = match &plan.serve {
            Some((parts, _)) => {
                indexer::start(&env).await?;
                app(&env, parts, Arc::new(Searcher::new(&env, embedder)))
            }
            None => metrics::router().with_state(env.clone()),
        };
        println!("listening on http://{address}");
        tasks.spawn(serve(listener, app, stop.clone()));
    }
    notify::ready();
    signal().await?;
    info!("stopping: running jobs are finished or handed back");
    notify::stopping();
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    world.close().await;
    info!("stopped");
    Ok(())
}

/// Takes the address; `key` is what to set when it is not free.
async fn bind(address: &str, key: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}: set {key} to a free address"))
}

/// Serves until `stop`, and then for as long as requests in flight may take.
async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    let hurry = Duration::from_secs(5);
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    // Streams of progress would go on for ever: after a while they are cut off.
    let cut = async {
        stop.cancelled().await;
        tokio::time::sleep(hurry).await;
    };
    tokio::select! {
        ended = serving => if let Err(error) = ended { warn!("serving ended: {error}") },
        () = cut => {}
    }
}

/// Asks services that went away whether they are back.
fn probe(env: &Env, embedder: &embedder::Handle, stop: &CancellationToken, tasks: &mut tokio::task::JoinSet<()>) {
    let breakers = &env.breakers;
    let db = env.db.clone();
    tasks.spawn(breakers.clone().probe(Dependency::Database, stop.clone(), move || {
        let db = db.clone();
        async move { sqlx::query("select 1").execute(&db).await.map(drop).context("ask the database") }
    }));
    let store = env.store.clone();
    tasks.spawn(breakers.clone().probe(Dependency::Objects, stop.clone(), move || {
        let store = store.clone();
        async move { store.probe().await }
    }));
    if !env.config.queue.url.is_empty() {
        tasks.spawn(watch_broker(env.clone(), stop.clone()));
    }
    let embedder = embedder.clone();
    tasks.spawn(breakers.clone().probe(Dependency::Model, stop.clone(), move || {
        let embedder = embedder.clone();
        async move { Ok(embedder.open().await.map(drop)?) }
    }));
}

/// Notes whether the broker is connected. No work waits for it: without its bell jobs are found by the sweep.
async fn watch_broker(env: Env, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match env.bell.connected() {
            true => env.breakers.report_up(Dependency::Broker),
            false => env.breakers.report_down(Dependency::Broker, "not connected"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// The model, or the way to it; why it is not there is logged once, here.
pub async fn open_embedder(env: &Env, no_vectors: Option<&str>) -> embedder::Handle {
    let handle = embedder::Handle::new(env.config.clone());
    match (handle.open().await, no_vectors) {
        (Err(why), _) => {
            warn!("search is lexical only: {why}");
            if env.config.embedder.enabled {
                env.breakers.report_down(Dependency::Model, why.to_string());
            }
        }
        (Ok(_), Some(why)) => warn!("search is lexical only: {why}"),
        (Ok(_), None) => {}
    }
    handle
}

/// Every handler of every room.
pub fn runner(env: Env, embedder: embedder::Handle) -> Runner {
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
    let compress = SizeAbove::default()
        .and(NotForContentType::const_new("video/"))
        .and(NotForContentType::const_new("image/"))
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::const_new("application/pdf"))
        .and(NotForContentType::SSE);
    let mut app = Router::new()
        .nest("/api/v1", api.route("/openapi.json", get(|| async move { Json(description) })).fallback(|| async { ApiError::not_found() }));
    if parts.contains(&Part::Api) {
        app = app.merge(media::router()).merge(lms::streams());
    }
    if parts.contains(&Part::Pages) {
        app = app.merge(pages::router());
    }
    app.merge(metrics::router())
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not take that method")
        })
        .layer(DefaultBodyLimit::max(1 << 20))
        .layer(CompressionLayer::new().compress_when(compress))
        .layer(CatchPanicLayer::custom(|_| ApiError::from(anyhow::anyhow!("a handler panicked")).into_response()))
        .layer(middleware::from_fn_with_state(env.clone(), report_blame))
        .layer(middleware::from_fn(pages::security_headers))
        .layer(middleware::from_fn(metrics::count))
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
        api = api.merge(lms::router()).merge(ingest::router()).merge(transcode::router()).merge(certgen::router());
    }
    if parts.contains(&Part::Search) {
        api = api.merge(search_api::router(searcher));
    }
    api
}

async fn signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
