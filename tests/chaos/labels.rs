//! That the list of crash points, the sources and the program say the same.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use kernel::chaos::CRASH_POINTS;

/// Fails when a label stands in the sources and not in the list, the other way round, or twice; or when the program
/// under test was built without crash points.
pub fn agree(program: &Path) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for room in ["kernel", "ingest", "transcode", "embedder", "indexer", "certgen", "search-api", "lms", "."] {
        sources(&root.join(room).join("src"), &mut text);
    }
    let named: Vec<&str> = text.split("crash_point!(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let once: BTreeSet<&str> = named.iter().copied().collect();
    ensure!(once.len() == named.len(), "a crash point's label stands in one place: {named:?}");
    let listed: BTreeSet<&str> = CRASH_POINTS.iter().copied().collect();
    let differing: Vec<_> = once.symmetric_difference(&listed).collect();
    ensure!(differing.is_empty(), "kernel::chaos::CRASH_POINTS and the sources differ in {differing:?}");
    let bytes = std::fs::read(program)?;
    let label = CRASH_POINTS[0].as_bytes();
    ensure!(bytes.windows(label.len()).any(|window| window == label), "{} has no crash points", program.display());
    Ok(())
}

fn sources(folder: &Path, found: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&std::fs::read_to_string(&path).unwrap_or_default());
        }
    }
}
