//! Issues a certificate: renders its PDF, stores it, and says so once.

use anyhow::Context;
use kernel::env::Env;
use kernel::id::CertificateId;
use kernel::jobs::{Ctx, Done, Failure, OrFail, Runner};
use kernel::pipeline::{Event, RenderCertificate};
use kernel::store::Key;
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::layout::CertificateFacts;
use crate::pdf;

/// Adds this room's job.
pub fn register(runner: &mut Runner) {
    runner.on(render_certificate);
}

/// The public page of a certificate: where its QR code leads.
pub fn verify_url(env: &Env, id: CertificateId) -> String {
    format!("{}/verify/{id}", env.config.public_url())
}

async fn render_certificate(ctx: Ctx, job: RenderCertificate) -> Result<Done, Failure> {
    let id = job.certificate_id;
    let row =
        sqlx::query!("select learner_name, course_title, instructor_name, completed_on, issued_at from certificates where id = $1", id.0)
            .fetch_optional(&ctx.env.db)
            .await
            .context("load the certificate")?;
    let Some(row) = row else { return ctx.skip("the certificate is gone").await };
    if row.issued_at.is_some() {
        return ctx.skip("it is issued already").await;
    }
    let facts = CertificateFacts {
        learner_name: row.learner_name,
        course_title: row.course_title,
        instructor_name: row.instructor_name,
        completed_on: row.completed_on,
        certificate_id: id,
        verify_url: verify_url(&ctx.env, id),
    };
    let rendered = tokio::task::spawn_blocking(move || pdf::render(&facts))
        .await?
        .or_fail("certificate_unrenderable", "this certificate cannot be drawn; http.public_url may be too long")?;
    if !rendered.missing.is_empty() {
        warn!(certificate.id = %id, "{} characters of this certificate have no glyph in the bundled fonts; they are boxes in print", rendered.missing.len());
    }
    let sha256 = Sha256::digest(&rendered.bytes);
    let key = Key::certificate(id, ctx.job.id, ctx.job.attempt);
    ctx.env.store.put(&key, rendered.bytes.into()).await.context("store the certificate")?;
    kernel::crash_point!("certificate.stored");
    let mut done = ctx.finish().await?;
    let issued = sqlx::query!(
        "update certificates set object_key = $2, sha256 = $3, issued_at = $4 where id = $1 and issued_at is null",
        id.0,
        key.as_str(),
        &sha256[..],
        ctx.env.clock.now(),
    )
    .execute(done.conn())
    .await?;
    kernel::crash_point!("certificate.recorded");
    match issued.rows_affected() {
        1 => done.commit(Event::CertificateIssued { certificate_id: id }).await,
        // Another job was faster. What was stored here is an orphan that the janitor sweeps.
        _ => done.commit_silent().await,
    }
}
