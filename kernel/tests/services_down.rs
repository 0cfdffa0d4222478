//! What a client sees while a service is away: 503 with when to come back, and the answer as before once it is back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Router, middleware};
use kernel::breaker;
use kernel::db;
use kernel::dependency::Dependency;
use kernel::env::Env;
use kernel::http::{ApiError, report_blame};
use kernel::testing::TestEnv;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::net::{TcpListener, UnixStream};
use tokio_util::sync::CancellationToken;

async fn one(State(env): State<Env>) -> Result<String, ApiError> {
    let one: i32 = sqlx::query_scalar("select 1").fetch_one(&env.db).await?;
    Ok(one.to_string())
}

async fn sleep(State(env): State<Env>) -> Result<String, ApiError> {
    sqlx::query("select pg_sleep(600)").execute(&env.db).await?;
    Ok("slept".into())
}

async fn mistaken(State(env): State<Env>) -> Result<String, ApiError> {
    sqlx::query("select no_such_column").execute(&env.db).await?;
    Ok("never".into())
}

/// Serves two handlers over this environment and returns the address.
async fn serve(env: &Env) -> String {
    let app = Router::new()
        .route("/one", get(one))
        .route("/sleep", get(sleep))
        .route("/mistaken", get(mistaken))
        .layer(middleware::from_fn_with_state(env.clone(), report_blame))
        .with_state(env.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn assert_down(answer: Response) {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let seconds: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "database_down");
}

/// Passes connections on to the database's socket until it is cut; then they all end, and no new one is taken.
async fn proxy(listener: TcpListener, socket: PathBuf, cut: CancellationToken) {
    let passing = async {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let (socket, cut) = (socket.clone(), cut.clone());
            tokio::spawn(async move {
                let Ok(mut server) = UnixStream::connect(&socket).await else { return };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    () = cut.cancelled() => {}
                }
            });
        }
    };
    tokio::select! {
        () = passing => {}
        () = cut.cancelled() => {}
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_503_until_the_probe_finds_it_again() {
    let mut test = TestEnv::new().await;
    let options = Arc::unwrap_or_clone(test.env.db.connect_options());
    let socket = options.get_socket().unwrap().join(format!(".s.PGSQL.{}", options.get_port()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cut = CancellationToken::new();
    tokio::spawn(proxy(listener, socket.clone(), cut.clone()));
    let (name, user) = (options.get_database().unwrap(), options.get_username());
    let through = db::options(&format!("postgres://{user}@{address}/{name}?sslmode=disable"), "database.url").unwrap();
    let mut settings = test.env.config.database.clone();
    settings.acquire_timeout_seconds = 0.5;
    test.env.db = db::connect(through, &settings).await.unwrap();
    let stop = CancellationToken::new();
    let asked = test.env.db.clone();
    tokio::spawn(test.env.breakers.clone().probe(Dependency::Database, stop.clone(), move || {
        let db = asked.clone();
        async move { Ok(sqlx::query("select 1").execute(&db).await.map(drop)?) }
    }));
    let server = serve(&test.env).await;
    assert_eq!(reqwest::get(format!("{server}/one")).await.unwrap().status(), StatusCode::OK);

    cut.cancel();
    assert_down(reqwest::get(format!("{server}/one")).await.unwrap()).await;
    assert_ne!(test.env.breakers.state(Dependency::Database), breaker::State::Closed);

    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(proxy(listener, socket, CancellationToken::new()));
    test.until("the probe finds it again", || async { test.env.breakers.state(Dependency::Database) == breaker::State::Closed }).await;
    assert_eq!(reqwest::get(format!("{server}/one")).await.unwrap().status(), StatusCode::OK);
    stop.cancel();
}

#[tokio::test]
async fn a_session_that_the_database_ends_is_503_and_the_next_request_has_a_new_one() {
    let test = TestEnv::new().await;
    let server = serve(&test.env).await;
    let waiting = tokio::spawn(reqwest::get(format!("{server}/sleep")));
    let mut superuser = db::connect_one(&test.superuser).await.unwrap();
    let ended = async {
        loop {
            let ended: Vec<bool> = sqlx::query_scalar(
                "select pg_terminate_backend(pid) from pg_stat_activity
                  where datname = current_database() and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()",
            )
            .fetch_all(&mut superuser)
            .await
            .unwrap();
            if !ended.is_empty() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the query runs");
    assert_down(waiting.await.unwrap().unwrap()).await;
    assert_eq!(reqwest::get(format!("{server}/one")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_mistake_of_ours_is_500_and_blames_nobody() {
    let test = TestEnv::new().await;
    let server = serve(&test.env).await;
    assert_eq!(reqwest::get(format!("{server}/mistaken")).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(test.env.breakers.state(Dependency::Database), breaker::State::Closed);
}

#[tokio::test]
async fn a_closed_pool_is_503() {
    let test = TestEnv::new().await;
    let server = serve(&test.env).await;
    test.env.db.close().await;
    assert_down(reqwest::get(format!("{server}/one")).await.unwrap()).await;
}
