//! What every doorbell must do, run against each; and what holds for RabbitMQ alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use kernel::env::Env;
use kernel::events::Cause;
use kernel::http::Role;
use kernel::id::AssetId;
use kernel::jobs::{self, Stage};
use kernel::pipeline::{EmbedChunks, TranscodeMedia};
use kernel::queue::rabbitmq::Pace;
use kernel::queue::{Queue, RabbitBell};
use kernel::testing::{Backends, PACE, RabbitMq, TestEnv, claim_one};
use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueuePurgeOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

const LEASE: Duration = Duration::from_secs(60);

macro_rules! conformance {
    ($($name:ident)+) => {
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::TestEnv::with(super::Backends { broker: None }).await).await;
            })+
        }
        mod rabbitmq {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::with_rabbitmq().await).await;
            })+
        }
    };
}

conformance! {
    a_ring_wakes_a_waiter
    a_ring_before_the_wait_is_not_lost
    the_ring_of_one_stage_does_not_wake_another
    a_waiter_that_gave_up_takes_no_ring_with_it
    an_enqueued_job_rings_on_commit_and_not_on_rollback
    a_bell_that_begins_to_listen_finds_what_was_enqueued_before
    every_job_enqueued_elsewhere_is_claimed_by_one_of_two_processes
    duplicates_cause_nothing_but_empty_claims
}

async fn with_rabbitmq() -> TestEnv {
    let broker = tokio::task::spawn_blocking(RabbitMq::shared).await.unwrap();
    TestEnv::with(Backends { broker: Some(broker) }).await
}

async fn an_asset(test: &TestEnv) -> AssetId {
    let teacher = test.account(Role::Instructor).await;
    let course = test.course(&teacher, "draft").await;
    test.asset(&teacher, course, "a.mp4", b"bytes").await
}

async fn enqueue(env: &Env, job: impl Into<jobs::AnyJob>) {
    let mut conn = env.db.acquire().await.unwrap();
    jobs::enqueue(&mut conn, job, &Cause::default()).await.unwrap();
}

/// Takes the rings that came with beginning to listen.
async fn quiet(bell: &dyn Queue) {
    for stage in Stage::ALL {
        while bell.wait(stage).now_or_never().is_some() {
            bell.answered(stage, 0).await;
        }
    }
}

/// Waits for a ring that has to come.
async fn hear(bell: &dyn Queue, stage: Stage) {
    tokio::time::timeout(Duration::from_secs(60), bell.wait(stage)).await.expect("the bell never rang");
}

/// What a dispatcher does: waits, claims up to its capacity, answers. A claim that filled it rings on.
fn dispatch(env: &Env, stage: Stage, capacity: usize, claimed: &Arc<AtomicUsize>) -> tokio::task::JoinHandle<()> {
    let (env, all) = (env.clone(), claimed.clone());
    tokio::spawn(async move {
        loop {
            env.bell.wait(stage).await;
            let mut claimed = 0;
            while claimed < capacity && claim_one(&env.db, stage, "dispatcher", LEASE).await.is_some() {
                claimed += 1;
            }
            env.bell.answered(stage, claimed).await;
            if claimed == capacity {
                env.bell.ring(stage);
            }
            all.fetch_add(claimed, Ordering::SeqCst);
        }
    })
}

async fn a_ring_wakes_a_waiter(test: &TestEnv) {
    let bell = test.env.bell.clone();
    let waiter = tokio::spawn(async move { bell.wait(Stage::Embed).await });
    test.env.bell.ring(Stage::Embed);
    waiter.await.unwrap();
}

async fn a_ring_before_the_wait_is_not_lost(test: &TestEnv) {
    test.env.bell.ring(Stage::Embed);
    hear(test.env.bell.as_ref(), Stage::Embed).await;
    assert!(test.env.bell.wait(Stage::Embed).now_or_never().is_none(), "one ring, one return");
}

async fn the_ring_of_one_stage_does_not_wake_another(test: &TestEnv) {
    test.env.bell.ring(Stage::Ingest);
    assert!(test.env.bell.wait(Stage::Embed).now_or_never().is_none());
    assert!(test.env.bell.wait(Stage::Ingest).now_or_never().is_some());
}

