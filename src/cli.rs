//! The command line: what can be asked of the program. What is done about it is in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kernel::http::Role;
use kernel::id::{AccountId, AssetId, CourseId, JobId};
use kernel::jobs::view::State;
use kernel::jobs::{Lane, Stage};
use kernel::media::Kind;

/// From upload to second-exact search: content pipeline, search and LMS in one program.
#[derive(Parser)]
#[command(name = "learnhub", version, about, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Data goes to stdout, talk to stderr.\n\
Exit codes: 0 all went well; 1 it could not be done, the message says why; 2 the command line is wrong;\n\
3 it was done, but some input was refused (ingest --wait, transcode, hls check, extract, certificate verify, doctor).";

/// Options of every command.
#[derive(Args, Clone)]
pub struct Global {
    /// Configuration file; its keys override workers.toml's.
    #[arg(long, global = true, env = "LEARNHUB_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder [default: data.dir of the configuration].
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Only warnings and errors in the log.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// More in the log; twice for everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run everything on this machine: private database, API, pages, all workers.
    #[command(after_help = "Example:\n  learnhub up --listen 127.0.0.1:8080")]
    Up(Listen),
    /// Run the HTTP side against a given database.
    #[command(after_help = "Example:\n  LEARNHUB_DATABASE_URL=postgres://… learnhub serve --roles api,search")]
    Serve {
        /// What to serve: api, search, pages.
        #[arg(long, value_delimiter = ',', default_value = "api,search,pages")]
        roles: Vec<server::Part>,
        #[command(flatten)]
        listen: Listen,
    },
    /// Run workers against a given database.
    #[command(after_help = "Example:\n  LEARNHUB_DATABASE_URL=postgres://… learnhub worker --stages transcode,extract")]
    Worker {
        /// Stages to work for [default: all].
        #[arg(long, value_delimiter = ',')]
        stages: Vec<Stage>,
    },
    /// Put files or folders into a course.
    #[command(after_help = "Example:\n  learnhub ingest lectures/ --course \"Sourdough\" --wait")]
    Ingest(Ingest),
    /// Search as an operator, who sees everything.
    Search {
        query: String,
        /// See only what this account may see.
        #[arg(long = "as", value_name = "EMAIL")]
        account: Option<String>,
        #[arg(long, default_value_t = 10)]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
    /// Turn a media file into an HLS package; needs no server.
    Transcode(transcode::cli::Args),
    /// Hold HLS packages against the authoring rules; needs no server.
    #[command(subcommand)]
    Hls(transcode::check::cli::Hls),
    /// Show what search would see of a document or captions; needs no server.
    Extract(ingest::cli::Args),
    /// The job ledger.
    #[command(subcommand)]
    Jobs(Jobs),
    /// The stages' pools: look, set, pause, drain.
    #[command(subcommand)]
    Stages(Stages),
    /// Processes that work now, and why they take nothing.
    Workers {
        #[arg(long)]
        json: bool,
    },
    /// The full-text index.
    #[command(subcommand)]
    Index(Index),
    /// Accounts.
    #[command(subcommand)]
    User(User),
    /// Certificates.
    #[command(subcommand)]
    Certificate(Certificate),
    /// Look whether everything this program needs is there and works.
    Doctor {
        /// Also check the invariants of everything stored.
        #[arg(long)]
        check: bool,
        #[arg(long)]
        json: bool,
    },
    /// Bring the schema of the configured database up to date.
    Migrate,
    /// Print the API's description (OpenAPI 3.1).
    Openapi,
    /// Add a snapshot of everything stored to a folder of backups.
    #[command(after_help = "Example:\n  learnhub backup /backups/learnhub")]
    Backup {
        dir: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Put a snapshot in place of an empty installation.
    #[command(after_help = "Example:\n  learnhub --data /srv/new restore /backups/learnhub --at 2026-11-21T14:00:00Z")]
    Restore {
        dir: PathBuf,
        /// The newest snapshot not younger than this [default: the newest].
        #[arg(long, value_name = "TIME", value_parser = crate::commands::backup::moment)]
        at: Option<time::OffsetDateTime>,
        /// Replace what is there.
        #[arg(long)]
        force: bool,
        #[arg(long)]
        json: bool,
    },
    /// Remove what nothing refers to, as the janitor does now and then.
    Gc {
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
    /// Queue what lacks the present version of what a stage makes.
    Backfill {
        #[arg(long)]
        stage: crate::commands::backfill::Derived,
        /// Only say which assets.
        #[arg(long)]
        dry_run: bool,
        #[arg(long, default_value_t = i64::MAX, hide_default_value = true)]
        limit: i64,
        #[arg(long)]
        json: bool,
    },
    /// Print the completions of a shell.
    #[command(after_help = "Example:\n  learnhub completions bash > /etc/bash_completion.d/learnhub")]
    Completions { shell: clap_complete::Shell },
    /// Write the manual pages into a folder.
    Man { dir: PathBuf },
    /// A disposable process of the program itself.
    #[command(hide = true)]
    Child { name: String },
}

#[derive(Args, Clone)]
pub struct Listen {
    /// Address and port [default: http.listen of the configuration].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}

#[derive(Args)]
pub struct Ingest {
    /// Files, or folders with all that is in them.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Title or id of the course; made if there is none of that title.
    #[arg(long, default_value = "Inbox")]
    pub course: String,
    /// Whose they are [default: an operator's account].
    #[arg(long = "as", value_name = "EMAIL")]
    pub owner: Option<String>,
    /// The one file is to take this asset's place: what is shown stays until the new version is ready, and can be restored.
    #[arg(long, value_name = "ASSET", conflicts_with = "course")]
    pub replace: Option<AssetId>,
    /// Wait until every file is published or refused.
    #[arg(long)]
    pub wait: bool,
    #[arg(long)]
    pub json: bool,
}

/// Which jobs are meant; what is not given matches all.
#[derive(Args, Clone, Default)]
pub struct Which {
    /// queued, parked, running, done, dead or cancelled; more than one with commas.
    #[arg(long, value_delimiter = ',')]
    pub state: Vec<State>,
    #[arg(long)]
    pub stage: Option<Stage>,
    /// interactive, default or backfill.
    #[arg(long)]
    pub lane: Option<Lane>,
    /// Such as TranscodeMedia.
    #[arg(long)]
    pub kind: Option<String>,
    #[arg(long, value_name = "ID")]
    pub asset: Option<AssetId>,
    #[arg(long, value_name = "ID")]
    pub course: Option<CourseId>,
    /// The account whose share they use.
    #[arg(long, value_name = "ID")]
    pub owner: Option<AccountId>,
    /// Of their failure: poison, transient, resource, dependency or lost.
    #[arg(long)]
    pub class: Option<String>,
    /// Of their failure, such as pdf_encrypted.
    #[arg(long)]
    pub code: Option<String>,
}

/// How something is done to many.
#[derive(Args, Clone, Copy)]
pub struct How {
    /// Change nothing, and say what would come of it.
    #[arg(long)]
    pub dry_run: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Jobs {
    /// List jobs, newest first.
    Ls {
        #[command(flatten)]
        which: Which,
        #[arg(long, default_value_t = 50)]
        limit: i64,
        #[arg(long)]
        json: bool,
    },
    /// What gave up, by cause, and the command that takes it up again.
    Dead {
        #[arg(long)]
        json: bool,
    },
    /// Everything about one job.
    Show {
        id: JobId,
        /// On one line.
        #[arg(long)]
        json: bool,
    },
    /// Queue dead or cancelled jobs again: those named, or all that the filter matches.
    #[command(after_help = "Example:\n  learnhub jobs retry --state dead --stage extract --code child_crashed --dry-run")]
    Retry {
        ids: Vec<JobId>,
        /// Every dead job; the same as --state dead.
        #[arg(long)]
        all_dead: bool,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
    },
    /// Cancel jobs: those named, or all that the filter matches.
    #[command(after_help = "Example:\n  learnhub jobs cancel --lane backfill --state queued")]
    Cancel {
        ids: Vec<JobId>,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
    },
    /// Move waiting jobs to the front, or to another lane.
    #[command(after_help = "Example:\n  learnhub jobs prioritise --asset ID --to interactive --front")]
    Prioritise {
        ids: Vec<JobId>,
        #[command(flatten)]
        which: Which,
        /// The lane to move them to.
        #[arg(long, value_name = "LANE")]
        to: Option<Lane>,
        /// To the front of their lane; what happens when no lane is named.
        #[arg(long)]
        front: bool,
        #[command(flatten)]
        how: How,
    },
    /// Make assets anew from a stage on. What is published stays as it is until the new version is there.
    #[command(
        after_help = "Examples:\n  learnhub jobs rerun --asset ID --stage extract\n  learnhub jobs rerun --kind video --stage transcode --dry-run"
    )]
    Rerun {
        /// Assets by id.
        #[arg(long = "asset", value_name = "ID")]
        assets: Vec<AssetId>,
        /// The stage to begin at.
        #[arg(long)]
        stage: Stage,
        #[arg(long, value_name = "ID")]
        course: Option<CourseId>,
        /// Whose assets.
        #[arg(long, value_name = "ID")]
        owner: Option<AccountId>,
        /// video, audio, document or captions.
        #[arg(long)]
        kind: Option<Kind>,
        /// processing, published or failed.
        #[arg(long, value_parser = ["processing", "published", "failed"])]
        state: Option<String>,
        /// The lane to queue in.
        #[arg(long, default_value = "backfill")]
        lane: Lane,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Subcommand)]
pub enum Stages {
    /// Every stage: what waits in which lane, what runs where, how it is set, who paused it.
    Ls {
        #[arg(long)]
        json: bool,
    },
    /// Set keys of workers.toml at run time; workers take them at their next sweep.
    #[command(after_help = "Example:\n  learnhub stages set transcode.concurrency=4 embed.lanes=default,backfill")]
    Set {
        #[arg(required = true, value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        /// On this host only.
        #[arg(long)]
        host: Option<String>,
    },
    /// Take settings back: the file's values hold again.
    Unset {
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        /// On this host only.
        #[arg(long)]
        host: Option<String>,
    },
    /// Let a stage take no new jobs; what runs goes on.
    Pause {
        stage: Stage,
        /// On this host only.
        #[arg(long)]
        host: Option<String>,
        /// For whoever wonders why nothing happens.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a paused stage take jobs again.
    Resume {
        stage: Stage,
        /// On this host only.
        #[arg(long)]
        host: Option<String>,
    },
    /// Let a host take no new jobs at all; what runs goes on.
    Drain {
        host: String,
        /// Wait until nothing runs there.
        #[arg(long)]
        wait: bool,
        /// For whoever wonders why nothing happens.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a drained host take jobs again.
    Undrain { host: String },
}

#[derive(Subcommand)]
pub enum Index {
    /// Make the whole index anew from the database and swap it in.
    Rebuild,
    /// Documents, segments and what waits to be indexed.
    Status {
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub enum User {
    /// Make an account; the password is read from LEARNHUB_PASSWORD or stdin.
    Create {
        email: String,
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "student")]
        role: Role,
    },
}

#[derive(Subcommand)]
pub enum Certificate {
    /// Say whether a PDF is a certificate of this server, unaltered.
    Verify {
        file: PathBuf,
        #[arg(long)]
        json: bool,
    },
}

use crate::server;
