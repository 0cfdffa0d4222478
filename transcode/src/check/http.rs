//! A package on a server, asked as a player asks.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::redirect::Policy;
use url::Url;

use super::place::{Answer, Head, LARGEST, Place, Refusal};
use super::playlist::Range;

/// So long may one answer take.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many redirects are followed, to say what is wrong beyond them.
const REDIRECTS: usize = 5;

/// A server.
pub struct Server {
    client: Client,
}

impl Server {
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new() -> Result<Self> {
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).build().context("make an HTTP client")?;
        Ok(Self { client })
    }

    fn ask(&self, address: &Url, range: Option<Range>) -> Result<Response, String> {
        let mut request = self.client.get(address.clone());
        request = match range {
            Some(Range { start, length }) => {
                request.header(RANGE, format!("bytes={start}-{}", start.saturating_add(length).saturating_sub(1)))
            }
            None => request.header(ACCEPT_ENCODING, "gzip"),
        };
        request.send().map_err(|error| told(&error))
    }
}

/// An error with its causes, without the address, which may carry a signature or a password.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let mut text = String::from("no answer");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Place for Server {
    fn get(&mut self, address: &Url, range: Option<Range>) -> Result<Answer, Refusal> {
        let mut address = address.clone();
        let mut redirected = None;
        let mut response = self.ask(&address, range).map_err(Refusal::Missing)?;
        for _ in 0..REDIRECTS {
            if !response.status().is_redirection() {
                break;
            }
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| address.join(to).ok());
            let Some(to) = to else { return Err(Refusal::Missing("a redirect to nowhere".into())) };
            redirected = Some(to.to_string());
            address = to;
            response = self.ask(&address, range).map_err(Refusal::Missing)?;
        }
        let text =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim().to_ascii_lowercase();
        let head = Head { content_type: text(CONTENT_TYPE), content_encoding: text(CONTENT_ENCODING), redirected };
        let status = response.status();
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            let size = text(CONTENT_RANGE).rsplit('/').next().and_then(|size| size.parse().ok());
            return Err(Refusal::Beyond(size.unwrap_or(0)));
        }
        if !status.is_success() {
            return Err(Refusal::Missing(format!("answered by {status}")));
        }
        let packed = head.content_encoding == "gzip";
        let bytes = limited(&mut response)
            .and_then(|bytes| if packed { limited(&mut flate2::read::MultiGzDecoder::new(&bytes[..])) } else { Ok(bytes) });
        let mut bytes = bytes.map_err(Refusal::Missing)?;
        if let Some(Range { start, length }) = range {
            let size = bytes.len() as u64;
            // A server that knows no ranges sends everything.
            if status == StatusCode::OK {
                let end = start.saturating_add(length);
                if end > size {
                    return Err(Refusal::Beyond(size));
                }
                bytes = bytes[start as usize..end as usize].to_vec();
            } else if size != length {
                return Err(Refusal::Beyond(start.saturating_add(size)));
            }
        }
        Ok(Answer { bytes, head: Some(head) })
    }
}

fn limited(from: &mut dyn Read) -> Result<Vec<u8>, String> {
    let mut bytes = vec![];
    from.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("more than {LARGEST} bytes"));
    }
    Ok(bytes)
}
