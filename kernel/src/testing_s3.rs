//! An S3 server for tests, in the test's own process: s3s over a temporary folder, on a free port of loopback, with a
//! layer before it that misbehaves as the test tells it to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use futures::StreamExt;
use hyper::body::Incoming;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use tokio::sync::oneshot;

use crate::config;

/// The one pair of credentials that the server takes.
pub const ACCESS_KEY_ID: &str = "learnhub-test";
pub const SECRET_ACCESS_KEY: &str = "learnhub-test-secret";

/// How a request is made to fail. What the server behind does is not touched, except by [`Trouble::Answer`],
/// [`Trouble::HangUp`] and [`Trouble::Stall`], which keep the request from it.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// Answered with this status, and the error code that S3 gives with it.
    Answer(u16),
    /// The connection is closed instead of an answer.
    HangUp,
    /// No answer, ever.
    Stall,
    /// The body breaks off after this many bytes, and the connection with it.
    Truncate(usize),
}

/// Which requests are meant: method, and path with query.
type Meant = Box<dyn Fn(&Method, &str) -> bool + Send>;

struct Fault {
    meant: Meant,
    left: usize,
    trouble: Trouble,
}

/// A running server. It stops, and its folder goes, when this is dropped.
pub struct S3Server {
    port: u16,
    root: tempfile::TempDir,
    faults: Arc<Mutex<Vec<Fault>>>,
    uploads: Uploads,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Uploads in parts that are neither complete nor aborted, by id.
type Uploads = Arc<Mutex<BTreeMap<String, (String, String, Timestamp)>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl S3Server {
    /// Starts a server without buckets, with a thread of its own: a test's runtime ends before its process does.
    pub fn start() -> Self {
        let root = tempfile::Builder::new().prefix("lh-s3.").tempdir_in("/tmp").expect("a folder in /tmp");
        let (faults, uploads) = (Arc::<Mutex<Vec<Fault>>>::default(), Uploads::default());
        let files = Files { inner: FileSystem::new(root.path()).expect("a folder for objects"), uploads: uploads.clone() };
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let service = builder.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let port = listener.local_addr().expect("its address").port();
        let (stop, stopped) = oneshot::channel();
        let scripted = faults.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the S3 server");
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, service, scripted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port, root, faults, uploads, stop: Some(stop), thread: Some(thread) }
    }

    /// The server that all worlds of this test process share, each with a bucket of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<S3Server> = OnceLock::new();
        /// Statics are never dropped: what the test process leaves is taken away when it exits.
        extern "C" fn clear_away() {
            if let Some(server) = SHARED.get() {
                let _ = std::fs::remove_dir_all(server.root.path());
            }
        }
        SHARED.get_or_init(|| {
            // SAFETY: the handler is a plain function that lives as long as the process.
            unsafe { libc::atexit(clear_away) };
            Self::start()
        })
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A fresh bucket, as the configuration of a store in it.
    pub fn bucket(&self) -> config::Store {
        self.bucket_named(&format!("test-{}", uuid::Uuid::new_v4().simple()))
    }

    /// Where the objects of a bucket lie as files, each under its key, for looking behind the curtain.
    pub fn folder(&self, bucket: &str) -> PathBuf {
        self.root.path().join(bucket)
    }

    /// The bucket of this name, made if there is none.
    pub fn bucket_named(&self, bucket: &str) -> config::Store {
        std::fs::create_dir_all(self.folder(bucket)).expect("a bucket");
        config::Store {
            bucket: bucket.to_owned(),
            endpoint: self.endpoint(),
            region: "us-east-1".into(),
            access_key_id: ACCESS_KEY_ID.into(),
            secret_access_key: SECRET_ACCESS_KEY.into(),
            path_style: true,
            prefix: String::new(),
            connect_timeout_seconds: 3.0,
            timeout_seconds: 10.0,
        }
    }

    /// Lets the next `times` requests that are meant run into trouble.
    pub fn trouble(&self, times: usize, trouble: Trouble, meant: impl Fn(&Method, &str) -> bool + Send + 'static) {
        lock(&self.faults).push(Fault { meant: Box::new(meant), left: times, trouble });
    }

    /// Behaves again.
    pub fn behave(&self) {
        lock(&self.faults).clear();
    }

    /// How much of the trouble that was asked for has not come about yet.
    pub fn trouble_left(&self) -> usize {
        lock(&self.faults).iter().fold(0, |sum, fault| sum.saturating_add(fault.left))
    }

    /// How many uploads in parts are neither complete nor aborted.
    pub fn open_uploads(&self) -> usize {
        lock(&self.uploads).len()
    }

    /// The same, for another thread to ask.
    pub fn open_uploads_watch(&self) -> impl Fn() -> usize + Send + 'static {
        let uploads = self.uploads.clone();
        move || lock(&uploads).len()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service, faults: Arc<Mutex<Vec<Fault>>>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let (service, faults) = (service.clone(), faults.clone());
        let answer = hyper::service::service_fn(move |request| answer(service.clone(), faults.clone(), request));
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(socket), answer);
        tokio::spawn(async move {
            // A connection that is cut is what some tests ask for.
            let _ = serving.await;
        });
    }
}

