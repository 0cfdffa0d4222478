//! The peer of our doorbell's measurements: RabbitMQ and lapin with nothing around them. Publishes durable messages
//! with confirms into a quorum queue, consumes and acknowledges each, and prints one line of JSON.
//!
//! `cargo run --release -p kernel --example raw_lapin -- [MESSAGES] [URL]`; without a URL it starts a private broker.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kernel::testing::RabbitMq;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};

/// As our bell has it.
const PREFETCH: u16 = 32;
/// Messages whose confirm is awaited at the same time: as many as our relay puts under one wait.
const IN_FLIGHT: usize = 512;
const BYTES: usize = 512;
/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let messages: usize = arguments.next().unwrap_or_else(|| "20000".into()).parse().context("the number of messages")?;
    let url = match arguments.next() {
        Some(url) => url,
        None => tokio::task::spawn_blocking(RabbitMq::launch).await?.url(),
    };
    let queue = format!("raw_lapin.{}", uuid::Uuid::new_v4().simple());
    let connect = || Connection::connect(&url, ConnectionProperties::default());
    let (publishing, consuming) = (connect().await.context("connect")?, connect().await.context("connect")?);
    let channel = consuming.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), arguments).await?;

    let begun = Instant::now();
    let publisher = tokio::spawn(publish(publishing, queue.clone(), messages, begun));
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let consume = channel.basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut deliveries = consume.await?;
    let mut micros = Vec::with_capacity(messages);
    while micros.len() < messages {
        let delivery = deliveries.next().await.context("the broker ended the deliveries")??;
        let sent: [u8; 8] = delivery.data.get(..8).context("a message is too short")?.try_into()?;
        micros.push(begun.elapsed().as_micros() as u64 - u64::from_be_bytes(sent));
        delivery.ack(BasicAckOptions::default()).await?;
    }
    let consumed = begun.elapsed();
    let published = publisher.await??;
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;

    micros.sort_unstable();
    let quantile = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    println!(
        "{}",
        serde_json::json!({
            "messages": messages, "bytes": BYTES, "prefetch": PREFETCH, "confirms_in_flight": IN_FLIGHT,
            "published_per_second": messages as f64 / published.as_secs_f64(),
            "consumed_per_second": messages as f64 / consumed.as_secs_f64(),
            "publish_to_delivery_ms": { "p50": quantile(0.5), "p99": quantile(0.99), "max": quantile(1.0) },
        })
    );
    Ok(())
}

/// Publishes all messages, each with the time since `begun` in its first eight bytes, and returns how long it took
/// until the last was confirmed.
async fn publish(connection: Connection, queue: String, messages: usize, begun: Instant) -> Result<std::time::Duration> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut confirms = FuturesUnordered::new();
    let mut body = [0; BYTES];
    for _ in 0..messages {
        body[..8].copy_from_slice(&(begun.elapsed().as_micros() as u64).to_be_bytes());
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        confirms.push(channel.basic_publish("".into(), queue.as_str().into(), BasicPublishOptions::default(), &body, properties).await?);
        if confirms.len() == IN_FLIGHT {
            confirmed(&mut confirms).await?;
        }
    }
    while !confirms.is_empty() {
        confirmed(&mut confirms).await?;
    }
    Ok(begun.elapsed())
}

async fn confirmed(confirms: &mut FuturesUnordered<lapin::PublisherConfirm>) -> Result<()> {
    let confirmation = confirms.next().await.context("there is a confirm to wait for")??;
    ensure!(confirmation.is_ack(), "the broker refused a message");
    Ok(())
}
