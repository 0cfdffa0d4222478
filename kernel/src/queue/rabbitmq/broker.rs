//! Speaking to the broker: its address, a connection, the queues, and publishing that is confirmed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind};

use crate::jobs::Stage;
use crate::telemetry;

/// How long a connection may take to come about, and a broker to answer or to confirm.
const PATIENCE: Duration = Duration::from_secs(10);
/// Both sides say so often that they live, in seconds, unless the address says otherwise.
const HEARTBEAT: u16 = 10;
/// The delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// Where the broker is and what our queues there are called.
#[derive(Clone)]
pub struct Broker {
    uri: AMQPUri,
    prefix: String,
}

impl Broker {
    /// Reads an address. The error does not repeat it, since a password is in it.
    pub fn new(url: &str, prefix: &str) -> Result<Self> {
        let uri: Option<AMQPUri> = url.parse().ok();
        let Some(mut uri) = uri.filter(|_| url.contains("://")) else {
            bail!("queue.url must look like amqp://user:password@host:5672/vhost, or amqps for TLS; write %2f for a slash in a name");
        };
        if prefix.is_empty() || prefix.len() > 100 || !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            bail!("queue.prefix must have 1 to 100 letters, digits, dots, dashes or underscores, not {prefix:?}");
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        Ok(Self { uri, prefix: prefix.to_owned() })
    }

    /// The queue of a stage.
    pub fn queue(&self, stage: Stage) -> String {
        format!("{}.{stage}", self.prefix)
    }

    /// The prefix of all queues.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Connects. Fails with what to do about it.
    pub async fn connect(&self) -> Result<Connection> {
        let authority = &self.uri.authority;
        let place = format!("{}:{}", authority.host, authority.port);
        let name = format!("learnhub {}", std::process::id());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = tokio::time::timeout(PATIENCE, Connection::connect_uri(self.uri.clone(), properties));
        match timed("connect", connecting, |tried| matches!(tried, Ok(Ok(_)))).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(match refusal(&error) {
                Some(Refusal::Login) => {
                    anyhow!(
                        "the broker at {place} refuses the user {}: correct user and password in queue.url",
                        authority.userinfo.username
                    )
                }
                Some(Refusal::Vhost) => anyhow!(
                    "the broker at {place} has no vhost {:?} for the user {}: correct it in queue.url, or give the user its permissions",
                    self.uri.vhost,
                    authority.userinfo.username
                ),
                None => anyhow!("the broker at {place} does not answer: start it, or correct queue.url ({error})"),
            }),
            Err(_) => bail!("the broker at {place} does not answer within {PATIENCE:?}: start it, or correct queue.url"),
        }
    }

    /// Makes the queue of a stage unless it is there, and says how many messages wait in it.
    pub async fn declare(&self, channel: &Channel, stage: Stage) -> Result<u32> {
        let name = self.queue(stage);
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let declared = channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments);
        let queue = in_time("declare", declared).await.with_context(|| {
            format!("declare the queue {name}: if one of another kind has its name, delete that or set queue.prefix; the user in queue.url needs the right to configure it")
        })?;
        Ok(queue.message_count())
    }

    /// As [`Broker::declare`], for all stages. Returns how many messages wait in all of them.
    pub async fn declare_all(&self, connection: &Connection) -> Result<u32> {
        let channel = in_time("open_channel", connection.create_channel()).await.context("open a channel")?;
        let mut waiting = 0;
        for stage in Stage::ALL {
            waiting += self.declare(&channel, stage).await?;
        }
        in_time("close", channel.close(200, "done".into())).await.context("close a channel")?;
        Ok(waiting)
    }
}

/// A channel whose messages the broker confirms.
pub struct Publisher {
    channel: Channel,
}

impl Publisher {
    pub async fn open(connection: &Connection) -> Result<Self> {
        let channel = in_time("open_channel", connection.create_channel()).await.context("open a channel")?;
        in_time("confirm_select", channel.confirm_select(ConfirmSelectOptions::default())).await.context("ask for confirms")?;
        Ok(Self { channel })
    }

    /// The channel, for declaring.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Publishes persistent messages and returns when the broker has confirmed all of them.
    pub async fn publish(&self, messages: Vec<(String, &str)>) -> Result<()> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let mut confirms = Vec::with_capacity(messages.len());
        for (queue, body) in messages {
            let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
            let published = self.channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties);
            confirms.push(in_time("publish", published).await.context("publish")?);
        }
        for confirm in confirms {
            let confirmation = in_time("confirm", confirm).await.context("wait for a confirm")?;
            // With `mandatory` a message without a queue comes back, acknowledged.
            if !confirmation.is_ack() || confirmation.take_message().is_some() {
                bail!("the broker did not take a message");
            }
        }
        Ok(())
    }
}

/// Bounds what depends on the broker's answer: one that is out of memory or disk lets publishers wait for ever.
/// `op` is the word under which the metrics count it.
pub async fn in_time<T>(op: &'static str, answer: impl Future<Output = lapin::Result<T>>) -> Result<T> {
    match timed(op, tokio::time::timeout(PATIENCE, answer), |answered| matches!(answered, Ok(Ok(_)))).await {
        Ok(answer) => Ok(answer?),
        Err(_) => bail!("the broker does not answer within {PATIENCE:?}"),
    }
}

async fn timed<T>(op: &'static str, call: impl Future<Output = T>, well: impl FnOnce(&T) -> bool) -> T {
    let begun = Instant::now();
    let ended = call.await;
    telemetry::broker_call(op, well(&ended), begun.elapsed().as_secs_f64());
    ended
}

enum Refusal {
    Login,
    Vhost,
}

fn refusal(error: &lapin::Error) -> Option<Refusal> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    match error.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Some(Refusal::Login),
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Some(Refusal::Vhost),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_or_refused_without_being_repeated() {
        for good in ["amqp://u:p@h:5672/v", "amqp://h", "amqps://u:p@h/%2f"] {
            assert!(Broker::new(good, "learnhub").is_ok(), "{good}");
        }
        for bad in ["secret", "http://u:secret@h/", "amqp:secret", "amqp://u:secret@h:port/", "amqp://u:secret@h/?heartbeat=x"] {
            let error = format!("{:#}", Broker::new(bad, "learnhub").err().unwrap_or_else(|| panic!("{bad} was taken")));
            assert!(error.contains("queue.url") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_prefix_that_is_no_name_is_refused() {
        for bad in ["", "with space", "ü"] {
            assert!(Broker::new("amqp://h", bad).is_err(), "{bad}");
        }
    }
}
