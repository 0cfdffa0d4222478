//! What the multivariant playlist announces, and whether it is so.

use std::collections::BTreeSet;

use crate::check::load::{Package, Rendition, Track, Variant};
use crate::check::report::Findings;
use crate::check::rules;

pub fn judge(package: &Package, findings: &mut Findings) {
    if !package.independent {
        findings.add(&rules::INDEPENDENT, &package.file, "no EXT-X-INDEPENDENT-SEGMENTS", "one");
    }
    for variant in &package.variants {
        judge_variant(package, variant, findings);
    }
    for rendition in &package.renditions {
        judge_rendition(package, rendition, findings);
    }
    groups(package, findings);
    ladder(package, findings);
}

fn judge_variant(package: &Package, variant: &Variant, findings: &mut Findings) {
    let (file, name, attributes) = (&package.file, variant.name(package), &variant.attributes);
    if attributes.number("BANDWIDTH").is_none() {
        findings.add(&rules::STREAM_INF, file, format!("{name} has no BANDWIDTH"), "one");
    }
    for kind in ["AUDIO", "VIDEO", "SUBTITLES"] {
        if let Some(id) = attributes.text(kind)
            && package.group(variant, kind).next().is_none()
        {
            findings.add(&rules::STREAM_INF, file, format!("{name} names {kind}=\"{id}\", which is no group"), "a group that is there");
        }
    }
    if attributes.number("AVERAGE-BANDWIDTH").is_none() {
        findings.add(&rules::AVERAGE_BANDWIDTH, file, format!("{name} has none"), "AVERAGE-BANDWIDTH");
    }
    match attributes.text("CODECS") {
        None => findings.add(&rules::CODECS, file, format!("{name} has none"), "CODECS"),
        Some(codecs) => judge_codecs(package, variant, codecs, findings),
    }
    let sounds = codecs_of(attributes.text("CODECS").unwrap_or_default()).iter().any(|codec| codec.starts_with("MP4A"));
    if variant.is_video(package) && sounds && !attributes.has("AUDIO") {
        findings.add(&rules::SEPARATE_SOUND, file, format!("{name} carries its sound among the pictures"), "an AUDIO group");
    }
}

fn codecs_of(list: &str) -> BTreeSet<String> {
    list.split(',').map(|codec| codec.trim().to_ascii_uppercase()).filter(|codec| !codec.is_empty()).collect()
}

/// CODECS against what the initialisation segments say.
fn judge_codecs(package: &Package, variant: &Variant, said: &str, findings: &mut Findings) {
    let mut tracks: Vec<&Track> = package.track(variant.track).into_iter().collect();
    for kind in ["AUDIO", "VIDEO"] {
        tracks.extend(package.group(variant, kind).filter_map(|rendition| package.track(rendition.track)));
    }
    let inits: Vec<_> = tracks.iter().filter_map(|track| track.init()).collect();
    if inits.len() < tracks.len() || inits.is_empty() {
        return;
    }
    let there: BTreeSet<String> = inits.iter().flat_map(|init| init.codecs()).map(|codec| codec.to_ascii_uppercase()).collect();
    let said_set = codecs_of(said);
    // Of a codec that is not looked into only the name is known, to which parameters are added.
    let meets = |there: &String, said: &String| said == there || (!there.contains('.') && said.split('.').next() == Some(there));
    let all_said = there.iter().all(|there| said_set.iter().any(|said| meets(there, said)));
    let all_there = said_set.iter().all(|said| there.iter().any(|there| meets(there, said)));
    if !all_said || !all_there {
        let codecs: Vec<_> = inits.iter().flat_map(|init| init.codecs()).collect::<BTreeSet<_>>().into_iter().collect();
        findings.add(&rules::CODEC_STRING, &package.file, format!("{} says {said}", variant.name(package)), codecs.join(","));
    }
}