async fn a_waiter_that_gave_up_takes_no_ring_with_it(test: &TestEnv) {
    let mut given_up = Box::pin(test.env.bell.wait(Stage::Embed));
    assert!(given_up.as_mut().now_or_never().is_none());
    test.env.bell.ring(Stage::Embed);
    drop(given_up);
    hear(test.env.bell.as_ref(), Stage::Embed).await;
}

async fn an_enqueued_job_rings_on_commit_and_not_on_rollback(test: &TestEnv) {
    let asset_id = an_asset(test).await;
    let worker = test.another().await;
    quiet(worker.bell.as_ref()).await;
    let bell = worker.bell.clone();
    let transcode = tokio::spawn(async move { bell.wait(Stage::Transcode).await });
    let mut tx = test.env.db.begin().await.unwrap();
    jobs::enqueue(&mut tx, TranscodeMedia { asset_id }, &Cause::default()).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = test.env.db.begin().await.unwrap();
    jobs::enqueue(&mut tx, EmbedChunks { asset_id }, &Cause::default()).await.unwrap();
    tx.commit().await.unwrap();
    // Notifications keep their order: what rings for the second transaction has passed the first.
    hear(worker.bell.as_ref(), Stage::Embed).await;
    assert!(!transcode.is_finished(), "a job that was rolled back rang");
    enqueue(&test.env, TranscodeMedia { asset_id }).await;
    transcode.await.unwrap();
}

async fn a_bell_that_begins_to_listen_finds_what_was_enqueued_before(test: &TestEnv) {
    enqueue(&test.env, EmbedChunks { asset_id: an_asset(test).await }).await;
    let worker = test.another().await;
    hear(worker.bell.as_ref(), Stage::Embed).await;
    assert!(claim_one(&worker.db, Stage::Embed, "worker", LEASE).await.is_some());
}

async fn every_job_enqueued_elsewhere_is_claimed_by_one_of_two_processes(test: &TestEnv) {
    let asset_id = an_asset(test).await;
    let claimed = Arc::new(AtomicUsize::new(0));
    let workers = [test.another().await, test.another().await];
    let dispatchers = workers.each_ref().map(|worker| dispatch(worker, Stage::Transcode, 3, &claimed));
    for _ in 0..50 {
        enqueue(&test.env, TranscodeMedia { asset_id }).await;
    }
    test.until("all are claimed", async || claimed.load(Ordering::SeqCst) == 50).await;
    assert_eq!(attempts(test).await, vec![1; 50]);
    dispatchers.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn duplicates_cause_nothing_but_empty_claims(test: &TestEnv) {
    let asset_id = an_asset(test).await;
    let worker = test.another().await;
    let claimed = Arc::new(AtomicUsize::new(0));
    let dispatcher = dispatch(&worker, Stage::Transcode, 2, &claimed);
    for _ in 0..5 {
        enqueue(&test.env, TranscodeMedia { asset_id }).await;
        for _ in 0..10 {
            sqlx::query("select pg_notify('learnhub_jobs', 'transcode again')").execute(&test.env.db).await.unwrap();
        }
    }
    test.until("all are claimed", async || claimed.load(Ordering::SeqCst) == 5).await;
    // A ring for another stage comes after all of them.
    enqueue(&test.env, EmbedChunks { asset_id }).await;
    hear(worker.bell.as_ref(), Stage::Embed).await;
    if let Some(broker) = Broker::of(test).await {
        test.until("no message is left", async || broker.ready(Stage::Transcode).await == 0).await;
        dispatcher.abort();
        worker.db.close().await;
    }
    assert_eq!(claimed.load(Ordering::SeqCst), 5);
    assert_eq!(attempts(test).await, [1; 5]);
}

async fn attempts(test: &TestEnv) -> Vec<i32> {
    sqlx::query_scalar("select attempt from jobs where stage = 'transcode'").fetch_all(&test.env.db).await.unwrap()
}

// ---- RabbitMQ alone ----

/// A look at the test's queues from outside.
struct Broker {
    channel: Channel,
    prefix: String,
    _connection: Connection,
}

impl Broker {
    async fn of(test: &TestEnv) -> Option<Self> {
        let queue = &test.env.config.queue;
        if queue.url.is_empty() {
            return None;
        }
        let connection = Connection::connect(&queue.url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        Some(Self { channel, prefix: queue.prefix.clone(), _connection: connection })
    }

    /// Messages that wait and are with no consumer.
    async fn ready(&self, stage: Stage) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared = self.channel.queue_declare(self.queue(stage), options, Default::default()).await;
        declared.unwrap().message_count()
    }

    async fn purge(&self, stage: Stage) {
        self.channel.queue_purge(self.queue(stage), QueuePurgeOptions::default()).await.unwrap();
    }

    async fn publish(&self, stage: Stage) {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        self.channel.basic_publish("".into(), self.queue(stage), options, b"token", properties).await.unwrap().await.unwrap();
    }

    fn queue(&self, stage: Stage) -> lapin::types::ShortString {
        format!("{}.{stage}", self.prefix).into()
    }
}

/// As [`TestEnv::another`], with other times.
async fn another(test: &TestEnv, pace: Pace) -> Env {
    let mut env = test.env.clone();
    env.db = sqlx::PgPool::connect_with(test.superuser.clone().username(kernel::db::APP_ROLE)).await.unwrap();
    let queue = &test.env.config.queue;
    env.bell = RabbitBell::with_pace(&queue.url, &queue.prefix, pace).unwrap();
    env.bell.clone().listen(env.db.clone()).await.unwrap();
    test.until("the relay is elected", async || relays(test).await == 1).await;
    env
}

async fn relays(test: &TestEnv) -> i64 {
    let sql = "select count(*) from pg_locks where locktype = 'advisory' and granted
                  and database = (select oid from pg_database where datname = current_database())
                  and pid in (select pid from pg_stat_activity where query ilike 'listen%')";
    let mut conn = sqlx::PgPool::connect_with(test.superuser.clone()).await.unwrap().acquire().await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut *conn).await.unwrap()
}

