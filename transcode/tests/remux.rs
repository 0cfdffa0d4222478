//! The largest rendition as the source has it: the same pictures, cut at their own IDRs, and what is not so is encoded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use transcode::{Manifest, NotCopied, Options};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

fn package(input: &Path, remux: bool) -> (TempDir, Manifest) {
    let dir = tempfile::tempdir().unwrap();
    let manifest = transcode::transcode(input, dir.path(), &Options { remux, ..Options::default() }, &mut |_| {}).unwrap();
    (dir, manifest)
}

/// A rendition as one file.
fn whole((dir, manifest): &(TempDir, Manifest), name: &str) -> PathBuf {
    let segments = manifest.renditions.iter().find(|rendition| rendition.name == name).unwrap().segments;
    let names = std::iter::once("init.mp4".to_owned()).chain((1..=segments).map(|number| format!("seg-{number:05}.m4s")));
    let bytes: Vec<u8> = names.flat_map(|file| fs::read(dir.path().join(name).join(file)).unwrap()).collect();
    let path = dir.path().join(format!("{name}.mp4"));
    fs::write(&path, bytes).unwrap();
    path
}

/// Checksums of all pictures as ffmpeg decodes them; `None` where there is no ffmpeg.
fn pictures(file: &Path) -> Option<Vec<String>> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file)
        .args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect())
}

/// Holds a package against the rules, but for those left broken on purpose (docs/decisions/0021).
fn assert_clean((dir, _): &(TempDir, Manifest)) {
    const ACCEPTED: [&str; 7] = ["1.13", "1.30", "2.19", "4.1", "6.2", "7.5", "9.10"];
    let report = transcode::check::check(dir.path().to_str().unwrap()).unwrap();
    let unexpected: Vec<_> = report.findings.iter().filter(|finding| !ACCEPTED.contains(&finding.rule.id)).collect();
    assert!(report.passed && unexpected.is_empty(), "{report}");
}

fn lengths((dir, _): &(TempDir, Manifest), name: &str) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join(name).join("index.m3u8")).unwrap();
    text.lines().filter(|line| line.starts_with("#EXTINF")).map(str::to_owned).collect()
}

#[test]
fn a_source_that_fits_is_copied_picture_by_picture() {
    let made = package(&fixture("runs.mp4"), true);
    let top = &made.1.renditions[0];
    assert_eq!((top.copied, top.frames, made.1.not_copied), (true, 260, None));
    assert!(made.1.renditions[1..].iter().all(|rendition| !rendition.copied));
    assert_clean(&made);
    assert_eq!(lengths(&made, &top.name), lengths(&made, &made.1.renditions[1].name), "the renditions are cut alike");
    if let Some(source) = pictures(&fixture("runs.mp4")) {
        assert_eq!(source.len(), 260);
        assert_eq!(pictures(&whole(&made, &top.name)), Some(source), "other pictures than the source's");
    }
}

#[test]
fn copying_can_be_switched_off_and_is_not_done_where_there_is_but_one_run() {
    let made = package(&fixture("runs.mp4"), false);
    assert_eq!((made.1.renditions[0].copied, made.1.not_copied), (false, Some(NotCopied::SwitchedOff)));
    if let Some(source) = pictures(&fixture("runs.mp4")) {
        assert_ne!(pictures(&whole(&made, &made.1.renditions[0].name)), Some(source));
    }
    let why = |name: &str| package(&fixture(name), true).1.not_copied;
    assert_eq!(why("captioned.mkv"), Some(NotCopied::CannotBeReadInRuns), "its first packets have no time to be decoded at");
    assert_eq!(why("rotated.mp4"), Some(NotCopied::CannotBeReadInRuns), "one segment");
    assert_eq!(why("tone.m4a"), None);
}

/// Places of IDR slices in an MP4, behind their lengths.
fn idrs(bytes: &[u8]) -> Vec<(usize, usize)> {
    let length = |at: usize| u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
    let starts = (4..bytes.len() - 1).filter(|&at| bytes[at] == 0x65 && bytes[at + 1] == 0x88);
    starts.map(|at| (at, length(at))).filter(|&(at, length)| length > 100 && at + length <= bytes.len()).collect()
}

#[test]
fn a_key_picture_that_is_none_is_no_place_to_cut() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lie.mp4");
    let mut bytes = fs::read(fixture("runs.mp4")).unwrap();
    let found = idrs(&bytes);
    assert_eq!(found.len(), 13);
    // The index goes on to call them key pictures.
    for &(at, _) in &found[3..7] {
        bytes[at] = 0x61;
    }
    fs::write(&file, bytes).unwrap();
    let made = package(&file, true);
    assert_eq!(made.1.not_copied, Some(NotCopied::KeyPicturesTooFarApart));
    assert_clean(&made);
}

#[test]
fn damage_that_only_decoding_shows_has_the_film_encoded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("damaged.mp4");
    let mut bytes = fs::read(fixture("runs.mp4")).unwrap();
    let (at, length) = idrs(&bytes)[5];
    for (i, byte) in bytes[at + length / 2..at + length].iter_mut().enumerate() {
        *byte ^= (i * 73 + 5) as u8 | 1;
    }
    fs::write(&file, bytes).unwrap();
    let made = package(&file, true);
    assert_eq!((made.1.renditions[0].copied, made.1.not_copied), (false, Some(NotCopied::DamagedOrUnusualStream)));
    assert_clean(&made);
    let left = made.1.files().len();
    assert_eq!(walk(made.0.path()), left, "something of the first attempt is left");
}

fn walk(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
}
