//! `cargo run -p transcode --example transcode -- FILE OUT`: the core alone, in this process, for looking at it with
//! other tools. The command of the product is `learnhub transcode`.

use std::path::Path;
use std::process::ExitCode;

use transcode::Options;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, file, out, flags @ ..] = &args[..] else {
        eprintln!("usage: transcode FILE OUT [--every-picture] [--loudness=LUFS] [--no-remux]");
        return ExitCode::from(2);
    };
    let loudness_lufs = flags.iter().find_map(|flag| flag.strip_prefix("--loudness=")?.parse().ok());
    let is = |name: &str| flags.iter().any(|flag| flag == name);
    let options = Options { hold_repeats: !is("--every-picture"), remux: !is("--no-remux"), loudness_lufs, ..Options::default() };
    match transcode::transcode(Path::new(file), Path::new(out), &options, &mut |_| {}) {
        Ok(manifest) => {
            println!("{}", serde_json::to_string_pretty(&manifest).expect("a manifest becomes json"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {} ({error:?})", error.code(), error.sentence());
            ExitCode::from(3)
        }
    }
}
