//! The routes of this room against a real database: a published course with its people, and one question at a time.

mod assets;
mod delivery;
mod learning;
mod matrix;
mod operate;
mod sessions;
mod viewing;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use kernel::env::Clock;
use kernel::http::{Principal, Role};
use kernel::id::{AssetId, CourseId, LessonId, ModuleId};
use kernel::store::Prefix;
use kernel::testing::TestEnv;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tower::ServiceExt;

struct World {
    test: TestEnv,
    app: Router,
    /// Owns the courses.
    owner: Principal,
    /// Another instructor.
    rival: Principal,
    /// Enrolled in the published course.
    learner: Principal,
    /// Signed in, and nothing more.
    outsider: Principal,
    admin: Principal,
    published: CourseId,
    draft: CourseId,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl World {
    async fn new() -> Self {
        let test = TestEnv::new().await;
        let owner = test.account(Role::Instructor).await;
        let rival = test.account(Role::Instructor).await;
        let learner = test.account(Role::Student).await;
        let outsider = test.account(Role::Student).await;
        let admin = test.account(Role::Admin).await;
        let published = test.course(&owner, "published").await;
        let draft = test.course(&owner, "draft").await;
        test.enrol(&learner, published).await;
        let app = crate::router().split_for_parts().0.with_state(test.env.clone());
        Self { test, app, owner, rival, learner, outsider, admin, published, draft }
    }

    /// The same world at another time.
    fn at(&self, now: OffsetDateTime) -> Router {
        let mut env = self.test.env.clone();
        env.clock = Clock::fixed(now);
        crate::router().split_for_parts().0.with_state(env)
    }

    async fn ask(&self, who: &Principal, method: &str, path: &str, body: Value) -> Answer {
        self.ask_with(who, method, path, body, &[]).await
    }

    async fn ask_with(&self, who: &Principal, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
        let bearer = self.test.bearer(who);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        send(&self.app, method, path, body, &all).await
    }

    async fn module(&self, course: CourseId) -> ModuleId {
        let answer = self.ask(&self.owner, "POST", &format!("/courses/{course}/modules"), json!({"title": "A module"})).await;
        answer.body["id"].as_str().unwrap().parse().unwrap()
    }

    async fn lesson(&self, module: ModuleId, assets: &[AssetId]) -> LessonId {
        let answer =
            self.ask(&self.owner, "POST", &format!("/modules/{module}/lessons"), json!({"title": "A lesson", "asset_ids": assets})).await;
        answer.body["id"].as_str().unwrap().parse().unwrap()
    }

    /// A published document of three chunks.
    async fn document(&self, course: CourseId) -> AssetId {
        let id = self.test.asset(&self.owner, course, "notes.md", format!("# {}", AssetId::new()).as_bytes()).await;
        self.publish(id, "document", "text/markdown").await;
        self.run("insert into documents (asset_id, pages, made_by, notice) values ($1, 3, 1, 'no_text_layer')", id).await;
        for ordinal in 0..3 {
            sqlx::query("insert into chunks (id, asset_id, ordinal, text, heading_path, locator, content_hash, tokens) values ($1, $2, $3, 'text', '{Leases}', $4, sha256($5), 1)")
                .bind(AssetId::new().0)
                .bind(id.0)
                .bind(ordinal)
                .bind(json!({"type": "page", "page": ordinal + 1, "start": 0, "end": 4}))
                .bind(id.0.as_bytes().to_vec())
                .execute(&self.test.env.db)
                .await
                .unwrap();
        }
        id
    }

    /// A published video with captions.
    async fn video(&self, course: CourseId) -> AssetId {
        let id = self.test.asset(&self.owner, course, "talk.mp4", AssetId::new().0.as_bytes()).await;
        self.publish(id, "video", "video/mp4").await;
        let prefix = Prefix::attempt(id, kernel::id::JobId::new(), 1);
        sqlx::query("insert into streams (asset_id, prefix, duration_ms, width, height, poster, manifest, made_by) values ($1, $2, 1500, 640, 360, $3, '{}', 1)")
            .bind(id.0)
            .bind(prefix.as_str())
            .bind(format!("{prefix}/poster.jpg"))
            .execute(&self.test.env.db)
            .await
            .unwrap();
        let captions = self.test.asset(&self.owner, course, "talk.vtt", AssetId::new().0.as_bytes()).await;
        self.publish(captions, "captions", "text/vtt").await;
        let prefix = Prefix::attempt(captions, kernel::id::JobId::new(), 1);
        sqlx::query("insert into documents (asset_id, prefix, language, made_by) values ($1, $2, 'en', 1)")
            .bind(captions.0)
            .bind(prefix.as_str())
            .execute(&self.test.env.db)
            .await
            .unwrap();
        sqlx::query("update assets set parent_id = $2 where id = $1").bind(captions.0).bind(id.0).execute(&self.test.env.db).await.unwrap();
        id
    }

    async fn publish(&self, id: AssetId, kind: &str, media_type: &str) {
        sqlx::query("update assets set state = 'published', published_at = now(), kind = $2, media_type = $3 where id = $1")
            .bind(id.0)
            .bind(kind)
            .bind(media_type)
            .execute(&self.test.env.db)
            .await
            .unwrap();
    }

    /// An asset that failed, with the dead job that failed it.
    async fn failed(&self, course: CourseId) -> (AssetId, kernel::id::JobId) {
        let id = self.test.asset(&self.owner, course, "broken.pdf", AssetId::new().0.as_bytes()).await;
        self.run("update assets set state = 'failed', failure_code = 'pdf_broken', failure_reason = 'broken', failure_stage = 'extract', failure_attempt = 1 where id = $1", id).await;
        let job = self.job(id, "ExtractDocument", "extract", "dead").await;
        (id, job)
    }

    async fn job(&self, asset: AssetId, kind: &str, stage: &str, state: &str) -> kernel::id::JobId {
        let id = kernel::id::JobId::new();
        sqlx::query(
            "insert into jobs (id, kind, stage, payload, asset_id, state, max_failures, failure_class, failure_code, failure_reason, failure_detail)
             values ($1, $2, $3, $4, $5, $6, 8, 'poison', 'pdf_broken', 'broken', 'at /some/where')",
        )
        .bind(id.0)
        .bind(kind)
        .bind(stage)
        .bind(json!({"asset_id": asset}))
        .bind(asset.0)
        .bind(state)
        .execute(&self.test.env.db)
        .await
        .unwrap();
        id
    }

    async fn run(&self, sql: &'static str, id: AssetId) {
        sqlx::query(sql).bind(id.0).execute(&self.test.env.db).await.unwrap();
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.test.env.db).await.unwrap()
    }
}

async fn send(app: &Router, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        request = request.header(header::CONTENT_TYPE, "application/json");
        Body::from(body.to_string())
    };
    let answer = app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{method} {path}: {status} {text}");
    }
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}
