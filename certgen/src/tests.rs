//! Issuing and verifying against a real database and store.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kernel::events::{self, Cause};
use kernel::http::{Principal, Role};
use kernel::id::{CertificateId, CourseId};
use kernel::jobs::{self, Runner};
use kernel::pipeline::{Event, RenderCertificate};
use kernel::store::Key;
use kernel::testing::TestEnv;
use serde_json::Value;
use tower::ServiceExt;

use crate::verify::Verdict;

struct World {
    test: TestEnv,
    learner: Principal,
    course: CourseId,
    app: Router,
    runner: Runner,
}

impl World {
    async fn new() -> Self {
        let test = TestEnv::new().await;
        let owner = test.account(Role::Instructor).await;
        let learner = test.account(Role::Student).await;
        let course = test.course(&owner, "published").await;
        test.enrol(&learner, course).await;
        let mut runner = Runner::new(test.env.clone());
        crate::register(&mut runner);
        let app = crate::router().split_for_parts().0.with_state(test.env.clone());
        Self { test, learner, course, app, runner }
    }

    /// The row and the event as `lms` writes them.
    async fn complete(&self) -> CertificateId {
        let id = CertificateId::new();
        let mut tx = self.test.env.db.begin().await.unwrap();
        sqlx::query(
            "insert into certificates (id, enrollment_id, course_id, account_id, learner_name, course_title, instructor_name, completed_on)
             select $1, e.id, e.course_id, e.account_id, 'Zoë Ångström', 'Leases', 'Grace Oyelaran', '2026-11-14'
               from enrollments e where e.course_id = $2 and e.account_id = $3",
        )
        .bind(id.0)
        .bind(self.course.0)
        .bind(self.learner.account_id.0)
        .execute(&mut *tx)
        .await
        .unwrap();
        events::record(&mut tx, &Event::CourseCompleted { certificate_id: id }, &Cause::default()).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn ask(&self, method: &str, path: &str, who: Option<&Principal>, body: impl Into<Body>) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(who) = who {
            request = request.header(header::AUTHORIZATION, self.test.bearer(who));
        }
        let answer = self.app.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn pdf(&self, id: CertificateId) -> Vec<u8> {
        let key: String =
            sqlx::query_scalar("select object_key from certificates where id = $1").bind(id.0).fetch_one(&self.test.env.db).await.unwrap();
        self.test.env.store.get(&Key::parse(&key).unwrap()).await.unwrap().to_vec()
    }

    async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&self.test.env.db).await.unwrap()
    }
}

#[tokio::test]
async fn a_certificate_is_issued_once_and_can_be_verified_by_a_stranger() {
    let world = World::new().await;
    let id = world.complete().await;
    let before = world.ask("GET", &format!("/certificates/{id}"), Some(&world.learner), "").await;
    assert_eq!((before.0, &before.1["pdf_url"], &before.1["issued_at"]), (StatusCode::OK, &Value::Null, &Value::Null));
    assert_eq!(world.ask("GET", &format!("/certificates/{id}/verify"), None, "").await.0, StatusCode::NOT_FOUND);

    assert_eq!(world.runner.drain().await.unwrap(), 1);
    let pdf = world.pdf(id).await;
    // Delivered a second time, the job changes nothing.
    let mut conn = world.test.env.db.acquire().await.unwrap();
    jobs::enqueue(&mut conn, RenderCertificate { certificate_id: id }, &Cause::default()).await.unwrap();
    drop(conn);
    assert_eq!(world.runner.drain().await.unwrap(), 1);
    assert_eq!(world.pdf(id).await, pdf);
    assert_eq!(world.count("select count(*) from events where kind = 'CertificateIssued'").await, 1);
    assert_eq!(world.count("select count(*) from jobs where state <> 'done'").await, 0);
    assert_eq!(world.test.env.store.list("certificates").await.unwrap().len(), 1);

    let (status, public) = world.ask("GET", &format!("/certificates/{id}/verify"), None, "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&public["valid"], &public["learner_name"], &public["completed_on"]),
        (&true.into(), &"Zoë Ångström".into(), &"2026-11-14".into())
    );
    let (_, mine) = world.ask("GET", "/me/certificates", Some(&world.learner), "").await;
    assert!(mine["items"][0]["pdf_url"].as_str().unwrap().starts_with("/media/"), "{mine}");
    assert!(mine["items"][0]["verify_url"].as_str().unwrap().ends_with(&format!("/verify/{id}")));
}

