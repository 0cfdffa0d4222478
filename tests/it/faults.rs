//! Killing: whatever dies at whatever moment, everything is published once and nothing is left over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::program::{Person, Up, command, data_folder, fixture, objects, run, walk};

/// Thirty uploads of all kinds, each with bytes of its own.
fn mixed() -> Vec<(String, Vec<u8>)> {
    let with_box = |mut bytes: Vec<u8>, number: u8| {
        // An ISO media file may end with boxes of free space.
        bytes.extend([0, 0, 0, 9]);
        bytes.extend(b"free");
        bytes.push(number);
        bytes
    };
    let with_line = |mut bytes: Vec<u8>, number: u8| {
        bytes.extend(format!("\n\nThis is copy number {number}.\n").bytes());
        bytes
    };
    let with_comment = |mut bytes: Vec<u8>, number: u8| {
        bytes.extend(format!("\n% copy {number}\n").bytes());
        bytes
    };
    (0..5u8)
        .flat_map(|n| {
            [
                (format!("clip {n}.mp4"), with_box(fixture("tiny.mp4"), n)),
                (format!("tone {n}.m4a"), with_box(fixture("tone.m4a"), n)),
                (format!("pages {n}.pdf"), with_comment(fixture("two-pages.pdf"), n)),
                (format!("notes {n}.md"), with_line(fixture("notes.md"), n)),
                (format!("page {n}.html"), with_line(fixture("page.html"), n)),
                (format!("talk {n}.srt"), with_line(fixture("captions.srt"), n)),
            ]
        })
        .collect()
}

/// A small generator (Numerical Recipes' linear congruence), so that a failing run can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_at_random_moments_lose_nothing_and_double_nothing() {
    let seed = std::env::var("LEARNHUB_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()));
    println!("LEARNHUB_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let data = data_folder();
    let mut up = Up::start(data.path());
    let mut teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Under fire").await;
    let mut assets = Vec::new();
    let mut media = Vec::new();
    for (name, bytes) in mixed() {
        let asset = teacher.upload(&course, &name, bytes.clone()).await;
        if name.ends_with(".mp4") || name.ends_with(".m4a") {
            media.push((asset.clone(), bytes));
        }
        assets.push(asset);
    }
    let (mut programs, mut children) = (0, 0);
    while programs + children < 20 {
        // The moment is the fault that is injected here, hence a sleep.
        tokio::time::sleep(Duration::from_millis(20 + dice.roll(700))).await;
        if dice.roll(2) == 0 {
            for pid in up.disposable_children() {
                // SAFETY: kill takes plain numbers; the process was just seen to be a child of the program under test.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                children += 1;
            }
        } else {
            up.kill();
            programs += 1;
            up = Up::start(data.path());
            teacher = teacher.at(&up);
        }
    }
    println!("killed the program {programs} times and {children} children");
    for asset in &assets {
        let asset = teacher.settled(asset).await;
        assert_eq!(asset["state"], "published", "seed {seed}: {asset}");
    }
    // Once each: one publication per asset in the record of events.
    for asset in &assets {
        let events = teacher.get(&format!("/events?asset_id={asset}&limit=100")).await;
        let published = events["items"].as_array().expect("events").iter().filter(|event| event["kind"] == "Published").count();
        assert_eq!(published, 1, "seed {seed}: {events}");
    }
    assert_eq!(up.stop(), Some(0));
    // A start and a janitor's round take away what the dead have left; then objects and rows agree.
    let up = Up::start(data.path());
    let swept = async {
        loop {
            let report = doctor(data.path());
            if failing(&report).is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(90), swept).await;
    assert!(ended.is_ok(), "seed {seed}: {:#?}", failing(&doctor(data.path())));
    assert_eq!(up.stop(), Some(0));
    for (asset, bytes) in &media {
        assert_eq!(stored(data.path(), asset), undisturbed(bytes), "seed {seed}: {asset} has other bytes than without a kill");
    }
}

/// The files of an asset's stream, and a hash of each.
fn stored(data: &Path, asset: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = objects(data).join("assets").join(asset);
    let entries = std::fs::read_dir(&folder).expect("the asset's folder").flatten().map(|entry| entry.path());
    // An S3 server that keeps objects as files leaves folders behind that hold none.
    let versions: Vec<_> = entries.filter(|version| !walk(version).is_empty()).collect();
    assert_eq!(versions.len(), 1, "{versions:?}");
    hashed(&versions[0])
}

/// What the same bytes become where nothing is killed.
fn undisturbed(bytes: &[u8]) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, out) = (folder.path().join("source"), folder.path().join("out"));
    std::fs::write(&source, bytes).expect("write");
    let arguments = ["transcode", source.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")];
    let output = run(folder.path(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    hashed(&out)
}

fn hashed(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let name = |path: &Path| path.strip_prefix(folder).expect("below it").to_owned();
    let hash = |path: &Path| Sha256::digest(std::fs::read(path).expect("read")).to_vec();
    walk(folder).iter().map(|path| (name(path), hash(path))).collect()
}

fn doctor(data: &Path) -> Value {
    let output = run(data, &["doctor", "--check", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn failing(report: &Value) -> Vec<&Value> {
    report
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| finding["health"] == "fail" && finding["name"].as_str().is_some_and(|name| name.starts_with('I')))
        .collect()
}

#[tokio::test]
async fn the_doctor_notices_a_lost_object_an_orphan_and_a_forgotten_asset() {
    // The negative control of the test above: its judge can say no.
    let data = data_folder();
    let mut command = command(data.path());
    // A janitor that comes by would sweep the orphan before the doctor sees it.
    command.env("LEARNHUB_JOBS_JANITOR_SECONDS", "3600");
    let up = Up::start_with(command);
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Spoilt").await;
    let clip = teacher.publish(&course, "clip.mp4", fixture("tiny.mp4")).await;
    assert!(failing(&doctor(data.path())).is_empty());
    let objects = objects(data.path());
    let hls = objects.join("assets").join(clip["id"].as_str().expect("an id"));
    let segment = walk(&hls).into_iter().find(|path| path.extension().is_some_and(|extension| extension == "m4s")).expect("a segment");
    std::fs::write(objects.join("assets").join(clip["id"].as_str().expect("an id")).join("orphan"), "x").expect("write");
    std::fs::remove_file(segment).expect("remove");
    let source = walk(&objects.join("sources")).pop().expect("a source");
    std::fs::write(source, "changed").expect("write");
    let report = doctor(data.path());
    let names: Vec<&str> = failing(&report).iter().filter_map(|finding| finding["name"].as_str()).collect();
    assert_eq!(names, ["I2", "I3", "I7"], "{report:#}");
    drop(up);
}
