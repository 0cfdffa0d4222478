//! The invariants about what happened: effects once per key, events exactly with their transaction.
//!
//! A job's row goes when its asset is deleted and its events stay, so that only events of assets that are there, or of
//! none, say anything about a missing job.

use anyhow::{Context, Result};
use kernel::env::Env;

/// Certificates are what goes out: one per learner and course, and one per enrollment; issued and announced once.
pub(super) async fn i6(env: &Env) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        "select 'account ' || account_id || ' has ' || count(*) || ' certificates of course ' || course_id as \"offender!\"
           from certificates group by account_id, course_id having count(*) > 1
         union all
         select 'enrollment ' || enrollment_id || ' has ' || count(*) || ' certificates'
           from certificates group by enrollment_id having count(*) > 1
         union all
         select 'certificate ' || c.id || ' was issued ' || count(e.id) || ' times'
           from certificates c
           left join events e on e.kind = 'CertificateIssued' and e.payload ->> 'certificate_id' = c.id::text
          group by c.id, c.issued_at having count(e.id) <> case when c.issued_at is null then 0 else 1 end
         union all
         select 'the completion behind certificate ' || c.id || ' happened ' || count(e.id) || ' times'
           from certificates c
           join events e on e.kind = 'CourseCompleted' and e.payload ->> 'certificate_id' = c.id::text
          group by c.id having count(e.id) > 1
         union all
         select 'asset ' || asset_id || ' was published ' || count(*) || ' times'
           from events where kind = 'Published' group by asset_id having count(*) > 1"
    )
    .fetch_all(&env.db)
    .await
    .context("look for effects that happened more than once")
}

/// A job that ended well has its one event, and an event that a job recorded has its job, which ended well.
///
/// `Indexed` is recorded while the writer's job still runs, and `AssetFailed` when a job dies: for those only the job's
/// row is asked for.
pub(super) async fn i9(env: &Env) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        "with must (job_kind, event_kind) as
           (values ('IngestUpload', 'Ingested'), ('TranscodeMedia', 'StreamPlanned'), ('ExtractDocument', 'Extracted')),
         may (job_kind, event_kind) as
           (select * from must union all values ('PackageStream', 'Transcoded'), ('EmbedChunks', 'Embedded'), ('PublishAsset', 'Published'), ('RenderCertificate', 'CertificateIssued'))
         select 'job ' || j.id || ' (' || j.kind || ') is done without ' || m.event_kind as \"offender!\"
           from jobs j join must m on m.job_kind = j.kind join assets a on a.id = j.asset_id
          where j.state = 'done' and not exists (select 1 from events e where e.job_id = j.id and e.kind = m.event_kind)
            and (j.kind <> 'ExtractDocument' or a.kind in ('document', 'captions'))
         union all
         select 'job ' || j.id || ' (' || j.kind || ') recorded ' || m.event_kind || ' ' || count(e.id) || ' times'
           from jobs j join may m on m.job_kind = j.kind join events e on e.job_id = j.id and e.kind = m.event_kind
          group by j.id, j.kind, m.event_kind having count(e.id) > 1
         union all
         select 'event ' || e.id || ' (' || e.kind || ') is of job ' || j.id || ', which is ' || j.state
           from events e join jobs j on j.id = e.job_id join may m on m.job_kind = j.kind and m.event_kind = e.kind
          where j.state <> 'done'
         union all
         select 'event ' || e.id || ' (' || e.kind || ') is of job ' || e.job_id || ', which there is not'
           from events e
          where e.job_id is not null and not exists (select 1 from jobs j where j.id = e.job_id)
            and (e.asset_id is null or exists (select 1 from assets a where a.id = e.asset_id))"
    )
    .fetch_all(&env.db)
    .await
    .context("compare events with jobs")
}

#[cfg(test)]
mod tests {
    use kernel::http::Role;
    use kernel::id::{AssetId, CertificateId, EnrollmentId};
    use kernel::testing::TestEnv;
    use uuid::Uuid;

    use super::*;

    async fn run(test: &TestEnv, sql: &'static str, ids: &[Uuid]) {
        let mut query = sqlx::query(sql);
        for id in ids {
            query = query.bind(*id);
        }
        query.execute(&test.env.db).await.expect(sql);
    }

    const JOB: &str = "insert into jobs (id, kind, stage, payload, asset_id, max_failures, state)
                       values ($1, 'ExtractDocument', 'extract', '{}', $2, 8, 'done')";
    const EVENT: &str = "insert into events (kind, asset_id, job_id, payload) values ('Extracted', $2, $1, '{}')";

    async fn document(test: &TestEnv) -> AssetId {
        let owner = test.account(Role::Instructor).await;
        let course = test.course(&owner, "draft").await;
        let asset = test.asset(&owner, course, "notes.md", b"notes").await;
        run(test, "update assets set kind = 'document' where id = $1", &[asset.0]).await;
        asset
    }

