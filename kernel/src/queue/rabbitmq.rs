//! The doorbell over RabbitMQ: a durable queue per stage, whose messages are tokens that say "ask the ledger".
//!
//! PostgreSQL stays the book. The relay turns its notifications into messages, a consumer per stage holds what was
//! delivered until the ledger has answered. Nothing depends on a message being delivered once, or in order, or at
//! all: a token too many costs an empty claim, and one too few is found missing by the relay within seconds.

mod broker;
mod relay;
mod tokens;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use futures::StreamExt;
use futures::future::try_join_all;
use lapin::Connection;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use sqlx::PgPool;
use tracing::{info, warn};

use self::broker::{Broker, in_time};
use self::tokens::Tokens;
use super::Queue;
use crate::jobs::Stage;

/// Messages of a stage that the broker delivers here before the first of them is answered.
const PREFETCH: u16 = 32;

/// How long the bell waits for what.
#[derive(Clone, Debug)]
pub struct Pace {
    /// A token that nobody here has asked the ledger for after this time goes back for other hosts.
    pub hold: Duration,
    /// How often the relay looks for due jobs that no message stands for. None: never, not even at first.
    pub again: Option<Duration>,
    /// How often a process asks whether it is to be the relay.
    pub election: Duration,
    /// The longest pause between two tries to connect.
    pub retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(5),
            again: Some(Duration::from_secs(5)),
            election: Duration::from_secs(2),
            retry: Duration::from_secs(10),
        }
    }
}

/// Bells of this process, rung by messages.
pub struct RabbitBell {
    broker: Broker,
    pace: Pace,
    stages: BTreeMap<Stage, Tokens>,
    connected: AtomicBool,
}

impl RabbitBell {
    /// A bell for this broker and this prefix of its queues; it connects when it is to listen.
    ///
    /// Fails with the key when the address or the prefix cannot be used.
    pub fn new(url: &str, prefix: &str) -> Result<Arc<Self>> {
        Self::with_pace(url, prefix, Pace::default())
    }

    /// As [`RabbitBell::new`], with other times.
    pub fn with_pace(url: &str, prefix: &str, pace: Pace) -> Result<Arc<Self>> {
        let stages = Stage::ALL.iter().map(|stage| (*stage, Tokens::default())).collect();
        Ok(Arc::new(Self { broker: Broker::new(url, prefix)?, pace, stages, connected: AtomicBool::new(false) }))
    }

    /// Keeps a connection, and consumes for the stages that are waited for.
    async fn consume(&self, first: Connection) -> Infallible {
        let mut connection = Ok(first);
        let mut pause = Backoff::new(self.pace.retry);
        loop {
            let error = match connection {
                Ok(connection) => {
                    if !self.connected.swap(true, Ordering::Relaxed) {
                        info!("the broker rings");
                    }
                    pause.reset();
                    self.session(&connection).await
                }
                Err(error) => error,
            };
            for tokens in self.stages.values() {
                tokens.forget();
            }
            if self.connected.swap(false, Ordering::Relaxed) {
                warn!("the broker is gone; until it is back, the sweep rings: {error:#}");
            }
            pause.wait().await;
            connection = self.connect().await;
        }
    }

    async fn connect(&self) -> Result<Connection> {
        let connection = self.broker.connect().await?;
        self.broker.declare_all(&connection).await?;
        Ok(connection)
    }

    /// Consumes until the connection is lost, and says why.
    async fn session(&self, connection: &Connection) -> anyhow::Error {
        let stages = try_join_all(self.stages.iter().map(|(stage, tokens)| self.stage(connection, *stage, tokens)));
        tokio::select! {
            ended = stages => match ended {
                Err(error) => error,
                Ok(never) => match never.into_iter().next() {
                    Some(never) => match never {},
                    None => anyhow::anyhow!("there are no stages"),
                },
            },
            () = lost(connection) => anyhow::anyhow!("the connection was lost"),
        }
    }

    async fn stage(&self, connection: &Connection, stage: Stage, tokens: &Tokens) -> Result<Infallible> {
        let queue = self.broker.queue(stage);
        loop {
            tokens.wanted().await;
            let channel = in_time("open_channel", connection.create_channel()).await.context("open a channel")?;
            in_time("qos", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await.context("limit deliveries")?;
            let consume = channel.basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
            let mut deliveries = in_time("consume", consume).await.with_context(|| format!("consume {queue}"))?;
            loop {
                tokio::select! {
                    delivery = deliveries.next() => match delivery {
                        Some(delivery) => tokens.hold(delivery.with_context(|| format!("consume {queue}"))?.acker),
                        None => bail!("the broker ended the deliveries of {queue}"),
                    },
                    () = tokens.stale(self.pace.hold) => break,
                }
            }
            // Whoever works here is busy. Closing the channel gives back what is not acknowledged, and nothing more
            // comes until somebody waits again, so that messages do not go to and fro.
            tokens.forget();
            in_time("close", channel.close(200, "busy".into())).await.context("close a channel")?;
        }
    }

    /// Relays whenever it is elected.
    async fn relay(&self, db: &PgPool) -> Infallible {
        let mut pause = Backoff::new(self.pace.retry);
        let mut failing = false;
        loop {
            let begun = tokio::time::Instant::now();
            if let Err(error) = relay::relay(&self.broker, db, &self.pace).await
                && !std::mem::replace(&mut failing, true)
            {
                warn!("the relay stops and tries again: {error:#}");
            }
            if begun.elapsed() > self.pace.retry {
                pause.reset();
                failing = false;
            }
            pause.wait().await;
        }
    }
}

#[async_trait]
impl Queue for RabbitBell {
    async fn listen(self: Arc<Self>, db: PgPool) -> Result<()> {
        let first = self.connect().await?;
        tokio::spawn(async move {
            tokio::select! {
                never = self.consume(first) => match never {},
                never = self.relay(&db) => match never {},
                () = db.close_event() => {}
            }
            self.connected.store(false, Ordering::Relaxed);
        });
        Ok(())
    }

    fn connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    fn ring(&self, stage: Stage) {
        self.stages[&stage].ring();
    }

    async fn wait(&self, stage: Stage) {
        self.stages[&stage].wait().await;
    }

    async fn answered(&self, stage: Stage, claimed: usize) {
        self.stages[&stage].answered(claimed).await;
    }
}

/// Looks whether the broker can be used. Returns how many messages wait in our queues; the error says what to do.
pub async fn check(url: &str, prefix: &str) -> Result<u32> {
    let broker = Broker::new(url, prefix)?;
    let connection = broker.connect().await?;
    let waiting = broker.declare_all(&connection).await?;
    in_time("close", connection.close(200, "checked".into())).await.context("close the connection")?;
    Ok(waiting)
}

/// Returns when the connection is no longer there; a silent one is noticed by its heartbeat.
async fn lost(connection: &Connection) {
    let mut events = connection.events_listener();
    while connection.status().connected() {
        // Events tell at once; looking as well costs nothing and misses none.
        let _ = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
    }
}

/// Pauses that double, with jitter, so that processes do not come back all at once.
struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);

    fn new(most: Duration) -> Self {
        Self { next: Self::FIRST.min(most), most }
    }

    fn reset(&mut self) {
        self.next = Self::FIRST.min(self.most);
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.next.mul_f64(rand::random_range(0.5..1.0))).await;
        self.next = (self.next * 2).min(self.most);
    }
}
