//! Certificates over HTTP: a learner's own, and the public question whether one is real.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Page, PageQuery, Principal, Problem, Role};
use kernel::id::CertificateId;
use kernel::store::{Key, Served};
use serde::Serialize;
use time::{Date, OffsetDateTime};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::job::verify_url;
use crate::verify::{self, MAX_BYTES, Verdict};

time::serde::format_description!(iso_date, Date, "[year]-[month]-[day]");

/// This room's routes, relative to `/api/v1`.
pub fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new()
        .routes(routes!(mine))
        .routes(routes!(show))
        .routes(routes!(verify_id))
        .merge(OpenApiRouter::new().routes(routes!(verify_file)).layer(DefaultBodyLimit::max(MAX_BYTES)))
}

/// A certificate, as its learner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0193a5f9-7a3f-7d55-9e21-5b1f0c3d9a10", "course_title": "Queues, leases and fencing", "learner_name": "Ada Lovelace",
    "completed_on": "2026-11-20", "issued_at": "2026-11-20T10:00:01Z", "pdf_url": "/media/1795172400.kXo…/certificates/0193…/certificate.pdf?inline=true",
    "verify_url": "https://learn.example/verify/0193a5f9-7a3f-7d55-9e21-5b1f0c3d9a10"}))]
struct Certificate {
    id: CertificateId,
    course_title: String,
    learner_name: String,
    #[serde(with = "iso_date")]
    completed_on: Date,
    /// Null while the PDF is being made.
    #[serde(with = "time::serde::rfc3339::option")]
    issued_at: Option<OffsetDateTime>,
    /// A signed address that ends after a while; null while the PDF is being made.
    pdf_url: Option<String>,
    /// The public page that a QR code on the certificate leads to.
    verify_url: String,
}

/// What anybody may know of an issued certificate who has its id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"valid": true, "learner_name": "Ada Lovelace", "course_title": "Queues, leases and fencing", "instructor_name": "Grace Oyelaran",
    "completed_on": "2026-11-20", "issued_at": "2026-11-20T10:00:01Z", "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}))]
struct Verification {
    valid: bool,
    learner_name: String,
    course_title: String,
    instructor_name: String,
    #[serde(with = "iso_date")]
    completed_on: Date,
    #[serde(with = "time::serde::rfc3339")]
    issued_at: OffsetDateTime,
    /// Of the PDF, in hex.
    sha256: String,
}

