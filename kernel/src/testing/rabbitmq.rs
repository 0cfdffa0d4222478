//! A private RabbitMQ for tests: Debian's server with ports, a folder and a cookie of its own, which can be stopped,
//! killed and started again. What the test process started ends with it.

use std::fs::{self, File, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock};
use std::time::{Duration, Instant};

/// The script of Debian's package that becomes the server; the one in `/usr/sbin` puts a user's change before it.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// Erlang takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A broker of a test's own.
pub struct RabbitMq {
    dir: PathBuf,
    node: String,
    /// AMQP, the node's own, and that of epmd, which tells nodes each other's.
    ports: [u16; 3],
    processes: Mutex<Processes>,
}

#[derive(Default)]
struct Processes {
    server: Option<Child>,
    epmd: Option<Child>,
}

/// All that were started, for the end of the test process.
static STARTED: Mutex<Vec<Arc<RabbitMq>>> = Mutex::new(Vec::new());

/// Statics are never dropped: what the test process leaves is taken away when it exits, also after a panic.
extern "C" fn clear_away() {
    for broker in std::mem::take(&mut *lock(&STARTED)) {
        broker.end();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl RabbitMq {
    /// The broker that the tests of this process share. Nobody stops it.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<RabbitMq>> = OnceLock::new();
        SHARED.get_or_init(Self::launch).clone()
    }

    /// A broker of one's own, to be stopped at will. Blocks until it answers.
    pub fn launch() -> Arc<Self> {
        assert!(Path::new(SERVER).exists(), "no {SERVER}: run scripts/setup, which installs Debian's rabbitmq-server");
        static AT_EXIT: Once = Once::new();
        // SAFETY: the handler is a plain function that lives as long as the process.
        AT_EXIT.call_once(|| assert_eq!(unsafe { libc::atexit(clear_away) }, 0));
        let dir = tempfile::Builder::new().prefix("lh-rabbit.").tempdir_in("/tmp").expect("a folder in /tmp");
        // As root the server runs as somebody else, who has to write here.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).expect("open the folder");
        let broker = Arc::new(Self {
            node: format!("lh{}@localhost", uuid::Uuid::new_v4().simple()),
            ports: free_ports(),
            dir: dir.keep(),
            processes: Mutex::default(),
        });
        let config = format!(
            "listeners.tcp.default = 127.0.0.1:{}\ndefault_user = tester\ndefault_pass = p%ss word\nlog.console = false\nlog.file.level = warning\n",
            broker.ports[0],
        );
        fs::write(broker.dir.join("rabbitmq.conf"), config).expect("write rabbitmq.conf");
        lock(&STARTED).push(broker.clone());
        broker.start();
        broker
    }

    /// The address, as in `queue.url`.
    pub fn url(&self) -> String {
        format!("amqp://tester:p%25ss%20word@127.0.0.1:{}/%2f", self.ports[0])
    }

    /// Starts it, for the first time or again with what it had stored. Blocks until it answers.
    pub fn start(&self) {
        let mut processes = lock(&self.processes);
        if processes.epmd.is_none() {
            processes.epmd = Some(self.spawn("/usr/bin/epmd"));
        }
        let server = processes.server.insert(self.spawn(SERVER));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.ports[0])).is_err() {
            let ended = server.try_wait().expect("look at the server");
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "RabbitMQ does not start: {}", self.output());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it in order.
    pub fn stop(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Kills it without a chance to do anything.
    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    fn signal(&self, signal: libc::c_int) {
        if let Some(mut server) = lock(&self.processes).server.take() {
            // SAFETY: kill takes plain numbers; the child is ours and was not waited for, so the id is still its.
            unsafe { libc::kill(server.id() as libc::pid_t, signal) };
            server.wait().expect("wait for the server's end");
        }
    }

    fn end(&self) {
        self.kill();
        if let Some(mut epmd) = lock(&self.processes).epmd.take() {
            let _ = epmd.kill();
            let _ = epmd.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }

    fn output(&self) -> String {
        fs::read_to_string(self.dir.join("output")).unwrap_or_default()
    }

    fn spawn(&self, program: &str) -> Child {
        // SAFETY: geteuid has no preconditions and cannot fail.
        let mut command = if unsafe { libc::geteuid() } == 0 {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=rabbitmq", "--regid=rabbitmq", "--clear-groups", program]);
            command
        } else {
            Command::new(program)
        };
        let output = File::options().create(true).append(true).open(self.dir.join("output")).expect("a file for its output");
        let [amqp, node, epmd] = self.ports.map(|port| port.to_string());
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("LANG", "C.UTF-8")
            // The Erlang cookie lies in HOME.
            .env("HOME", &self.dir)
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_NODE_PORT", amqp)
            .env("RABBITMQ_DIST_PORT", node)
            .env("ERL_EPMD_PORT", epmd)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", self.dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.dir.join("log"))
            .env("RABBITMQ_CONFIG_FILE", self.dir.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.dir.join("no_plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", self.dir.join("no_environment"))
            // The script becomes the server instead of watching over it, and the server has no shell.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env("RABBITMQ_SERVER_START_ARGS", "-noinput")
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("the same file"))
            .stdout(output)
            .spawn()
            .unwrap_or_else(|error| panic!("start {program}: {error}"))
    }
}

/// Ports that nobody has now. All are held until all are known.
fn free_ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
    held.map(|listener| listener.local_addr().expect("its address").port())
}