fn judge_rendition(package: &Package, rendition: &Rendition, findings: &mut Findings) {
    let (file, attributes) = (&package.file, &rendition.attributes);
    let kind = attributes.text("TYPE").unwrap_or_default();
    let name = format!("EXT-X-MEDIA {kind} {}", attributes.text("NAME").unwrap_or("without NAME"));
    let mut broken = |measured: &str, expected: &str| findings.add(&rules::MEDIA_TAG, file, format!("{name} {measured}"), expected);
    if !matches!(kind, "AUDIO" | "VIDEO" | "SUBTITLES" | "CLOSED-CAPTIONS") {
        broken("has a TYPE of no meaning", "AUDIO, VIDEO, SUBTITLES or CLOSED-CAPTIONS");
    }
    for needed in ["GROUP-ID", "NAME"] {
        if attributes.text(needed).is_none_or(str::is_empty) {
            broken(&format!("has no {needed}"), needed);
        }
    }
    match kind {
        "SUBTITLES" if !attributes.has("URI") => broken("has no URI", "URI"),
        "CLOSED-CAPTIONS" if attributes.has("URI") => broken("has a URI", "none, as captions are among the pictures"),
        _ => {}
    }
    if (kind == "CLOSED-CAPTIONS") != attributes.has("INSTREAM-ID") {
        broken("and INSTREAM-ID do not go together", "an INSTREAM-ID for closed captions and nothing else");
    }
    if attributes.yes("DEFAULT") && attributes.has("AUTOSELECT") && !attributes.yes("AUTOSELECT") {
        broken("is DEFAULT and not AUTOSELECT", "AUTOSELECT=YES");
    }
    if attributes.has("FORCED") && kind != "SUBTITLES" {
        broken("is FORCED", "FORCED for subtitles only");
    }
    if let (Some(said), Some(crate::check::init::Coding::Aac(aac))) =
        (attributes.text("CHANNELS"), package.track(rendition.track).and_then(Track::init).map(|init| &init.coding))
        && said.split('/').next() != Some(aac.channels.to_string().as_str())
    {
        broken(&format!("says CHANNELS=\"{said}\""), &format!("\"{}\"", aac.channels));
    }
    if kind != "VIDEO" {
        match attributes.text("LANGUAGE") {
            None => findings.add(&rules::LANGUAGE, file, format!("{name} has none"), "LANGUAGE"),
            Some(tag) if !is_language(tag) => findings.add(&rules::LANGUAGE, file, format!("{name} has {tag:?}"), "a BCP 47 tag"),
            Some(_) => {}
        }
    }
}

/// The form of a BCP 47 tag: a language of two or three letters (or five to eight), then subtags.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let language = matches!(first.len(), 2 | 3 | 5..=8) && first.bytes().all(|b| b.is_ascii_alphabetic());
    language && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn groups(package: &Package, findings: &mut Findings) {
    for (i, rendition) in package.renditions.iter().enumerate() {
        let key = |rendition: &Rendition, name: &str| rendition.attributes.text(name).map(str::to_owned);
        let together = |other: &&Rendition| ["TYPE", "GROUP-ID"].iter().all(|name| key(other, name) == key(rendition, name));
        let name = key(rendition, "NAME").unwrap_or_default();
        let group = key(rendition, "GROUP-ID").unwrap_or_default();
        let mut before = package.renditions[..i].iter().filter(together);
        if before.clone().any(|other| key(other, "NAME").is_some_and(|other| other == name)) {
            findings.add(&rules::GROUPS, &package.file, format!("{name:?} twice in group {group:?}"), "different names");
        }
        if rendition.attributes.yes("DEFAULT") && before.any(|other| other.attributes.yes("DEFAULT")) {
            findings.add(&rules::GROUPS, &package.file, format!("two DEFAULT in group {group:?}"), "one at most");
        }
    }
    let sounds: Vec<_> = package.of_type("AUDIO").collect();
    let languages: BTreeSet<_> = sounds.iter().filter_map(|rendition| rendition.attributes.text("LANGUAGE")).collect();
    if languages.len() > 1
        && let Some(muxed) = sounds.iter().find(|rendition| !rendition.attributes.has("URI"))
    {
        let name = muxed.attributes.text("NAME").unwrap_or_default();
        findings.add(
            &rules::LANGUAGES_APART,
            &package.file,
            format!("{name:?} has no URI, of {} languages", languages.len()),
            "a URI each",
        );
    }
}