#[tokio::test]
async fn a_file_is_valid_altered_or_unknown() {
    let world = World::new().await;
    let id = world.complete().await;
    world.runner.drain().await.unwrap();
    let pdf = world.pdf(id).await;
    let (status, answer) = world.ask("POST", "/certificates/verify", None, pdf.clone()).await;
    assert_eq!((status, answer), (StatusCode::OK, serde_json::json!({"valid": true, "certificate_id": id})));

    // One bit anywhere, a cut, an appended update: not the file that was issued.
    let mut mutants: Vec<Vec<u8>> = (0..40)
        .map(|n| {
            let mut mutant = pdf.clone();
            mutant[n * pdf.len() / 40] ^= 1;
            mutant
        })
        .collect();
    mutants.push(pdf[..pdf.len() - 1].to_vec());
    mutants.push([&pdf[..], b"\n%%EOF"].concat());
    let mut altered = 0;
    for mutant in mutants {
        let (_, answer) = world.ask("POST", "/certificates/verify", None, mutant).await;
        assert_eq!(answer["valid"], false);
        altered += usize::from(answer["reason"] == "altered" && answer["certificate_id"] == id.to_string());
    }
    assert!(altered >= 41, "only {altered} of 42 were recognised as changed: at most the mark itself may be hit");

    // A mark alone proves nothing, nor does one of a certificate that was never issued.
    let forged = format!("%PDF-1.7 learnhub-certificate:{}", CertificateId::new());
    for file in [forged.into_bytes(), b"%PDF-1.7 hello".to_vec(), vec![0; 4_999_999]] {
        let (_, answer) = world.ask("POST", "/certificates/verify", None, file).await;
        assert_eq!(answer, serde_json::json!({"valid": false, "certificate_id": null, "reason": "unknown"}));
    }
    assert_eq!(world.ask("POST", "/certificates/verify", None, vec![0; 5_000_001]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, answer) = world.ask("POST", "/certificates/verify", None, "").await;
    assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &"empty_file".into()));
}

#[tokio::test]
async fn a_certificate_is_its_learners_and_its_teachers() {
    let world = World::new().await;
    let id = world.complete().await;
    let path = format!("/certificates/{id}");
    for role in [Role::Student, Role::Instructor] {
        let stranger = world.test.account(role).await;
        assert_eq!(world.ask("GET", &path, Some(&stranger), "").await.0, StatusCode::NOT_FOUND);
        assert_eq!(world.ask("GET", "/me/certificates", Some(&stranger), "").await.1["items"], serde_json::json!([]));
    }
    let admin = world.test.account(Role::Admin).await;
    assert_eq!(world.ask("GET", &path, Some(&admin), "").await.0, StatusCode::OK);
    assert_eq!(world.ask("GET", &path, None, "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask("GET", "/certificates/nonsense", Some(&admin), "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.ask("GET", "/certificates/nonsense/verify", None, "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.ask("GET", "/me/certificates?limit=x", Some(&admin), "").await.1["code"], "query_invalid");
}

#[tokio::test]
async fn the_command_line_verifies_a_file() {
    let world = World::new().await;
    let id = world.complete().await;
    world.runner.drain().await.unwrap();
    let folder = world.test.env.scratch("verify").unwrap();
    let file = folder.path().join("certificate.pdf");
    std::fs::write(&file, world.pdf(id).await).unwrap();
    assert_eq!(crate::verify_file(&world.test.env, &file).await.unwrap(), Verdict::Valid { certificate_id: id });
    assert!(crate::verify_file(&world.test.env, &folder.path().join("missing.pdf")).await.is_err());
}
