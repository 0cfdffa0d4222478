//! The shell against a real PostgreSQL, a real store and real child processes.
//!
//! The child is the room's own example program: `cargo test` builds it beside the tests.

mod captions;
mod documents;
mod jobs;
mod uploads;
mod versions;

use std::path::PathBuf;
use std::sync::Arc;

use kernel::env::Env;
use kernel::http::{Principal, Role};
use kernel::id::{AssetId, CourseId};
use kernel::jobs::Runner;
use kernel::testing::TestEnv;

/// A test's world: an instructor with a published course.
struct World {
    test: TestEnv,
    env: Env,
    teacher: Principal,
    course: CourseId,
}

impl World {
    async fn new() -> Self {
        let test = TestEnv::new().await;
        let teacher = test.account(Role::Instructor).await;
        let course = test.course(&teacher, "published").await;
        let mut env = test.env.clone();
        let mut config = (*env.config).clone();
        config.paths.program = child_program();
        // No embedder runs here: nothing waits for vectors.
        config.embedder.enabled = false;
        env.config = Arc::new(config);
        Self { test, env, teacher, course }
    }

    async fn asset(&self, file_name: &str, bytes: &[u8]) -> AssetId {
        self.test.asset(&self.teacher, self.course, file_name, bytes).await
    }

    /// Runs this room's jobs until none is due.
    async fn drain(&self) {
        let mut runner = Runner::new(self.env.clone());
        crate::register(&mut runner);
        runner.drain().await.expect("run the jobs");
    }

    async fn state(&self, asset: AssetId) -> (String, Option<String>) {
        sqlx::query_as("select state, failure_code from assets where id = $1").bind(asset.0).fetch_one(&self.env.db).await.unwrap()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.env.db).await.unwrap()
    }
}

fn child_program() -> PathBuf {
    let tests = std::env::current_exe().expect("the path of the tests");
    let target = tests.parent().and_then(|deps| deps.parent()).expect("tests lie in a folder of the target folder");
    let program = target.join("examples/extract");
    assert!(program.is_file(), "{} is missing: run `cargo test -p ingest` without `--lib`", program.display());
    program
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}
