//! The pipeline played forward: pure, from what waits and how long such jobs took to when each asset is ready.
//!
//! Every stage is a queue with so many servers, as in the ledger: lane by lane, by turn. A job that ends lets its
//! asset's next stage begin. What is random here is put into the range around the result, not into the simulation.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use super::rates::{Part, Rates};
use crate::id::AssetId;
use crate::jobs::{Lane, Stage};
use crate::media::Kind;

/// What is on its way and who works, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub jobs: Vec<Waiting>,
    /// Jobs that all processes together run at a time. A stage that is not here stands still.
    pub servers: BTreeMap<Stage, usize>,
}

/// A job that waits, backs off or runs.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub stage: Stage,
    pub part: Part,
    pub lane: Lane,
    pub turn: i64,
    pub asset: Option<Subject>,
    /// Seconds until it may run: 0 unless it backs off.
    pub due_in: f64,
    /// Seconds it has run and the part it has done, when it runs.
    pub running: Option<(f64, Option<f64>)>,
}

/// The asset that a job is about, as far as it tells how long its stages take.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub id: AssetId,
    /// None until its bytes have been looked at.
    pub kind: Option<Kind>,
    pub media_type: Option<String>,
    pub bytes: u64,
}

/// When what is on its way is expected to have passed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// Seconds until an asset is ready. Assets that stand still, and what is behind them, are not here.
    pub ready: HashMap<AssetId, f64>,
    /// Seconds until a stage has nothing left of what is on its way now.
    pub clear: BTreeMap<Stage, f64>,
}

/// The stages that follow for an asset, in order. Of the branches that run side by side only the long one counts.
fn following(stage: Stage, subject: &Subject) -> Vec<Stage> {
    let whole: &[Stage] = match subject.kind {
        Some(Kind::Video | Kind::Audio) => &[Stage::Ingest, Stage::Transcode, Stage::Publish],
        Some(Kind::Document | Kind::Captions) => &[Stage::Ingest, Stage::Extract, Stage::Embed, Stage::Index, Stage::Publish],
        // Not looked at yet: by its name it may be anything; most of what teachers bring by number are documents.
        None => &[Stage::Ingest, Stage::Extract, Stage::Embed, Stage::Index, Stage::Publish],
    };
    whole.iter().copied().skip_while(|s| *s != stage).skip(1).collect()
}

/// A job in the queue of a stage, in the order in which it will be taken.
#[derive(PartialEq)]
struct Entry {
    lane: u8,
    turn: f64,
    arrival: f64,
    seconds: f64,
    subject: Option<usize>,
}

impl Entry {
    /// What is left of a film when its beginning is there, if anything: behind the beginnings of others.
    fn rest(seconds: f64, lane: u8, arrival: f64) -> Option<Self> {
        let lane = lane.max(Lane::Default as u8);
        (seconds > 0.0).then_some(Self { lane, turn: f64::MAX, arrival, seconds, subject: None })
    }
}

