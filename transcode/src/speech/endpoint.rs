//! An engine behind HTTP: it gets the sound as a form, as whisper.cpp's server and those that speak like OpenAI's take it, and
//! answers with WebVTT. The sound is sent as it is read and never held in memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use kernel::config::Speech;
use kernel::jobs::Failure;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

use super::engine::{self, ANSWER_BYTES, Patience, Question};
use crate::check::http::told;

/// How much of the sound is sent at a time, bytes.
const PIECE: usize = 64 << 10;

/// Sends the sound to `speech.url`. `boundary` separates the fields of the form.
pub async fn ask(speech: &Speech, question: &Question<'_>, patience: Patience, boundary: &str) -> Result<Vec<u8>, Failure> {
    let client = client(speech)?;
    let form = Form::open(speech, question, boundary).await?;
    let mut request = client
        .post(&speech.url)
        .header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
        .header(CONTENT_LENGTH, form.left());
    if !speech.token.is_empty() {
        request = request.bearer_auth(&speech.token);
    }
    let request = request.body(reqwest::Body::wrap(form));
    let asking = async {
        let response = timeout(patience.stall, request.send()).await.map_err(|_| silent())?.map_err(|error| unsent(&error))?;
        verdict(response.status())?;
        body(response, patience).await
    };
    timeout(patience.wall, asking).await.map_err(|_| engine::too_much("it took longer than it may"))?
}

fn client(speech: &Speech) -> reqwest::Result<Client> {
    Client::builder().connect_timeout(speech.connect_timeout()).redirect(Policy::none()).build()
}

/// Whether anybody answers there, whatever it is.
pub async fn look(speech: &Speech) -> Result<String, String> {
    let request = client(speech).map_err(|error| told(&error))?.get(&speech.url).timeout(speech.connect_timeout() * 2);
    request.send().await.map(|_| "the endpoint answers".to_owned()).map_err(|error| told(&error))
}

fn silent() -> Failure {
    engine::too_much("it gave no sign of life for too long")
}

/// What became of a request that got no answer.
fn unsent(error: &reqwest::Error) -> Failure {
    let detail = told(error);
    // One that breaks off may break over this recording: it is not tried for ever.
    if error.is_connect() || error.is_builder() { engine::away(detail) } else { engine::failed(detail) }
}

/// Whether the status is that of an answer, and what it means if not.
fn verdict(status: StatusCode) -> Result<(), Failure> {
    let detail = format!("it answered {status}");
    match status.as_u16() {
        200..300 => Ok(()),
        // It does not like what was sent.
        400 | 411 | 413 | 414 | 415 | 422 => Err(engine::refused(detail)),
        500 => Err(engine::failed(detail)),
        // Overloaded, still loading its model, asking for a token, or not what was thought to be there.
        _ => Err(engine::away(detail)),
    }
}

async fn body(mut response: Response, patience: Patience) -> Result<Vec<u8>, Failure> {
    let mut answer = Vec::new();
    loop {
        let piece = timeout(patience.stall, response.chunk()).await.map_err(|_| silent())?;
        match piece.map_err(|error| engine::failed(told(&error)))? {
            Some(piece) if (answer.len() + piece.len()) as u64 > ANSWER_BYTES => {
                return Err(engine::nonsense(format!("more than {ANSWER_BYTES} bytes")));
            }
            Some(piece) => answer.extend_from_slice(&piece),
            None => return Ok(answer),
        }
    }
}

/// The body of the request: a few fields, the file, an end.
struct Form {
    head: Option<Bytes>,
    file: File,
    /// Bytes of the file that are still to be sent.
    rest: u64,
    tail: Option<Bytes>,
}

impl Form {
    async fn open(speech: &Speech, question: &Question<'_>, boundary: &str) -> io::Result<Self> {
        let file = File::open(question.sound).await?;
        let rest = file.metadata().await?.len();
        let (head, tail) = frame(&speech.model, question.language, boundary);
        Ok(Self { head: Some(head.into()), file, rest, tail: Some(tail.into()) })
    }

    /// Bytes that are still to be sent.
    fn left(&self) -> u64 {
        let length = |part: &Option<Bytes>| part.as_ref().map_or(0, |part| part.len() as u64);
        length(&self.head) + self.rest + length(&self.tail)
    }
}

/// What stands before and behind the sound. Fields of one line come first, for servers that read as it comes.
fn frame(model: &str, language: Option<&str>, boundary: &str) -> (String, String) {
    let fields = [("response_format", "vtt"), ("model", model), ("language", language.unwrap_or_default())];
    let mut head = String::new();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        head.push_str(&format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    }
    head.push_str(&format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"speech.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
    ));
    (head, format!("\r\n--{boundary}--\r\n"))
}

impl Body for Form {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        if self.rest == 0 {
            return Poll::Ready(self.tail.take().map(|tail| Ok(Frame::data(tail))));
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(self.rest).unwrap_or(PIECE))];
        let mut buffer = ReadBuf::new(&mut piece);
        let read = ready!(Pin::new(&mut self.file).poll_read(cx, &mut buffer)).map(|()| buffer.filled().len());
        Poll::Ready(Some(match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.rest -= read as u64;
                piece.truncate(read);
                Ok(Frame::data(piece.into()))
            }
            Err(error) => Err(error),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

#[cfg(test)]
mod tests {
    use kernel::jobs::Class;

    use super::*;

    #[test]
    fn a_status_says_whether_the_service_or_the_recording_is_at_fault() {
        let class = |status: u16| verdict(StatusCode::from_u16(status).unwrap()).err().map(|failure| failure.class);
        assert_eq!(class(200), None);
        for (statuses, wanted) in [
            (&[400, 413, 422][..], Class::Poison),
            (&[500], Class::Transient),
            (&[301, 401, 403, 404, 405, 408, 429, 502, 503, 504], Class::Dependency),
        ] {
            assert!(statuses.iter().all(|status| class(*status) == Some(wanted)), "{wanted:?}");
        }
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        let (head, tail) = frame("", None, "b");
        assert!(
            head.starts_with("--b\r\n") && head.ends_with("audio/wav\r\n\r\n") && !head.contains("model") && !head.contains("language")
        );
        assert_eq!(tail, "\r\n--b--\r\n");
        let (head, _) = frame("base.en", Some("en"), "b");
        assert!(head.contains("name=\"model\"\r\n\r\nbase.en\r\n--b\r\n") && head.contains("name=\"language\"\r\n\r\nen\r\n"));
    }
}