/// Times under which only messages ring: nobody looks again, and nobody gives back what it holds.
const STILL: Pace = Pace { hold: Duration::from_secs(3600), again: None, ..PACE };

#[tokio::test]
async fn what_a_consumer_that_dies_has_not_answered_goes_to_another() {
    let test = with_rabbitmq().await;
    let broker = Broker::of(&test).await.unwrap();
    let relay = another(&test, STILL).await;
    let dies = another(&test, STILL).await;
    enqueue(&test.env, EmbedChunks { asset_id: an_asset(&test).await }).await;
    hear(dies.bell.as_ref(), Stage::Embed).await;
    let bell = relay.bell.clone();
    let other = tokio::spawn(async move { bell.wait(Stage::Embed).await });
    assert_eq!(broker.ready(Stage::Embed).await, 0, "the message is with the first");
    assert!(!other.is_finished());
    dies.db.close().await;
    other.await.unwrap();
    assert!(claim_one(&relay.db, Stage::Embed, "other", LEASE).await.is_some());
}

#[tokio::test]
async fn as_many_messages_are_acknowledged_as_jobs_were_claimed_and_all_when_there_was_none() {
    let test = with_rabbitmq().await;
    let broker = Broker::of(&test).await.unwrap();
    let worker = another(&test, STILL).await;
    let five_offered = async || {
        for _ in 0..5 {
            broker.publish(Stage::Embed).await;
            hear(worker.bell.as_ref(), Stage::Embed).await;
        }
    };
    five_offered().await;
    worker.bell.answered(Stage::Embed, 0).await;
    five_offered().await;
    worker.bell.answered(Stage::Embed, 2).await;
    // What is left of the offer is offered again.
    hear(worker.bell.as_ref(), Stage::Embed).await;
    worker.db.close().await;
    test.until("the others wait again", async || broker.ready(Stage::Embed).await == 3).await;
}

#[tokio::test]
async fn messages_that_a_busy_process_holds_go_back_for_others() {
    let test = with_rabbitmq().await;
    let broker = Broker::of(&test).await.unwrap();
    let busy = another(&test, Pace { hold: Duration::from_millis(100), ..STILL }).await;
    broker.publish(Stage::Embed).await;
    hear(busy.bell.as_ref(), Stage::Embed).await;
    test.until("the message waits again", async || broker.ready(Stage::Embed).await == 1).await;
    let idle = another(&test, STILL).await;
    hear(idle.bell.as_ref(), Stage::Embed).await;
    idle.bell.answered(Stage::Embed, 1).await;
    // The busy one, when it is free, hears of the next.
    broker.publish(Stage::Embed).await;
    idle.db.close().await;
    hear(busy.bell.as_ref(), Stage::Embed).await;
}

