//! What the program needs from its machine and its services.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use kernel::config::Config;
use kernel::db;
use kernel::store::Key;
use uuid::Uuid;

use super::Finding;
use crate::world::World;

const MAKE_BUILD: &str = "run `make build`, which installs it, or set the path in the configuration";
/// Below this, work will soon stop.
const DISK_FAIL: u64 = 512 << 20;
/// A lecture's ladder takes about this much.
const DISK_WARN: u64 = 4 << 30;

/// Checks that need no database.
pub fn machine(config: &Config) -> Vec<Finding> {
    vec![
        library("onnxruntime", &config.paths.onnxruntime, "search is lexical only without it"),
        model(config),
        library("pdfium", &config.paths.pdfium, "PDFs cannot be read without it"),
        encoders(),
        disk(&config.paths.data),
        fonts(),
    ]
}

/// What holds the processes that read untrusted files, as one of them says.
pub async fn sandbox(config: &Config) -> Finding {
    let fix = "run a kernel with Landlock (5.13 or newer, best 6.12) and seccomp, and let containers use both";
    match kernel::child::probe(&config.paths.program).await {
        Ok(confined) if confined.is_whole() => Finding::ok("sandbox", confined.to_string()),
        Ok(confined) => Finding::warn("sandbox", format!("files are read in processes not fully locked in: {confined}"), fix),
        Err(failure) => Finding::fail("sandbox", format!("no process to read files can be started: {failure}"), "mend that and look again"),
    }
}

/// Checks of what the world consists of.
pub async fn services(world: &World) -> Vec<Finding> {
    let mut findings = vec![database(world).await, migrations(world).await, extension(world).await, store(world).await, index(world).await];
    if !world.env.config.queue.url.is_empty() {
        findings.push(broker(world).await);
    }
    let engine = transcode::look_at_speech_engine(&world.env.config.speech).await;
    findings.extend(engine.map(|engine| match engine {
        Ok(what) => Finding::ok("speech", what),
        Err(why) => Finding::fail("speech", why, "start the engine, or mend [speech]; without it recordings get no automatic captions"),
    }));
    findings
}

fn library(name: &'static str, path: &Path, without: &str) -> Finding {
    if !path.exists() {
        return Finding::fail(name, format!("{} is missing; {without}", path.display()), MAKE_BUILD);
    }
    match loads(path) {
        Ok(()) => Finding::ok(name, path.display().to_string()),
        Err(error) => Finding::fail(name, format!("{} cannot be loaded: {error:#}", path.display()), MAKE_BUILD),
    }
}

fn loads(path: &Path) -> Result<()> {
    let name = CString::new(path.as_os_str().as_bytes()).context("its path")?;
    // SAFETY: `name` is a valid C string; loading runs the library's initialisers, which is what is to be tried. The
    // handle is kept: unloading libraries that have started threads is not safe.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        // SAFETY: after a failed dlopen, dlerror returns a string that lives until the next call.
        let said = unsafe { std::ffi::CStr::from_ptr(libc::dlerror()) };
        anyhow::bail!("{}", said.to_string_lossy());
    }
    Ok(())
}

fn model(config: &Config) -> Finding {
    if !config.embedder.enabled {
        return Finding::warn("model", "embedder.enabled is false: search is lexical only", "set embedder.enabled = true");
    }
    let opened = embedder::Embedder::open(config)
        .map_err(|why| why.to_string())
        .and_then(|model| model.query("This is an example sentence").map_err(|error| format!("{error:#}")));
    match opened {
        // The published vector of this sentence begins with 0.0676569.
        Ok(vector) if (vector[0] - 0.067_656_9).abs() < 1e-4 => {
            Finding::ok("model", format!("{}, and it gives the known vector", config.paths.model.display()))
        }
        Ok(vector) => {
            Finding::fail("model", format!("{} gives {} where 0.0676569 is known", config.paths.model.display(), vector[0]), MAKE_BUILD)
        }
        Err(why) => Finding::fail("model", format!("{why}; search is lexical only without it"), MAKE_BUILD),
    }
}

fn encoders() -> Finding {
    match transcode::missing_encoders() {
        missing if missing.is_empty() => Finding::ok("encoders", "libx264 and aac"),
        missing => Finding::fail(
            "encoders",
            format!("libavcodec has no {}", missing.join(", ")),
            "install Debian's libavcodec59 (or libavcodec-extra), which has them",
        ),
    }
}

fn disk(data: &Path) -> Finding {
    let free = match free_bytes(data) {
        Ok(free) => free,
        Err(error) => return Finding::fail("disk", format!("{}: {error:#}", data.display()), "set data.dir to a folder you may write to"),
    };
    let seen = format!("{:.1} GB free in {}", free as f64 / 1e9, data.display());
    let fix = "free some space, or move the data folder (data.dir) to a larger disk";
    if free < DISK_FAIL {
        Finding::fail("disk", seen, fix)
    } else if free < DISK_WARN {
        Finding::warn("disk", seen, fix)
    } else {
        Finding::ok("disk", seen)
    }
}

