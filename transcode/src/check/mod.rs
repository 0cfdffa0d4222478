//! `learnhub hls check`: holds an HLS package against Apple's authoring rules, RFC 8216 and what the bytes say.
//!
//! Core, in the order of the work: `load` reads everything through a `place` and reduces it to measures (`playlist` and
//! `attributes` read text, `boxes`, `init`, `fragment` and `h264` read MP4, `vtt` reads captions), `judge` holds the
//! measures against `rules`, `report` tells. Shells are `place` (a folder), `http` (a server) and `cli`.
//!
//! It deliberately shares no parser with the code that writes packages: what both misunderstand, nobody would see. It
//! decodes no picture and no sound, looks into H.264 and AAC only, and does not know MPEG transport streams.

mod attributes;
mod boxes;
pub mod cli;
mod fragment;
mod h264;
pub(crate) mod http;
mod init;
mod judge;
mod load;
mod place;
mod playlist;
mod report;
mod rules;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
mod vtt;

use std::path::Path;

use anyhow::{Context, Result};
use url::Url;

pub use report::{Finding, Report};
pub use rules::{Level, Rule};

use place::Place;

/// Checks a package: a folder with `master.m3u8`, a multivariant playlist, or the address of one.
///
/// # Errors
/// When there is no multivariant playlist at `target`. Everything else is a finding.
pub fn check(target: &str) -> Result<Report> {
    if target.starts_with("http://") || target.starts_with("https://") {
        let address = Url::parse(target).context("read the address")?;
        return check_at(&mut http::Server::new()?, &address, target);
    }
    let (mut folder, address) = place::start(Path::new(target))?;
    check_at(&mut folder, &address, target)
}

fn check_at(place: &mut dyn Place, start: &Url, name: &str) -> Result<Report> {
    let mut findings = report::Findings::default();
    let package = load::load(place, start, &mut findings)?;
    judge::judge(&package, &mut findings);
    // A query may be a signature.
    let name = name.split('?').next().unwrap_or_default().to_owned();
    Ok(Report::new(name, findings, package.tracks.len() + 1, package.segments, package.bytes))
}