    #[tokio::test]
    async fn a_done_job_with_its_one_event_is_as_it_should_be() {
        let test = TestEnv::new().await;
        let (asset, job) = (document(&test).await, Uuid::now_v7());
        run(&test, JOB, &[job, asset.0]).await;
        run(&test, EVENT, &[job, asset.0]).await;
        assert_eq!(i9(&test.env).await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_done_job_without_its_event_is_named_and_one_with_two_as_well() {
        let test = TestEnv::new().await;
        let (asset, silent, loud) = (document(&test).await, Uuid::now_v7(), Uuid::now_v7());
        for job in [silent, loud] {
            run(&test, JOB, &[job, asset.0]).await;
        }
        run(&test, EVENT, &[loud, asset.0]).await;
        run(&test, EVENT, &[loud, asset.0]).await;
        let found = i9(&test.env).await.unwrap();
        assert_eq!(
            found,
            [
                format!("job {silent} (ExtractDocument) is done without Extracted"),
                format!("job {loud} (ExtractDocument) recorded Extracted 2 times")
            ]
        );
    }

    #[tokio::test]
    async fn an_event_of_a_job_that_did_not_finish_or_does_not_exist_is_named() {
        let test = TestEnv::new().await;
        let (asset, queued, nobody) = (document(&test).await, Uuid::now_v7(), Uuid::now_v7());
        run(&test, JOB, &[queued, asset.0]).await;
        run(&test, "update jobs set state = 'queued' where id = $1", &[queued]).await;
        run(&test, EVENT, &[queued, asset.0]).await;
        run(&test, EVENT, &[nobody, asset.0]).await;
        let found = i9(&test.env).await.unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains(&queued.to_string()) && found[0].ends_with("which is queued"), "{found:?}");
        assert!(found[1].contains(&nobody.to_string()) && found[1].ends_with("which there is not"), "{found:?}");
    }

    #[tokio::test]
    async fn the_events_of_a_deleted_asset_are_no_offence() {
        let test = TestEnv::new().await;
        let (asset, job) = (document(&test).await, Uuid::now_v7());
        run(&test, JOB, &[job, asset.0]).await;
        run(&test, EVENT, &[job, asset.0]).await;
        run(&test, "delete from assets where id = $1", &[asset.0]).await;
        assert_eq!(i9(&test.env).await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_second_certificate_and_one_issued_twice_or_silently_are_named() {
        let test = TestEnv::new().await;
        let (owner, learner) = (test.account(Role::Instructor).await, test.account(Role::Student).await);
        let (course, other) = (test.course(&owner, "published").await, test.course(&owner, "published").await);
        let enrollment = EnrollmentId::new().0;
        run(
            &test,
            "insert into enrollments (id, course_id, account_id) values ($1, $2, $3)",
            &[enrollment, course.0, learner.account_id.0],
        )
        .await;
        let (first, second) = (CertificateId::new().0, CertificateId::new().0);
        for (id, course) in [(first, course), (second, other)] {
            run(
                &test,
                "insert into certificates (id, enrollment_id, course_id, account_id, learner_name, course_title, instructor_name, completed_on)
                 values ($1, $2, $3, $4, 'L', 'C', 'I', now())",
                &[id, enrollment, course.0, learner.account_id.0],
            )
            .await;
        }
        assert_eq!(i6(&test.env).await.unwrap(), [format!("enrollment {enrollment} has 2 certificates")]);
        let issued = "update certificates set object_key = 'certificates/x', sha256 = 'x', issued_at = now() where id = $1";
        run(&test, "delete from certificates where id = $1", &[second]).await;
        run(&test, issued, &[first]).await;
        assert_eq!(i6(&test.env).await.unwrap(), [format!("certificate {first} was issued 0 times")]);
        let event = "insert into events (kind, payload) values ('CertificateIssued', jsonb_build_object('certificate_id', $1::uuid))";
        run(&test, event, &[first]).await;
        assert_eq!(i6(&test.env).await.unwrap(), Vec::<String>::new());
        run(&test, event, &[first]).await;
        assert_eq!(i6(&test.env).await.unwrap(), [format!("certificate {first} was issued 2 times")]);
    }

    #[tokio::test]
    async fn an_asset_that_was_published_twice_is_named() {
        let test = TestEnv::new().await;
        let asset = document(&test).await;
        let published = "insert into events (kind, asset_id, payload) values ('Published', $1, '{}')";
        run(&test, published, &[asset.0]).await;
        assert_eq!(i6(&test.env).await.unwrap(), Vec::<String>::new());
        run(&test, published, &[asset.0]).await;
        assert_eq!(i6(&test.env).await.unwrap(), [format!("asset {} was published 2 times", asset)]);
    }
}
