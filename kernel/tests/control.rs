//! What operators do to many jobs, and making assets anew; against a real PostgreSQL.

use kernel::events::Cause;
use kernel::http::Role;
use kernel::id::{AssetId, JobId};
use kernel::jobs::control::{self, Action, Answer};
use kernel::jobs::view::{self, Filter, State};
use kernel::jobs::{self, Lane, Stage, rerun};
use kernel::pipeline::ExtractDocument;
use kernel::testing::TestEnv;

async fn asset(test: &TestEnv) -> AssetId {
    let teacher = test.account(Role::Instructor).await;
    let course = test.course(&teacher, "draft").await;
    let id = test.asset(&teacher, course, "a.pdf", AssetId::new().0.as_bytes()).await;
    run(test, "update assets set kind = 'document' where id = $1", id).await;
    id
}

async fn run(test: &TestEnv, sql: &'static str, id: AssetId) {
    sqlx::query(sql).bind(id.0).execute(&test.env.db).await.unwrap();
}

async fn enqueue(test: &TestEnv, asset_id: AssetId, count: usize) -> Vec<JobId> {
    let mut conn = test.env.db.acquire().await.unwrap();
    for _ in 0..count {
        jobs::enqueue(&mut conn, ExtractDocument { asset_id }, &Cause::default()).await.unwrap();
    }
    let all = view::matching(&test.env.db, &Filter { asset_id: Some(asset_id), ..Filter::default() }, None, 100).await.unwrap();
    all.into_iter().rev().map(|(id, _)| id).collect()
}

async fn in_turn(test: &TestEnv) -> Vec<JobId> {
    let ids = sqlx::query_scalar("select id from jobs where state = 'queued' and stage = 'extract' order by turn, id");
    ids.fetch_all(&test.env.db).await.unwrap().into_iter().map(JobId).collect()
}

async fn jobs_of(test: &TestEnv, asset_id: AssetId) -> Vec<(String, String)> {
    sqlx::query_as("select kind, state from jobs where asset_id = $1 order by id").bind(asset_id.0).fetch_all(&test.env.db).await.unwrap()
}

#[tokio::test]
async fn what_goes_to_the_front_together_keeps_its_order() {
    let test = TestEnv::new().await;
    let (others, mine) = (asset(&test).await, asset(&test).await);
    let first = enqueue(&test, others, 2).await;
    let second = enqueue(&test, mine, 3).await;
    let filter = Filter { asset_id: Some(mine), ..Filter::default() };
    let found = view::matching(&test.env.db, &filter, None, 100).await.unwrap();
    let answers = control::act(&test.env.db, Action::Prioritise { lane: None, front: true }, found, false).await.unwrap();
    assert!(answers.len() == 3 && answers.iter().all(|(_, answer)| *answer == Answer::Done), "{answers:?}");
    assert_eq!(in_turn(&test).await, [second, first].concat());
}

#[tokio::test]
async fn a_filter_cancels_what_it_means_and_nothing_else() {
    let test = TestEnv::new().await;
    let (others, mine) = (asset(&test).await, asset(&test).await);
    enqueue(&test, others, 1).await;
    enqueue(&test, mine, 2).await;
    let filter = Filter { asset_id: Some(mine), state: vec![State::Queued], ..Filter::default() };
    for dry_run in [true, false] {
        let found = view::matching(&test.env.db, &filter, None, 100).await.unwrap();
        assert_eq!(control::act(&test.env.db, Action::Cancel, found, dry_run).await.unwrap().len(), 2, "the dry run changed nothing");
    }
    assert!(jobs_of(&test, mine).await.iter().all(|(_, state)| state == "cancelled"));
    assert_eq!(jobs_of(&test, others).await, [("ExtractDocument".into(), "queued".into())]);
}

#[tokio::test]
async fn a_published_asset_is_made_anew_and_stays_published() {
    let test = TestEnv::new().await;
    let id = asset(&test).await;
    run(&test, "update assets set state = 'published', published_at = now() where id = $1", id).await;
    let again = async |from, dry_run| rerun::rerun(&test.env.db, id, from, Lane::Backfill, &Cause::default(), dry_run).await.unwrap();
    assert_eq!(again(Stage::Extract, true).await, Answer::Done);
    assert!(jobs_of(&test, id).await.is_empty(), "the dry run changed nothing");
    assert_eq!(again(Stage::Transcode, false).await, Answer::WrongState, "a document has no such stage");
    assert_eq!(again(Stage::Extract, false).await, Answer::Done);
    assert_eq!(again(Stage::Extract, false).await, Answer::WrongState, "it waits already");
    let (job, _) = view::matching(&test.env.db, &Filter { asset_id: Some(id), ..Filter::default() }, None, 1).await.unwrap()[0];
    let row = view::show(&test.env.db, job, None, test.env.clock.now()).await.unwrap().unwrap();
    assert_eq!((row.lane, row.owner_id.is_some()), (Lane::Backfill, true), "it uses the share of the asset's owner");
    control::cancel(&test.env.db, job).await.unwrap();
    let state: String = sqlx::query_scalar("select state from assets where id = $1").bind(id.0).fetch_one(&test.env.db).await.unwrap();
    assert_eq!(state, "published", "what is made anew may fail; what is there stays");
    assert_eq!(again(Stage::Extract, false).await, Answer::Done);
    assert_eq!(jobs_of(&test, id).await, [("ExtractDocument".into(), "queued".into())], "the cancelled one is taken up, no second is made");
}

#[tokio::test]
async fn a_failed_asset_is_made_anew_from_where_it_failed_or_before() {
    let test = TestEnv::new().await;
    let id = asset(&test).await;
    run(&test, "update assets set state = 'failed', failure_code = 'x', failure_reason = 'x', failure_stage = 'extract' where id = $1", id)
        .await;
    let again = async |from| rerun::rerun(&test.env.db, id, from, Lane::Default, &Cause::default(), false).await.unwrap();
    assert_eq!(again(Stage::Publish).await, Answer::WrongState, "it would wait for its chunks for ever");
    assert_eq!(again(Stage::Extract).await, Answer::Done);
    let state: String = sqlx::query_scalar("select state from assets where id = $1").bind(id.0).fetch_one(&test.env.db).await.unwrap();
    assert_eq!(state, "processing");
    assert_eq!(
        rerun::rerun(&test.env.db, AssetId::new(), Stage::Ingest, Lane::Default, &Cause::default(), false).await.unwrap(),
        Answer::Unknown
    );
}