/// What variants there are, compared with one another.
fn ladder(package: &Package, findings: &mut Findings) {
    let file = &package.file;
    let videos: Vec<&Variant> = package.variants.iter().filter(|variant| variant.is_video(package)).collect();
    let rate = |variant: &Variant| variant.attributes.number("AVERAGE-BANDWIDTH").or(variant.attributes.number("BANDWIDTH"));
    if let Some(lowest) = package.variants.iter().filter_map(|variant| variant.attributes.number("BANDWIDTH")).min()
        && lowest > CELLULAR
    {
        findings.add(&rules::CELLULAR, file, super::kbits(lowest as f64), "192 kbit/s or less");
    }
    let Some(first) = videos.first() else { return };
    let nearest = videos.iter().filter_map(|variant| rate(variant)).min_by_key(|rate| rate.abs_diff(STARTING));
    if let (Some(first), Some(nearest)) = (rate(first), nearest)
        && first.abs_diff(STARTING) > nearest.abs_diff(STARTING)
    {
        findings.add(&rules::FIRST_VARIANT, file, super::kbits(first as f64), super::kbits(nearest as f64));
    }
    if !package.variants.first().is_some_and(|variant| variant.is_video(package)) {
        findings.add(&rules::FIRST_VARIANT, file, "sound alone comes first", "a video variant");
    }
    let different: BTreeSet<_> = videos.iter().map(|variant| (variant.track, variant.attributes.number("BANDWIDTH"))).collect();
    let tracks: BTreeSet<_> = different.iter().map(|(track, _)| track).collect();
    if tracks.len() < 2 {
        findings.add(&rules::SEVERAL_RATES, file, "one video rendition", "several");
    }
    let sizes: Vec<(u32, u32)> = videos.iter().filter_map(|variant| variant.attributes.size("RESOLUTION")).collect();
    let Some(&largest) = sizes.iter().max_by_key(|(width, height)| u64::from(*width) * u64::from(*height)) else { return };
    if sizes.iter().filter(|size| **size == largest).count() < 2 {
        findings.add(&rules::TWO_AT_THE_TOP, file, format!("one variant of {}x{}", largest.0, largest.1), "two");
    }
    if let Some(odd) = sizes.iter().find(|size| !same_shape(largest, **size)) {
        let measured = format!("{}x{} besides {}x{}", odd.0, odd.1, largest.0, largest.1);
        findings.add(&rules::ASPECT_RATIO, file, measured, "the same shape");
    }
}

/// Peak of the variant for cellular networks, bit/s.
const CELLULAR: u64 = 192_000;
/// Average of the variant that starts, bit/s.
const STARTING: u64 = 2_000_000;

/// Whether a smaller picture has the shape of a larger one, as near as even numbers of pixels allow.
fn same_shape(large: (u32, u32), small: (u32, u32)) -> bool {
    let side = |a: u32, b: u32, c: u32| f64::from(a) * f64::from(b) / f64::from(c.max(1));
    let across = (side(small.1, large.0, large.1) - f64::from(small.0)).abs();
    let down = (side(small.0, large.1, large.0) - f64::from(small.1)).abs();
    across <= 2.0 || down <= 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_differ_by_more_than_rounding() {
        assert!(same_shape((1920, 1080), (854, 480)) && same_shape((1920, 800), (640, 266)) && same_shape((162, 122), (80, 60)));
        assert!(!same_shape((1920, 1080), (640, 480)) && !same_shape((1920, 1080), (1080, 1920)));
    }

    #[test]
    fn language_tags_have_a_form() {
        assert!(["en", "und", "de-AT", "zh-Hant-TW", "haw"].into_iter().all(is_language));
        assert!(["", "e", "english!", "en_US", "en-", "1a"].into_iter().all(|tag| !is_language(tag)));
    }
}