/// The verdict on a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"valid": false, "certificate_id": "0193a5f9-7a3f-7d55-9e21-5b1f0c3d9a10", "reason": "altered"}))]
struct FileVerification {
    valid: bool,
    /// The certificate that the file is, or says that it is.
    certificate_id: Option<CertificateId>,
    /// `altered`: not the bytes that were issued. `unknown`: no certificate of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

struct Row {
    id: Uuid,
    course_title: String,
    learner_name: String,
    completed_on: Date,
    issued_at: Option<OffsetDateTime>,
    object_key: Option<String>,
}

impl Row {
    fn shown(self, env: &Env) -> Result<Certificate, ApiError> {
        let id = CertificateId(self.id);
        let served = Served { media_type: "application/pdf".into(), file_name: format!("certificate-{id}.pdf"), inline: true };
        let pdf_url = match self.object_key {
            Some(key) => Some(env.signer.object(&Key::parse(&key)?, &served, env.clock.now())),
            None => None,
        };
        Ok(Certificate {
            id,
            course_title: self.course_title,
            learner_name: self.learner_name,
            completed_on: self.completed_on,
            issued_at: self.issued_at,
            pdf_url,
            verify_url: verify_url(env, id),
        })
    }
}

/// Your certificates, newest first.
#[utoipa::path(
    get, path = "/me/certificates", tag = "certificates", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = Page<Certificate>)),
)]
async fn mine(
    State(env): State<Env>,
    who: Principal,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Certificate>>, ApiError> {
    let Query(page) = page.map_err(|rejection| ApiError::bad_request("query_invalid", rejection.body_text()))?;
    let (limit, after) = (page.limit()?, page.position::<Uuid>()?);
    let rows = sqlx::query_as!(
        Row,
        "select id, course_title, learner_name, completed_on, issued_at, object_key
           from certificates where account_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3",
        who.account_id.0,
        after,
        limit as i64 + 1,
    )
    .fetch_all(&env.db)
    .await?;
    let certificates = rows.into_iter().map(|row| row.shown(&env)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(Page::of(certificates, limit, |certificate| certificate.id)))
}

/// One certificate, for its learner, the course's owner and admins.
#[utoipa::path(
    get, path = "/certificates/{id}", tag = "certificates", security(("bearer" = [])), params(("id" = CertificateId, Path)),
    responses(
        (status = 200, body = Certificate),
        (status = 404, description = "no such certificate, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn show(State(env): State<Env>, who: Principal, Path(id): Path<String>) -> Result<Json<Certificate>, ApiError> {
    let row = sqlx::query_as!(
        Row,
        "select t.id, t.course_title, t.learner_name, t.completed_on, t.issued_at, t.object_key
           from certificates t join courses c on c.id = t.course_id
          where t.id = $1 and ($2 or t.account_id = $3 or c.owner_id = $3)",
        parse(&id)?.0,
        who.role == Role::Admin,
        who.account_id.0,
    )
    .fetch_optional(&env.db)
    .await?;
    Ok(Json(row.ok_or_else(ApiError::not_found)?.shown(&env)?))
}

/// Is this certificate real? Public.
#[utoipa::path(
    get, path = "/certificates/{id}/verify", tag = "certificates", security(()), params(("id" = CertificateId, Path)),
    responses(
        (status = 200, body = Verification),
        (status = 404, description = "no certificate with this id was issued here", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn verify_id(State(env): State<Env>, Path(id): Path<String>) -> Result<Json<Verification>, ApiError> {
    let row = sqlx::query!(
        r#"select learner_name, course_title, instructor_name, completed_on, issued_at as "issued_at!", sha256 as "sha256!"
             from certificates where id = $1 and issued_at is not null"#,
        parse(&id)?.0,
    )
    .fetch_optional(&env.db)
    .await?
    .ok_or_else(|| ApiError::not_found().because("certificate_unknown", "no certificate with this id was issued here"))?;
    Ok(Json(Verification {
        valid: true,
        learner_name: row.learner_name,
        course_title: row.course_title,
        instructor_name: row.instructor_name,
        completed_on: row.completed_on,
        issued_at: row.issued_at,
        sha256: hex::encode(row.sha256),
    }))
}

/// Is this file a certificate of ours, unchanged? Public; the body is the PDF.
#[utoipa::path(
    post, path = "/certificates/verify", tag = "certificates", security(()),
    request_body(content = Vec<u8>, content_type = "application/pdf", description = "the file, at most 5 MB"),
    responses(
        (status = 200, body = FileVerification),
        (status = 400, description = "`empty_file`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`file_too_large`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn verify_file(State(env): State<Env>, body: Result<Bytes, BytesRejection>) -> Result<Json<FileVerification>, ApiError> {
    let bytes = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "file_too_large", "a certificate has at most 5 MB"),
        _ => ApiError::bad_request("body_incomplete", "the file did not arrive whole; send it again"),
    })?;
    if bytes.is_empty() {
        return Err(ApiError::bad_request("empty_file", "send the certificate's PDF as the body"));
    }
    Ok(Json(match verify::verify(&env.db, bytes.into()).await? {
        Verdict::Valid { certificate_id } => FileVerification { valid: true, certificate_id: Some(certificate_id), reason: None },
        Verdict::Altered { certificate_id } => {
            FileVerification { valid: false, certificate_id: Some(certificate_id), reason: Some("altered") }
        }
        Verdict::Unknown => FileVerification { valid: false, certificate_id: None, reason: Some("unknown") },
    }))
}

/// What is no id at all names nothing.
fn parse(id: &str) -> Result<CertificateId, ApiError> {
    id.parse().map_err(|_| ApiError::not_found())
}
