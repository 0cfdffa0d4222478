//! The relay: turns PostgreSQL's notifications into messages, and rings again for what nobody took.
//!
//! Any process may relay, one does: the holder of a session lock on the very connection that listens, so that the
//! lock is free as soon as that process is gone.

use std::pin::pin;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use futures::stream::try_unfold;
use lapin::Connection;
use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::broker::{Broker, Publisher};
use super::{Pace, lost};
use crate::jobs::Stage;
use crate::queue::postgres;

/// How many notifications become messages under one wait for confirms.
const BATCH: usize = 512;
/// How many messages a stage gets at most when it is rung for again: enough to keep many hosts busy until the next.
const AGAIN: i64 = 1000;

/// Waits for election and then relays, until a connection is lost.
pub async fn relay(broker: &Broker, db: &PgPool, pace: &Pace) -> Result<()> {
    // A connection of its own: one that went back to a shared pool would take the lock with it.
    let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let own = own.connect_with(db.connect_options().as_ref().clone()).await.context("connect the relay to the database")?;
    let mut listener = PgListener::connect_with(&own).await.context("connect the relay to the database")?;
    listener.eager_reconnect(false);
    while !elected(&mut listener, broker).await? {
        tokio::time::sleep(pace.election).await;
    }
    listener.listen(postgres::CHANNEL).await.context("listen for notifications")?;
    let connection = broker.connect().await?;
    broker.declare_all(&connection).await?;
    let publisher = Publisher::open(&connection).await?;
    info!("this process relays to the broker");
    let ended = forward(listener, &publisher, &connection, broker, db, pace).await;
    let _ = connection.close(200, "the relay ends".into()).await;
    ended
}

async fn elected(listener: &mut PgListener, broker: &Broker) -> Result<bool> {
    sqlx::query_scalar!("select pg_try_advisory_lock(hashtextextended('learnhub relay ' || $1, 0)) as \"won!\"", broker.prefix())
        .fetch_one(listener)
        .await
        .context("stand for relay")
}

async fn forward(
    listener: PgListener,
    publisher: &Publisher,
    connection: &Connection,
    broker: &Broker,
    db: &PgPool,
    pace: &Pace,
) -> Result<()> {
    let notes = try_unfold(listener, |mut listener| async move {
        let note = listener.try_recv().await?;
        sqlx::Result::Ok(note.map(|note| (note, listener)))
    });
    let mut notes = pin!(notes.ready_chunks(BATCH));
    // The first tick is now: what was notified while nobody relayed is found by looking.
    let mut again = pace.again.map(tokio::time::interval);
    if let Some(again) = &mut again {
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut lost = pin!(lost(connection));
    loop {
        tokio::select! {
            chunk = notes.next() => {
                let Some(chunk) = chunk else { bail!("the relay lost its connection to the database") };
                let notes = chunk.into_iter().collect::<sqlx::Result<Vec<_>>>().context("listen for notifications")?;
                let messages = notes.iter().filter_map(|note| message(broker, note.payload())).collect();
                crate::crash_point!("relay.heard");
                publisher.publish(messages).await?;
                crate::crash_point!("relay.published");
            }
            () = tick(&mut again) => ring_again(publisher, broker, db).await?,
            () = &mut lost => bail!("the relay lost its connection to the broker"),
        }
    }
}

fn message<'a>(broker: &Broker, payload: &'a str) -> Option<(String, &'a str)> {
    let Some(stage) = postgres::stage(payload) else {
        warn!("a notification for an unknown stage: {payload:?}");
        return None;
    };
    Some((broker.queue(stage), payload))
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

/// Publishes for stages that have due jobs but no message that waits: some were lost, or a retry has become due.
async fn ring_again(publisher: &Publisher, broker: &Broker, db: &PgPool) -> Result<()> {
    let due = sqlx::query!("select stage, count(*) as \"jobs!\" from jobs where state = 'queued' and run_at <= now() group by stage")
        .fetch_all(db)
        .await
        .context("look for due jobs")?;
    for row in due {
        let Ok(stage) = row.stage.parse::<Stage>() else { continue };
        if broker.declare(publisher.channel(), stage).await? == 0 {
            let message = (broker.queue(stage), "again");
            publisher.publish(vec![message; row.jobs.min(AGAIN) as usize]).await?;
        }
    }
    Ok(())
}
