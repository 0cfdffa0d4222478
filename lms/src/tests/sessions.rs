//! Registration, sign-in, rotation of refresh tokens, and forged access tokens.

use axum::Router;
use axum::http::{StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::http::{Principal, Role, Tokens};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{Answer, World, send};

const PASSWORD: &str = "analytical engine";

async fn register(world: &World, email: &str) -> Answer {
    send(&world.app, "POST", "/auth/register", json!({"email": email, "name": "Ada Lovelace", "password": PASSWORD}), &[]).await
}

/// Signs in and gives the refresh token.
async fn sign_in(world: &World, email: &str) -> String {
    let answer = send(&world.app, "POST", "/auth/login", json!({"email": email, "password": PASSWORD}), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    token(&answer)
}

fn token(answer: &Answer) -> String {
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    cookie.strip_prefix("refresh=").unwrap().split(';').next().unwrap().to_owned()
}

async fn refresh(app: &Router, token: &str) -> Answer {
    send(app, "POST", "/auth/refresh", Value::Null, &[("cookie", &format!("theme=dark; refresh={token}"))]).await
}

#[tokio::test]
async fn registration_names_everything_that_is_wrong() {
    let world = World::new().await;
    let answer = send(&world.app, "POST", "/auth/register", json!({"email": "nobody", "password": "short", "role": "admin"}), &[]).await;
    assert_eq!((answer.status, &answer.body["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &"validation_failed".into()));
    let pointers: Vec<_> = answer.body["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/email", "/name", "/password", "/role"]);
}

#[tokio::test]
async fn an_account_signs_in_and_sees_itself() {
    let world = World::new().await;
    let made = register(&world, " Ada@Example.org ").await;
    assert_eq!((made.status, &made.body["account"]["email"]), (StatusCode::CREATED, &"ada@example.org".into()));
    assert_eq!(register(&world, "ADA@example.org").await.body["code"], "email_taken");
    let session = send(&world.app, "POST", "/auth/login", json!({"email": "ada@EXAMPLE.org", "password": PASSWORD}), &[]).await;
    let cookie = session.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Path=/api/v1/auth; Max-Age=604800"), "{cookie}");
    let bearer = format!("Bearer {}", session.body["access_token"].as_str().unwrap());
    let me = send(&world.app, "GET", "/me", Value::Null, &[("authorization", &bearer)]).await;
    assert_eq!(me.body, made.body["account"]);
    let stored: String = sqlx::query_scalar("select password_hash from accounts where email = 'ada@example.org'")
        .fetch_one(&world.test.env.db)
        .await
        .unwrap();
    assert!(stored.starts_with("$argon2id$"));
}

#[tokio::test]
async fn an_admin_is_made_on_the_command_line_only() {
    let world = World::new().await;
    let account = crate::create_account(&world.test.env, "Root@example.org", "Root", PASSWORD, Role::Admin).await.unwrap();
    assert_eq!((account.email.as_str(), account.role), ("root@example.org", Role::Admin));
    let again = crate::create_account(&world.test.env, "root@example.org", "Root", PASSWORD, Role::Admin).await.unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    let wrong = crate::create_account(&world.test.env, "x", "", "y", Role::Admin).await.unwrap_err().to_string();
    assert!(wrong.contains("email must") && wrong.contains("name must") && wrong.contains("password must"), "{wrong}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_get_the_same_answer() {
    let world = World::new().await;
    register(&world, "ada@example.org").await;
    let mut answers = Vec::new();
    for (email, password) in [("ada@example.org", "not the engine"), ("eve@example.org", PASSWORD), ("", ""), ("ada@example.org", "")] {
        let mut answer = send(&world.app, "POST", "/auth/login", json!({"email": email, "password": password}), &[]).await;
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        answer.body["request_id"].take();
        answers.push((answer.status, answer.body));
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_password_cannot_be_guessed_for_ever_and_nobody_else_is_locked_out() {
    let world = World::new().await;
    register(&world, "ada@example.org").await;
    register(&world, "eve@example.org").await;
    let session = sign_in(&world, "ada@example.org").await;
    for account in ["ada@example.org", "nobody@example.org"] {
        let guesses = (0..15).map(|n| send(&world.app, "POST", "/auth/login", json!({"email": account, "password": n.to_string()}), &[]));
        let refused: Vec<Answer> =
            futures::future::join_all(guesses).await.into_iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).collect();
        assert_eq!(refused.len(), 5, "{account}");
        assert!(refused[0].headers.contains_key(header::RETRY_AFTER));
    }
    let right = send(&world.app, "POST", "/auth/login", json!({"email": "ADA@example.org", "password": PASSWORD}), &[]).await;
    assert_eq!(right.body["code"], "too_many_attempts", "even the right one, or guessing would go on");
    assert_eq!(refresh(&world.app, &session).await.status, StatusCode::OK, "who is signed in stays so");
    sign_in(&world, "eve@example.org").await;
}

#[tokio::test]
async fn a_refresh_token_is_spent_once_and_reuse_ends_the_whole_sign_in() {
    let world = World::new().await;
    register(&world, "ada@example.org").await;
    let (first, elsewhere) = (sign_in(&world, "ada@example.org").await, sign_in(&world, "ada@example.org").await);
    let second = token(&refresh(&world.app, &first).await);
    // At once, it may be a second tab: refused, and nothing more.
    assert_eq!(refresh(&world.app, &first).await.body["code"], "refresh_invalid");
    let third = token(&refresh(&world.app, &second).await);
    // Later, it is a copy.
    let later = world.at(OffsetDateTime::now_utc() + Duration::seconds(10));
    assert_eq!(refresh(&later, &first).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refresh(&later, &third).await.status, StatusCode::UNAUTHORIZED, "the thief's or the owner's: nobody knows");
    assert_eq!(refresh(&later, &elsewhere).await.status, StatusCode::OK, "another sign-in goes on");
}

#[tokio::test]
async fn of_64_refreshes_at_once_one_line_lives_on() {
    let world = World::new().await;
    register(&world, "ada@example.org").await;
    let mut token_now = sign_in(&world, "ada@example.org").await;
    for _ in 0..5 {
        let asked: Vec<_> = (0..64)
            .map(|_| {
                let (app, token) = (world.app.clone(), token_now.clone());
                tokio::spawn(async move { refresh(&app, &token).await })
            })
            .collect();
        let mut heirs = Vec::new();
        for answer in asked {
            let answer = answer.await.unwrap();
            match answer.status {
                StatusCode::OK => heirs.push(token(&answer)),
                status => assert_eq!(status, StatusCode::UNAUTHORIZED),
            }
        }
        assert_eq!(heirs.len(), 1);
        assert_eq!(world.count("select count(*) from refresh_tokens where spent_at is null and revoked_at is null").await, 1);
        token_now = heirs.remove(0);
    }
}

#[tokio::test]
async fn a_successor_written_during_a_revocation_is_dead() {
    let world = World::new().await;
    register(&world, "ada@example.org").await;
    let first = sign_in(&world, "ada@example.org").await;
    let second = token(&refresh(&world.app, &first).await);
    // What a revocation leaves that did not see the newest row of the family.
    sqlx::query("update refresh_tokens set revoked_at = now() where spent_at is not null").execute(&world.test.env.db).await.unwrap();
    assert_eq!(refresh(&world.app, &second).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_out_and_expiry_end_a_sign_in() {
    let world = World::new().await;
    register(&world, "ada@example.org").await;
    let token = sign_in(&world, "ada@example.org").await;
    let out = send(&world.app, "POST", "/auth/logout", Value::Null, &[("cookie", &format!("refresh={token}"))]).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().starts_with("refresh=; "));
    assert_eq!(refresh(&world.app, &token).await.status, StatusCode::UNAUTHORIZED);
    let old = sign_in(&world, "ada@example.org").await;
    assert_eq!(refresh(&world.at(OffsetDateTime::now_utc() + Duration::days(8)), &old).await.status, StatusCode::UNAUTHORIZED);
    for nonsense in ["", "AAAA", "%00", "' or 1=1 --"] {
        assert_eq!(refresh(&world.app, nonsense).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(send(&world.app, "POST", "/auth/logout", Value::Null, &[]).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn forged_and_expired_access_tokens_are_refused() {
    let world = World::new().await;
    let now = OffsetDateTime::now_utc();
    let good = world.test.env.tokens.issue(&world.owner, now).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let b64 = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let as_admin = b64(&claims.replace("instructor", "admin"));
    let other_key = Tokens::new(&[7; 32], Duration::minutes(60)).issue(&world.admin, now).unwrap();
    let ghost = Principal { account_id: kernel::id::AccountId::new(), role: Role::Admin };
    let mut forged = vec![
        other_key,
        world.test.env.tokens.issue(&world.owner, now - Duration::hours(2)).unwrap(),
        world.test.env.tokens.issue(&world.owner, now + Duration::hours(2)).unwrap(),
        format!("{}.{as_admin}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}x"),
        good.replace('.', ""),
        String::new(),
    ];
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None","typ":"JWT"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"HS256","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        "{}",
        "",
    ] {
        forged.push(format!("{}.{}.", b64(header), parts[1]));
        forged.push(format!("{}.{as_admin}.{}", b64(header), parts[2]));
    }
    for token in forged {
        let answer = send(&world.app, "GET", "/courses", Value::Null, &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    // Rightly signed, for an account that is gone.
    assert_eq!(world.ask(&ghost, "GET", "/me", Value::Null).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask(&world.owner, "GET", "/me", Value::Null).await.status, StatusCode::OK);
}