impl Eq for Entry {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.lane.cmp(&other.lane).then(self.turn.total_cmp(&other.turn)).then(self.arrival.total_cmp(&other.arrival))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Plays the pipeline until everything has passed.
pub fn simulate(snapshot: &Snapshot, rates: &Rates) -> Outlook {
    let subjects: Vec<&Subject> = snapshot.jobs.iter().filter_map(|job| job.asset.as_ref()).collect();
    let mut number = HashMap::new();
    let mut present = HashSet::new();
    let mut queues: BTreeMap<Stage, Vec<Entry>> = BTreeMap::new();
    // When each server is free again: first of those that are at work now.
    let mut busy: BTreeMap<Stage, Vec<f64>> = BTreeMap::new();
    let mut outlook = Outlook::default();
    let mut ended: Vec<(usize, Stage, f64, u8)> = Vec::new();
    for (nth, subject) in subjects.iter().enumerate() {
        number.entry(subject.id).or_insert(nth);
    }
    // Every part rings for publication; until the last one has, that comes to nothing.
    let unfinished: HashSet<AssetId> =
        snapshot.jobs.iter().filter(|job| is_waited_for(job)).filter_map(|job| Some(job.asset.as_ref()?.id)).collect();
    for job in &snapshot.jobs {
        if job.stage == Stage::Publish && job.asset.as_ref().is_some_and(|asset| unfinished.contains(&asset.id)) {
            continue;
        }
        // Nobody waits for captions by a machine.
        let waits = job.stage != Stage::Transcribe;
        let subject = job.asset.as_ref().filter(|_| waits).and_then(|asset| number.get(&asset.id).copied());
        present.extend(subject.map(|subject| (job.stage, subject)));
        let (seconds, rest) = match (job.part, &job.asset) {
            (Part::Plan, Some(asset)) => rates.all(job.stage, asset),
            (part, asset) => (rates.seconds(job.stage, part, asset.as_ref()), 0.0),
        };
        queues.entry(job.stage).or_default().extend(Entry::rest(rest, job.lane as u8, job.due_in));
        // Nobody waits for the rest of a film: it only takes a place.
        let subject = subject.filter(|_| job.part != Part::Rest);
        match job.running {
            Some((so_far, part)) => {
                // What a plan has done says nothing of the beginning that follows.
                let alone = rates.seconds(job.stage, job.part, job.asset.as_ref()).min(seconds);
                let left = left(alone, so_far, part) + (seconds - alone);
                busy.entry(job.stage).or_default().push(left);
                let clear = outlook.clear.entry(job.stage).or_default();
                *clear = clear.max(left);
                if let Some(subject) = subject {
                    ended.push((subject, job.stage, left, job.lane as u8));
                }
            }
            None => queues.entry(job.stage).or_default().push(Entry {
                lane: job.lane as u8,
                turn: job.turn as f64,
                arrival: job.due_in,
                seconds,
                subject,
            }),
        }
    }
    for stage in Stage::ALL {
        // What ended in the stages before arrives here, if this is its next one.
        for (subject, before, at, lane) in &ended {
            if following(*before, subjects[*subject]).first() == Some(&stage) {
                // An asset may have a job of this stage already: branches run side by side.
                if present.insert((stage, *subject)) {
                    let (seconds, rest) = rates.all(stage, subjects[*subject]);
                    let entry = Entry { lane: *lane, turn: f64::MAX, arrival: *at, seconds, subject: Some(*subject) };
                    queues.entry(stage).or_default().extend([entry].into_iter().chain(Entry::rest(rest, *lane, *at)));
                }
            }
        }
        let Some(queue) = queues.remove(&stage) else { continue };
        // One run of the index takes in everything that waits for it: nobody waits for anybody there.
        let together = if stage == Stage::Index { queue.len() } else { 1 };
        let Some(servers) = snapshot.servers.get(&stage).map(|servers| servers * together).filter(|servers| *servers > 0) else {
            outlook.clear.remove(&stage);
            continue;
        };
        for (subject, at, lane) in pass(queue, servers, busy.remove(&stage).unwrap_or_default(), outlook.clear.entry(stage).or_default()) {
            ended.push((subject, stage, at, lane));
        }
    }
    for (subject, stage, at, _) in ended {
        if stage == Stage::Publish || following(stage, subjects[subject]).is_empty() {
            let ready = outlook.ready.entry(subjects[subject].id).or_default();
            *ready = ready.max(at);
        }
    }
    outlook
}

/// Whether it makes a part without which its asset cannot be published.
fn is_waited_for(job: &Waiting) -> bool {
    !matches!(job.stage, Stage::Publish | Stage::Transcribe | Stage::Index) && job.part != Part::Rest
}

/// Lets a queue pass through its servers; returns who ended when, and notes the last end.
fn pass(mut queue: Vec<Entry>, servers: usize, busy: Vec<f64>, clear: &mut f64) -> Vec<(usize, f64, u8)> {
    let mut free: BinaryHeap<Reverse<Moment>> = busy.into_iter().map(|at| Reverse(Moment(at))).collect();
    while free.len() < servers {
        free.push(Reverse(Moment(0.0)));
    }
    queue.sort_by(|a, b| b.arrival.total_cmp(&a.arrival));
    let mut waiting: BinaryHeap<Reverse<Entry>> = BinaryHeap::new();
    let mut ended = Vec::new();
    while let Some(Reverse(Moment(mut now))) = free.pop() {
        if waiting.is_empty() {
            let Some(next) = queue.last() else { break };
            now = now.max(next.arrival);
        }
        while queue.last().is_some_and(|entry| entry.arrival <= now) {
            waiting.extend(queue.pop().map(Reverse));
        }
        let Some(Reverse(entry)) = waiting.pop() else { break };
        let end = now + entry.seconds;
        *clear = clear.max(end);
        ended.extend(entry.subject.map(|subject| (subject, end, entry.lane)));
        free.push(Reverse(Moment(end)));
    }
    ended
}

/// What is left of a job that runs: by its progress once that says something, else by what was expected; one that
/// takes longer than expected is expected to take as long again as it is over.
fn left(expected: f64, so_far: f64, part: Option<f64>) -> f64 {
    match part {
        Some(part) if part > 0.05 => so_far * (1.0 - part) / part,
        _ if so_far < expected => expected - so_far,
        _ => so_far - expected,
    }
    .max(0.0)
}

#[derive(PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(kind: Kind, bytes: u64) -> Subject {
        Subject { id: AssetId::new(), kind: Some(kind), media_type: None, bytes }
    }

    fn job(stage: Stage, turn: i64, asset: &Subject) -> Waiting {
        Waiting { stage, part: Part::Whole, lane: Lane::Default, turn, asset: Some(asset.clone()), due_in: 0.0, running: None }
    }

    fn servers(of: &[(Stage, usize)]) -> BTreeMap<Stage, usize> {
        let mut all: BTreeMap<Stage, usize> = Stage::ALL.into_iter().map(|stage| (stage, 1)).collect();
        all.extend(of.iter().copied());
        all
    }

    /// Transcoding takes ten seconds, everything else one.
    fn rates() -> Rates {
        Rates::fixed(|stage| if stage == Stage::Transcode { 10.0 } else { 1.0 })
    }

    #[test]
    fn a_video_waits_for_those_before_it_and_then_for_its_publication() {
        let videos: Vec<Subject> = (0..3).map(|_| subject(Kind::Video, 1)).collect();
        let jobs = videos.iter().enumerate().map(|(turn, video)| job(Stage::Transcode, turn as i64, video)).collect();
        let outlook = simulate(&Snapshot { jobs, servers: servers(&[]) }, &rates());
        let ready: Vec<f64> = videos.iter().map(|video| outlook.ready[&video.id]).collect();
        assert_eq!(ready, [11.0, 21.0, 31.0]);
        assert_eq!(outlook.clear[&Stage::Transcode], 30.0);
    }

    #[test]
    fn a_film_is_ready_with_its_beginning_and_takes_its_place_to_the_end() {
        let (film, next) = (subject(Kind::Video, 1), subject(Kind::Video, 1));
        let planned = |turn, asset| Waiting { part: Part::Plan, lane: Lane::Interactive, ..job(Stage::Transcode, turn, asset) };
        let outlook = simulate(&Snapshot { jobs: vec![planned(0, &film), planned(1, &next)], servers: servers(&[]) }, &rates());
        assert_eq!((outlook.ready[&film.id], outlook.ready[&next.id]), (4.0, 7.0), "three seconds each, and one to publish");
        assert_eq!(outlook.clear[&Stage::Transcode], 22.0);
        let rest = |turn| Waiting { part: Part::Rest, ..job(Stage::Transcode, turn, &film) };
        let begun = Waiting { part: Part::Beginning, lane: Lane::Interactive, ..job(Stage::Transcode, 0, &film) };
        let outlook = simulate(&Snapshot { jobs: vec![rest(1), begun, rest(2)], servers: servers(&[]) }, &rates());
        assert_eq!((outlook.ready[&film.id], outlook.clear[&Stage::Transcode]), (3.0, 22.0));
    }

    #[test]
    fn one_more_server_halves_the_wait() {
        let videos: Vec<Subject> = (0..4).map(|_| subject(Kind::Video, 1)).collect();
        let jobs: Vec<Waiting> = videos.iter().map(|video| job(Stage::Transcode, 0, video)).collect();
        let clear =
            |n| simulate(&Snapshot { jobs: jobs.clone(), servers: servers(&[(Stage::Transcode, n)]) }, &rates()).clear[&Stage::Transcode];
        assert_eq!((clear(1), clear(2)), (40.0, 20.0));
    }

    #[test]
    fn stages_work_side_by_side() {
        let documents: Vec<Subject> = (0..3).map(|_| subject(Kind::Document, 1)).collect();
        let jobs = documents.iter().map(|document| job(Stage::Extract, 0, document)).collect();
        let outlook = simulate(&Snapshot { jobs, servers: servers(&[]) }, &rates());
        // Extract, embed, index, publish: the third is one second behind the second in every stage.
        let mut ready: Vec<f64> = outlook.ready.values().copied().collect();
        ready.sort_by(f64::total_cmp);
        assert_eq!(ready, [4.0, 5.0, 6.0]);
    }

    #[test]
    fn an_early_ring_for_publication_promises_nothing_and_the_one_after_a_films_beginning_does() {
        let (document, film) = (subject(Kind::Document, 1), subject(Kind::Video, 1));
        let rest = Waiting { part: Part::Rest, ..job(Stage::Transcode, 0, &film) };
        let jobs = vec![job(Stage::Embed, 0, &document), job(Stage::Publish, 0, &document), rest, job(Stage::Publish, 1, &film)];
        let outlook = simulate(&Snapshot { jobs, servers: servers(&[]) }, &rates());
        assert_eq!(outlook.ready[&document.id], 3.0, "embedded, indexed and published");
        assert_eq!(outlook.ready[&film.id], 1.0);
    }

    #[test]
    fn what_runs_is_judged_by_its_progress() {
        let video = subject(Kind::Video, 1);
        let running = Waiting { running: Some((30.0, Some(0.75))), ..job(Stage::Transcode, 0, &video) };
        let outlook = simulate(&Snapshot { jobs: vec![running], servers: servers(&[]) }, &rates());
        assert_eq!(outlook.ready[&video.id], 11.0);
        assert_eq!(left(10.0, 4.0, None), 6.0);
        assert_eq!(left(10.0, 15.0, None), 5.0, "over time");
    }

    #[test]
    fn behind_a_stage_that_stands_still_nothing_is_promised() {
        let (video, document) = (subject(Kind::Video, 1), subject(Kind::Document, 1));
        let jobs = vec![job(Stage::Transcode, 0, &video), job(Stage::Extract, 0, &document)];
        let outlook = simulate(&Snapshot { jobs, servers: servers(&[(Stage::Transcode, 0)]) }, &rates());
        assert!(!outlook.ready.contains_key(&video.id) && outlook.ready.contains_key(&document.id));
    }

    #[test]
    fn a_job_that_backs_off_begins_when_it_is_due() {
        let video = subject(Kind::Video, 1);
        let parked = Waiting { due_in: 60.0, ..job(Stage::Transcode, 0, &video) };
        assert_eq!(simulate(&Snapshot { jobs: vec![parked], servers: servers(&[]) }, &rates()).ready[&video.id], 71.0);
    }
}