async fn answer(service: S3Service, faults: Arc<Mutex<Vec<Fault>>>, request: Request<Incoming>) -> std::io::Result<Response<Body>> {
    let asked = request.uri().path_and_query().map_or_else(String::new, |asked| asked.as_str().to_owned());
    let trouble = {
        let mut faults = lock(&faults);
        let found = faults.iter_mut().find(|fault| fault.left > 0 && (fault.meant)(request.method(), &asked));
        found.map(|fault| {
            fault.left -= 1;
            fault.trouble
        })
    };
    match trouble {
        Some(Trouble::Answer(status)) => return Ok(refusal(status)),
        Some(Trouble::HangUp) => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Some(Trouble::Stall) => std::future::pending().await,
        Some(Trouble::Truncate(_)) | None => {}
    }
    let response = service.call(request.map(s3s::Body::from)).await.map_err(|error| std::io::Error::other(format!("{error:?}")))?;
    Ok(match trouble {
        Some(Trouble::Truncate(bytes)) => response.map(|body| truncated(Body::new(body), bytes)),
        _ => response.map(Body::new),
    })
}

fn refusal(status: u16) -> Response<Body> {
    let code = match status {
        503 => "SlowDown",
        507 => "XMinioStorageFull",
        _ => "InternalError",
    };
    let status = StatusCode::from_u16(status).expect("a status");
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as asked for</Message></Error>");
    Response::builder().status(status).header(header::CONTENT_TYPE, "application/xml").body(text.into()).expect("an answer")
}

/// Announced in full by its headers, and ended by an error after so many bytes.
fn truncated(body: Body, bytes: usize) -> Body {
    let parts = body.into_data_stream().scan(bytes, |left, part| {
        let part = part.map(|mut part| {
            part.truncate(*left);
            *left -= part.len();
            part
        });
        std::future::ready(match part {
            Ok(part) if part.is_empty() => None,
            part => Some(part.map_err(std::io::Error::other)),
        })
    });
    Body::from_stream(parts.chain(futures::stream::once(async { Err(std::io::ErrorKind::ConnectionReset.into()) })))
}

/// s3s-fs, and the list of open uploads, which it does not have.
struct Files {
    inner: FileSystem,
    uploads: Uploads,
}

macro_rules! passed_on {
    ($($operation:ident: $input:ident => $output:ident;)+) => {
        #[async_trait]
        impl S3 for Files {
            $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.inner.$operation(request).await
            })+

            async fn create_multipart_upload(
                &self,
                request: S3Request<CreateMultipartUploadInput>,
            ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
                let meant = (request.input.bucket.clone(), request.input.key.clone(), std::time::SystemTime::now().into());
                let begun = self.inner.create_multipart_upload(request).await?;
                lock(&self.uploads).insert(begun.output.upload_id.clone().unwrap_or_default(), meant);
                Ok(begun)
            }

            async fn complete_multipart_upload(
                &self,
                request: S3Request<CompleteMultipartUploadInput>,
            ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                let id = request.input.upload_id.clone();
                let done = self.inner.complete_multipart_upload(request).await?;
                lock(&self.uploads).remove(&id);
                Ok(done)
            }

            async fn abort_multipart_upload(
                &self,
                request: S3Request<AbortMultipartUploadInput>,
            ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
                let id = request.input.upload_id.clone();
                let done = self.inner.abort_multipart_upload(request).await?;
                lock(&self.uploads).remove(&id);
                Ok(done)
            }

            async fn list_multipart_uploads(
                &self,
                request: S3Request<ListMultipartUploadsInput>,
            ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
                let (wanted, prefix) = (&request.input.bucket, request.input.prefix.as_deref().unwrap_or_default());
                let uploads = lock(&self.uploads);
                let found = uploads.iter().filter(|(_, (bucket, key, _))| bucket == wanted && key.starts_with(prefix));
                let found = found.map(|(id, (_, key, begun))| MultipartUpload {
                    upload_id: Some(id.clone()),
                    key: Some(key.clone()),
                    initiated: Some(begun.clone()),
                    ..Default::default()
                });
                let output = ListMultipartUploadsOutput { uploads: Some(found.collect()), is_truncated: Some(false), ..Default::default() };
                Ok(S3Response::new(output))
            }
        }
    };
}

passed_on! {
    delete_object: DeleteObjectInput => DeleteObjectOutput;
    get_object: GetObjectInput => GetObjectOutput;
    head_bucket: HeadBucketInput => HeadBucketOutput;
    head_object: HeadObjectInput => HeadObjectOutput;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output;
    list_parts: ListPartsInput => ListPartsOutput;
    put_object: PutObjectInput => PutObjectOutput;
    upload_part: UploadPartInput => UploadPartOutput;
}
