//! An engine that is a program: it gets the path of the sound among its arguments and writes WebVTT to its stdout.

use std::path::Path;
use std::thread;

use kernel::child::Limits;
use kernel::child::outside::{Program, Trouble};
use kernel::config::{INPUT, LANGUAGE};
use kernel::jobs::{Ctx, Failure, Stage};

use super::engine::{self, ANSWER_BYTES, Patience, Question};

/// What it may put on the disk beside the sound, as a multiple of that and in bytes.
const SCRATCH: (u64, u64) = (4, 256 << 20);

/// Runs the program that `speech.command` names.
pub async fn ask(ctx: &Ctx, question: &Question<'_>, patience: Patience) -> Result<Vec<u8>, Failure> {
    let (program, template) = ctx.env.config.speech.command.split_first().ok_or_else(|| engine::away("no engine is set up"))?;
    let arguments = arguments(template, question);
    let sound = tokio::fs::metadata(question.sound).await?.len();
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let scratch_bytes = sound.saturating_mul(SCRATCH.0).saturating_add(SCRATCH.1);
    // `Ctx::outside` grows them by the same factor, after an attempt that met a limit.
    let wall = patience.wall.div_f32(ctx.job.limits_factor);
    let limits = Limits {
        memory_bytes: ctx.env.pools.get(Stage::Transcribe).memory_mb << 20,
        cpu_seconds: (wall.as_secs() * cores).max(1),
        file_bytes: scratch_bytes,
        scratch_bytes,
        answer_bytes: ANSWER_BYTES,
        wall,
        stall: patience.stall,
        ..Limits::default()
    };
    ctx.outside(&Program { path: Path::new(program), arguments: &arguments }, limits, question.dir).await.map_err(failure)
}

/// The arguments with the path of the sound and the language put in.
fn arguments(template: &[String], question: &Question<'_>) -> Vec<String> {
    let sound = question.sound.to_string_lossy();
    template.iter().map(|argument| argument.replace(LANGUAGE, question.language.unwrap_or("auto")).replace(INPUT, &sound)).collect()
}

fn failure(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::NotStarted(error) => engine::away(format!("it cannot be started: {error}")),
        Trouble::Ended { status, stderr } => engine::failed(format!("{status}; {stderr}")),
        Trouble::Late => engine::too_much("it took longer than it may"),
        Trouble::Silent => engine::too_much("it neither said anything nor used a processor for too long"),
        Trouble::Greedy => engine::too_much("it took more memory or space on the disk than it may"),
        Trouble::Talkative => engine::nonsense(format!("more than {ANSWER_BYTES} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_and_the_language_are_put_in_and_never_read_as_more_than_an_argument() {
        let template = ["-l".to_owned(), "{language}".to_owned(), "--file={input}".to_owned(), "$HOME; rm".to_owned()];
        let question = |language| Question { sound: Path::new("/scratch/a b/{language}.wav"), language, dir: Path::new("/scratch") };
        assert_eq!(arguments(&template, &question(Some("de"))), ["-l", "de", "--file=/scratch/a b/{language}.wav", "$HOME; rm"]);
        assert_eq!(arguments(&template, &question(None))[1], "auto");
    }
}
