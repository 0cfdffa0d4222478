//! What each command does. Data goes to stdout, talk to stderr.

pub mod backfill;
pub mod backup;
mod completions;
mod gc;
mod ingest;
mod jobs;
pub mod print;
mod stages;

use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use kernel::config::Config;
use kernel::http::{Principal, Role};
use kernel::jobs::Stage;

use crate::cli::{Arguments, Certificate, Command, Global, Index, User};
use crate::commands::print::say;
use crate::server::{self, Part, Plan};
use crate::world::{self, Claim, World};
use crate::{doctor, log};

/// It was done, but some input was refused.
pub const REFUSED: u8 = 3;

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { global, command } = arguments;
    // These need no configuration and no runtime, let alone a server.
    match command {
        Command::Transcode(args) => return transcode::cli::run(&args, &std::env::current_exe()?),
        Command::Hls(command) => return transcode::check::cli::run(&command),
        Command::Openapi => {
            say!("{}", serde_json::to_string_pretty(&server::description())?);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Completions { shell } => return completions::completions(shell),
        Command::Man { dir } => return completions::manual(&dir),
        _ => {}
    }
    let config = configure(&global)?;
    let chatter = match command {
        Command::Up(_) | Command::Serve { .. } | Command::Worker { .. } => log::Default::Server,
        _ => log::Default::Quiet,
    };
    // Kept until the runtime is gone: dropping it sends the last traces.
    let _log = log::start(&config, &global, chatter)?;
    tokio::runtime::Runtime::new().context("start the runtime")?.block_on(dispatch(config, command))
}

fn configure(global: &Global) -> Result<Config> {
    let mut env: std::collections::BTreeMap<String, String> = std::env::vars().collect();
    if let Some(data) = &global.data {
        env.insert("LEARNHUB_DATA_DIR".into(), data.to_string_lossy().into_owned());
    }
    Config::from_parts(global.config.as_deref(), &env)
}

async fn dispatch(mut config: Config, command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(listen) => {
            if let Some(address) = listen.listen {
                config.http.listen = address;
            }
            let serve = Some((Part::ALL.to_vec(), config.http.listen.clone()));
            server::run(config, Plan { claim: Claim::Own, serve, stages: Stage::ALL.into() }).await?;
        }
        Command::Serve { roles, listen } => {
            if let Some(address) = listen.listen {
                config.http.listen = address;
            }
            let serve = Some((roles, config.http.listen.clone()));
            server::run(config, Plan { claim: Claim::Join, serve, stages: [].into() }).await?;
        }
        Command::Worker { stages } => {
            let stages = if stages.is_empty() { Stage::ALL.into() } else { stages.into_iter().collect() };
            server::run(config, Plan { claim: Claim::Join, serve: None, stages }).await?;
        }
        Command::Ingest(args) => return with_world(config, async |world| ingest::run(world, args).await).await,
        Command::Search { query, account, limit, json } => {
            return with_world(config, async |world| {
                let who = match account {
                    Some(email) => principal(world, &email).await?,
                    None => Principal { account_id: kernel::id::AccountId(uuid::Uuid::nil()), role: Role::Admin },
                };
                let embedder = server::open_embedder(&world.env, world.no_vectors.as_deref()).await;
                let searcher = search_api::Searcher::new(&world.env, embedder);
                let found = search_api::cli::search(&world.env, &searcher, &who, &query, limit).await?;
                print::hits(&found, json)?;
                Ok(ExitCode::SUCCESS)
            })
            .await;
        }
        Command::Extract(args) => return ::ingest::cli::run(&config, &args).await,
        Command::Jobs(command) => return with_world(config, async |world| jobs::run(world, command).await).await,
        Command::Stages(command) => return with_world(config, async |world| stages::run(world, command).await).await,
        Command::Workers { json } => return with_world(config, async |world| stages::workers(world, json).await).await,
        Command::Index(command) => return with_world(config, async |world| index(world, command).await).await,
        Command::User(User::Create { email, name, role }) => {
            let password = password()?;
            return with_world(config, async |world| {
                let account = lms::create_account(&world.env, &email, &name, &password, role).await?;
                say!("{}", serde_json::to_string(&account)?);
                Ok(ExitCode::SUCCESS)
            })
            .await;
        }
        Command::Certificate(Certificate::Verify { file, json }) => {
            return with_world(config, async |world| {
                let verdict = certgen::verify_file(&world.env, &file).await?;
                print::verdict(&verdict, json)?;
                Ok(if matches!(verdict, certgen::Verdict::Valid { .. }) { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
            })
            .await;
        }
        Command::Doctor { check, json } => return doctor::run(config, check, json).await,
        Command::Migrate => {
            if config.database.owner_url.is_empty() {
                bail!(
                    "set database.owner_url to the database as the owner of its tables; `learnhub up` migrates its private database by itself"
                );
            }
            match world::migrate(&config).await? {
                None => say!("the schema is up to date"),
                Some(why) => say!("the schema is up to date, without vectors: {why}"),
            }
        }
        Command::Backup { dir, json } => return with_world(config, async |world| backup::backup(world, &dir, json).await).await,
        Command::Restore { dir, at, force, json } => return backup::restore(config, &dir, at, force, json).await,
        Command::Gc { dry_run, json } => return with_world(config, async |world| gc::run(world, dry_run, json).await).await,
        Command::Backfill { stage, dry_run, limit, json } => {
            return with_world(config, async |world| backfill::run(world, stage, dry_run, limit, json).await).await;
        }
        Command::Transcode(_)
        | Command::Hls(_)
        | Command::Openapi
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Child { .. } => {
            unreachable!("handled before there was a runtime")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the world, joins a running server or stands in for it, and closes in order whatever happens.
async fn with_world(config: Config, work: impl AsyncFnOnce(&World) -> Result<ExitCode>) -> Result<ExitCode> {
    let world = World::open(config, Claim::Either).await?;
    let outcome = work(&world).await;
    world.close().await;
    outcome
}

async fn index(world: &World, command: Index) -> Result<ExitCode> {
    match command {
        Index::Rebuild => {
            let rebuilt = indexer::rebuild(&world.env, |done, total| eprint!("\rrebuilding: {done} of {total} assets")).await?;
            eprintln!();
            say!("{}", serde_json::to_string(&rebuilt)?);
        }
        Index::Status { json } => {
            let (status, counts) = indexer::status(&world.env).await?;
            let waiting = sqlx::query_scalar!("select count(*) as \"count!\" from index_dirty").fetch_one(&world.env.db).await?;
            print::index_status(&status, counts.len(), waiting, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The account of this address.
pub async fn principal(world: &World, email: &str) -> Result<Principal> {
    let row = sqlx::query!("select id, role as \"role: Role\" from accounts where email = lower($1)", email)
        .fetch_optional(&world.env.db)
        .await?
        .with_context(|| format!("no account has the address {email}"))?;
    Ok(Principal { account_id: row.id.into(), role: row.role })
}

/// Who acts at the command line, as others will read it.
pub fn operator() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    // SAFETY: getuid has no preconditions and cannot fail.
    user.map_or_else(|| format!("command line (user id {})", unsafe { libc::getuid() }), |user| format!("command line ({user})"))
}

fn password() -> Result<String> {
    if let Ok(password) = std::env::var("LEARNHUB_PASSWORD") {
        return Ok(password);
    }
    eprintln!("password, then end of input (Ctrl-D):");
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("read the password from stdin")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