fn free_bytes(data: &Path) -> Result<u64> {
    std::fs::create_dir_all(data).context("create it")?;
    let name = CString::new(data.as_os_str().as_bytes()).context("its path")?;
    // SAFETY: statvfs is plain data, and both pointers are valid for the length of the call.
    let stat = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(name.as_ptr(), &mut stat) != 0 {
            return Err(std::io::Error::last_os_error()).context("ask for its free space");
        }
        stat
    };
    Ok(stat.f_bavail as u64 * stat.f_frsize as u64)
}

fn fonts() -> Finding {
    let facts = certgen::layout::CertificateFacts {
        learner_name: "Łukasz Παπαδόπουλος Иванова".into(),
        course_title: "Doctor".into(),
        instructor_name: "Doctor".into(),
        completed_on: time::Date::MIN,
        certificate_id: kernel::id::CertificateId(Uuid::nil()),
        verify_url: "http://localhost".into(),
    };
    match certgen::pdf::render(&facts) {
        Ok(rendered) if !rendered.missing.is_empty() => Finding::fail(
            "fonts",
            format!("no letters for {:?}", rendered.missing),
            "this program was built without its fonts: build it again from a whole checkout",
        ),
        Ok(_) => Finding::ok("fonts", "a certificate with Latin, Greek and Cyrillic letters can be set"),
        Err(error) => {
            Finding::fail("fonts", error.to_string(), "this program was built without its fonts: build it again from a whole checkout")
        }
    }
}

async fn database(world: &World) -> Finding {
    let seen = sqlx::query_scalar!("select version() || ', as ' || current_user as \"seen!\"").fetch_one(&world.env.db).await;
    match seen {
        Ok(seen) => {
            Finding::ok("database", seen.split(" on ").next().unwrap_or_default().to_owned() + if world.alone { " (private)" } else { "" })
        }
        Err(error) => Finding::fail("database", error.to_string(), "check database.url and that the server runs"),
    }
}

async fn migrations(world: &World) -> Finding {
    match db::pending_migrations(&world.env.db).await {
        Ok(0) => Finding::ok("migrations", format!("{} applied", db::MIGRATIONS.iter().count())),
        Ok(pending) => Finding::fail("migrations", format!("{pending} are missing"), "run `learnhub migrate` with database.owner_url set"),
        Err(error) => Finding::fail("migrations", format!("{error:#}"), "run `learnhub migrate` with database.owner_url set"),
    }
}

async fn extension(world: &World) -> Finding {
    let fix = "install pgvector 0.8 or newer into that PostgreSQL and run `learnhub migrate`, or use the private one of `learnhub up`";
    let version = sqlx::query_scalar!("select extversion from pg_extension where extname = 'vector'").fetch_optional(&world.env.db).await;
    match (version, &world.no_vectors) {
        (Ok(Some(version)), None) => Finding::ok("pgvector", version),
        (Ok(Some(version)), Some(why)) => Finding::fail("pgvector", format!("{version}: {why}"), fix),
        (Ok(None), _) => Finding::fail("pgvector", "the database has no vector extension; search is lexical only", fix),
        (Err(error), _) => Finding::fail("pgvector", error.to_string(), fix),
    }
}

async fn store(world: &World) -> Finding {
    let settings = &world.env.config.store;
    let (place, fix) = match settings.bucket.as_str() {
        "" => (
            format!("files below {}", world.env.config.paths.objects.display()),
            "check that the data folder can be written to and has space",
        ),
        bucket => {
            (format!("bucket {bucket}"), "check [store] in the configuration, and that its credentials may list, read, write and delete")
        }
    };
    let round_trip = async {
        let key = Key::probe(Uuid::new_v4());
        let sent = Bytes::from(Uuid::new_v4().to_string());
        world.env.store.put(&key, sent.clone()).await?;
        let back = world.env.store.get(&key).await?;
        world.env.store.delete(&key).await?;
        anyhow::ensure!(back == sent, "what came back is not what was stored");
        anyhow::ensure!(world.env.store.head(&key).await?.is_none(), "what was deleted is still there");
        Ok(())
    };
    match round_trip.await {
        Ok(()) => Finding::ok("store", format!("{place}: an object was written, read and deleted")),
        Err(error) => Finding::fail("store", format!("{error:#}"), fix),
    }
}

async fn broker(world: &World) -> Finding {
    let queue = &world.env.config.queue;
    match kernel::queue::rabbitmq::check(&queue.url, &queue.prefix).await {
        Ok(waiting) => Finding::ok("broker", format!("{waiting} messages wait in the queues {}.*", queue.prefix)),
        Err(error) => {
            Finding::fail("broker", format!("{error:#}"), "mend that; until then jobs wait for the sweep and no worker can be started")
        }
    }
}

async fn index(world: &World) -> Finding {
    let fix = "run `learnhub index rebuild`";
    match super::index(&world.env).await {
        Ok(None) => Finding::ok("index", "not made yet: the first upload makes it"),
        Ok(Some((status, counts))) => Finding::ok("index", format!("{} documents of {} assets", status.documents, counts.len())),
        Err(error) => Finding::fail("index", format!("{error:#}"), fix),
    }
}
