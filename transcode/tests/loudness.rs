//! Sound brought to a loudness: measured on what comes out, by our own meter and by ffmpeg's where it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use transcode::{Manifest, Options};

const RATE: usize = 48_000;
const TARGET: f64 = -16.0;

/// Writes a WAV of both channels alike.
fn wav(dir: &Path, name: &str, samples: &[f64]) -> PathBuf {
    let data: Vec<u8> = samples.iter().flat_map(|sample| ((sample.clamp(-1.0, 1.0) * 32767.0) as i16).to_le_bytes().repeat(2)).collect();
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
    bytes[4..8].copy_from_slice(&(data.len() as u32 + 36).to_le_bytes());
    bytes.extend((RATE as u32).to_le_bytes());
    bytes.extend((RATE as u32 * 4).to_le_bytes());
    bytes.extend(b"\x04\0\x10\0data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Something like a voice: syllables of a few harmonics with pauses between sentences.
fn voice(seconds: usize, amplitude: f64) -> Vec<f64> {
    let sample = |i: usize| {
        let t = i as f64 / RATE as f64;
        let turn = |hertz: f64| (t * hertz * std::f64::consts::TAU).sin();
        let sentence = if t % 5.0 < 4.0 { 1.0 } else { 0.0 };
        let syllable = 0.6 + 0.4 * turn(3.0);
        amplitude * sentence * syllable * (0.5 * turn(220.0) + 0.3 * turn(660.0) + 0.2 * turn(1540.0))
    };
    (0..seconds * RATE).map(sample).collect()
}

fn package(input: &Path, loudness_lufs: Option<f64>) -> (TempDir, Manifest) {
    let dir = tempfile::tempdir().unwrap();
    let manifest = transcode::transcode(input, dir.path(), &Options { loudness_lufs, ..Options::default() }, &mut |_| {}).unwrap();
    (dir, manifest)
}

/// What is heard of a package, as one file.
fn heard((dir, manifest): &(TempDir, Manifest)) -> PathBuf {
    let sound = manifest.renditions.last().unwrap();
    let names = std::iter::once("init.mp4".to_owned()).chain((1..=sound.segments).map(|number| format!("seg-{number:05}.m4s")));
    let bytes: Vec<u8> = names.flat_map(|name| fs::read(dir.path().join("audio").join(name)).unwrap()).collect();
    let path = dir.path().join("heard.mp4");
    fs::write(&path, bytes).unwrap();
    path
}

/// Loudness of a file and its true peak, by our meter.
fn measured(file: &Path) -> (f64, f64) {
    let level = package(file, Some(TARGET)).1.loudness.unwrap().measured.unwrap();
    (level.lufs, level.true_peak_dbtp)
}

/// The same loudness by ffmpeg's meter; `None` where there is no ffmpeg.
fn second_opinion(file: &Path) -> Option<f64> {
    let output = Command::new("ffmpeg").args(["-nostdin", "-i"]).arg(file).args(["-af", "ebur128", "-f", "null", "-"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = &text[text.rfind("Summary:").expect("ffmpeg measures")..];
    summary.lines().find_map(|line| line.trim().strip_prefix("I:")?.trim().strip_suffix("LUFS")?.trim().parse().ok())
}

#[test]
fn a_quiet_and_a_loud_film_end_at_the_target() {
    let dir = tempfile::tempdir().unwrap();
    for (name, amplitude) in [("quiet.wav", 0.03), ("loud.wav", 1.3)] {
        let file = wav(dir.path(), name, &voice(12, amplitude));
        let before = measured(&file).0;
        assert!((before - TARGET).abs() > 5.0, "{name} has {before} LUFS to begin with");
        let made = package(&file, Some(TARGET));
        let heard = heard(&made);
        let (lufs, peak) = measured(&heard);
        assert!((lufs - TARGET).abs() <= 0.5 && peak <= -0.5, "{name}: {lufs} LUFS, {peak} dBTP");
        if let Some(lufs) = second_opinion(&heard) {
            assert!((lufs - TARGET).abs() <= 0.5, "{name}: ffmpeg says {lufs} LUFS");
        }
        let told = made.1.loudness.unwrap();
        assert_eq!((told.target_lufs, told.measured.unwrap().lufs), (TARGET, before));
        let report = transcode::check::check(made.0.path().to_str().unwrap()).unwrap();
        assert!(report.passed && report.findings.iter().all(|finding| finding.rule.id != "2.19"), "the loudness box: {report}");
    }
}

#[test]
fn sound_stays_as_it_is_when_nothing_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = wav(dir.path(), "quiet.wav", &voice(12, 0.03));
    let made = package(&file, None);
    assert_eq!(made.1.loudness, None);
    let ((before, _), (after, _)) = (measured(&file), measured(&heard(&made)));
    assert!((before - after).abs() < 0.3 && after < TARGET - 5.0, "{before} became {after}");
}

#[test]
fn peaks_keep_what_is_quiet_from_becoming_too_loud() {
    let dir = tempfile::tempdir().unwrap();
    let mut samples = voice(12, 0.03);
    // A door: a burst in one place.
    for (i, sample) in samples[3 * RATE..][..RATE / 100].iter_mut().enumerate() {
        *sample = 0.5 * (i as f64 * 0.2).sin();
    }
    let made = package(&wav(dir.path(), "door.wav", &samples), Some(TARGET));
    let (lufs, peak) = measured(&heard(&made));
    assert!(lufs < TARGET - 5.0 && (-3.0..=0.0).contains(&peak), "{lufs} LUFS, {peak} dBTP");
}

#[test]
fn silence_very_short_sound_and_films_without_sound_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for (name, samples) in [("silence.wav", vec![0.0; 5 * RATE]), ("click.wav", voice(1, 0.5)[..RATE / 10].to_vec())] {
        let loudness = package(&wav(dir.path(), name, &samples), Some(TARGET)).1.loudness.unwrap();
        assert_eq!((loudness.measured, loudness.gain_db), (None, 0.0), "{name}");
    }
    let silent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/silent.mp4");
    assert_eq!(package(&silent, Some(TARGET)).1.loudness, None);
    // Half of it is noise where samples should be coded.
    let mut bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tone.m4a")).unwrap();
    let data = bytes.windows(4).position(|w| w == b"mdat").unwrap() + 4;
    for (i, byte) in bytes[data..].iter_mut().enumerate().take(6000).filter(|(i, _)| i % 3 == 0) {
        *byte ^= (i * 37) as u8;
    }
    let broken = dir.path().join("broken.m4a");
    fs::write(&broken, bytes).unwrap();
    let out = dir.path().join("out");
    let outcome = |loudness_lufs| {
        transcode::transcode(&broken, &out, &Options { loudness_lufs, ..Options::default() }, &mut |_| {}).map_err(|error| error.code())
    };
    assert_eq!(outcome(Some(TARGET)).is_ok(), outcome(None).is_ok(), "measuring makes nothing fail that would not");
}
