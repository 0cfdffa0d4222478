//! The rules themselves, over what was read: one file per chapter. Pure. A rule whose facts are missing keeps silent,
//! as what is missing is a finding already.

mod captions;
mod media;
mod multivariant;
mod picture;
mod rates;
mod sound;
mod trick;

use super::load::{Package, Rendition, Track, Variant};
use super::report::Findings;

/// Holds a package against every rule.
pub fn judge(package: &Package, findings: &mut Findings) {
    multivariant::judge(package, findings);
    media::judge(package, findings);
    picture::judge(package, findings);
    sound::judge(package, findings);
    captions::judge(package, findings);
    trick::judge(package, findings);
    rates::judge(package, findings);
}

impl Package {
    fn track(&self, number: Option<usize>) -> Option<&Track> {
        self.tracks.get(number?)
    }

    /// Members of a group of `kind` (AUDIO, VIDEO, SUBTITLES) that a variant names.
    fn group<'a>(&'a self, variant: &'a Variant, kind: &'a str) -> impl Iterator<Item = &'a Rendition> {
        let id = variant.attributes.text(kind);
        self.of_type(kind).filter(move |rendition| id.is_some() && rendition.attributes.text("GROUP-ID") == id)
    }

    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Rendition> {
        self.renditions.iter().filter(move |rendition| rendition.attributes.text("TYPE") == Some(kind))
    }

    /// Media playlists of pictures that play at normal speed.
    fn pictures(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.is_video() && !self.is_trick(track))
    }

    fn sounds(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.is_sound())
    }

    /// Named as an I-frame playlist and as nothing else.
    fn is_trick(&self, track: &Track) -> bool {
        let is_it =
            |number: Option<usize>| number.and_then(|number| self.tracks.get(number)).is_some_and(|named| std::ptr::eq(named, track));
        self.trick.iter().any(|trick| is_it(trick.track)) && !self.variants.iter().any(|variant| is_it(variant.track))
    }

    /// Named as subtitles.
    fn is_captions(&self, track: &Track) -> bool {
        self.of_type("SUBTITLES").any(|rendition| self.track(rendition.track).is_some_and(|named| std::ptr::eq(named, track)))
    }

    fn has_video(&self) -> bool {
        self.pictures().next().is_some()
    }
}

impl Variant {
    /// How findings name it.
    fn name(&self, package: &Package) -> String {
        match package.track(self.track) {
            Some(track) => format!("variant {}", track.file),
            None => format!("variant of BANDWIDTH {}", self.attributes.text("BANDWIDTH").unwrap_or("none")),
        }
    }

    fn is_video(&self, package: &Package) -> bool {
        package.track(self.track).is_some_and(Track::is_video)
    }
}

/// Seconds with their thousandths.
fn seconds(value: f64) -> String {
    format!("{value:.3} s")
}

/// kbit/s of a rate in bit/s.
fn kbits(rate: f64) -> String {
    format!("{:.0} kbit/s", rate / 1000.0)
}

/// The longest frame of a track at its nominal pace, in seconds: one block of sound, or the shortest time between two
/// pictures.
fn frame(track: &Track) -> Option<f64> {
    let mut shortest: Option<f64> = None;
    for (_, fragment, init) in track.fragments() {
        if init.is_sound() {
            return fragment.samples.first().map(|sample| init.seconds(sample.duration.into()));
        }
        if let Some(gap) = picture::gaps(fragment).min() {
            let gap = init.seconds(gap);
            shortest = Some(shortest.map_or(gap, |known| known.min(gap)));
        }
    }
    shortest.or_else(|| {
        let (_, fragment, init) = track.fragments().next()?;
        Some(init.seconds(fragment.duration()))
    })
}