#[tokio::test]
async fn a_message_that_was_lost_is_made_again_but_not_without_the_second_look() {
    let test = with_rabbitmq().await;
    let broker = Broker::of(&test).await.unwrap();
    let asset_id = an_asset(&test).await;
    let blind = another(&test, STILL).await;
    enqueue(&test.env, EmbedChunks { asset_id }).await;
    test.until("the message is there", async || broker.ready(Stage::Embed).await == 1).await;
    broker.purge(Stage::Embed).await;
    // The relay goes on: a later job's message comes through, the lost one does not.
    enqueue(&test.env, TranscodeMedia { asset_id }).await;
    hear(blind.bell.as_ref(), Stage::Transcode).await;
    assert!(blind.bell.wait(Stage::Embed).now_or_never().is_none());
    assert_eq!(broker.ready(Stage::Embed).await, 0);
    blind.db.close().await;
    let looks = another(&test, Pace { again: PACE.again, ..STILL }).await;
    hear(looks.bell.as_ref(), Stage::Embed).await;
    // And not only at its start.
    looks.bell.answered(Stage::Embed, 1).await;
    hear(looks.bell.as_ref(), Stage::Embed).await;
}

#[tokio::test]
async fn another_process_relays_when_the_first_is_gone() {
    let test = with_rabbitmq().await;
    let first = another(&test, STILL).await;
    let second = another(&test, STILL).await;
    assert_eq!(relays(&test).await, 1, "one relays at a time");
    first.db.close().await;
    let asset_id = an_asset(&test).await;
    let waiter = tokio::spawn(async move { second.bell.wait(Stage::Embed).await });
    test.until("a job rings", async || {
        enqueue(&test.env, EmbedChunks { asset_id }).await;
        waiter.is_finished()
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_is_killed_and_comes_back_costs_no_job() {
    let broker = tokio::task::spawn_blocking(RabbitMq::launch).await.unwrap();
    let test = TestEnv::with(Backends { broker: Some(broker.clone()) }).await;
    let asset_id = an_asset(&test).await;
    let worker = test.another().await;
    let claimed = Arc::new(AtomicUsize::new(0));
    let dispatcher = dispatch(&worker, Stage::Transcode, 2, &claimed);
    let enqueue_many = async |count| {
        for _ in 0..count {
            enqueue(&test.env, TranscodeMedia { asset_id }).await;
        }
    };
    enqueue_many(10).await;
    test.until("some are claimed", async || claimed.load(Ordering::SeqCst) >= 3).await;
    let killing = broker.clone();
    tokio::task::spawn_blocking(move || killing.kill()).await.unwrap();
    enqueue_many(10).await;
    test.until("it is noticed", async || !worker.bell.connected()).await;
    // What the sweep does is not in need of a broker. It rings again and again: a claim that begins at a mark may pass over
    // a job for a few seconds.
    test.until("what was enqueued meanwhile is claimed", async || {
        worker.bell.ring(Stage::Transcode);
        claimed.load(Ordering::SeqCst) == 20
    })
    .await;
    enqueue_many(5).await;
    tokio::task::spawn_blocking(move || broker.start()).await.unwrap();
    test.until("it is noticed", async || worker.bell.connected()).await;
    test.until("what waited is claimed", async || claimed.load(Ordering::SeqCst) == 25).await;
    enqueue_many(5).await;
    test.until("it goes on as before", async || claimed.load(Ordering::SeqCst) == 30).await;
    assert_eq!(attempts(&test).await, [1; 30]);
    dispatcher.abort();
}

#[tokio::test]
async fn a_broker_that_cannot_be_used_stops_the_start_with_the_key() {
    let test = with_rabbitmq().await;
    let good = test.env.config.queue.url.clone();
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    for (url, expected) in [
        (format!("amqp://u:secret@{nobody}/"), "start it, or correct queue.url"),
        (good.replace("p%25ss%20word", "secret"), "refuses the user tester: correct user and password in queue.url"),
        (good.replace("%2f", "elsewhere"), "has no vhost \"elsewhere\" for the user tester"),
    ] {
        let error = RabbitBell::new(&url, "x").unwrap().listen(test.env.db.clone()).await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(expected) && error.contains("queue.url") && !error.contains("secret"), "{error}");
    }
    RabbitBell::new(&good, &test.env.config.queue.prefix).unwrap().listen(test.env.db.clone()).await.unwrap();
}
