//! How long jobs take, learned from the last ones on this system: a fixed part and a part per megabyte of source,
//! for each stage and type of file. A stream is planned, begun and then made to its end: each has its own times.

use std::collections::HashMap;

use anyhow::{Context, Result};
use sqlx::PgConnection;

use super::simulate::Subject;
use crate::jobs::Stage;

/// Seconds of a job: `base + per_mb · megabytes of source`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub base: f64,
    pub per_mb: f64,
}

/// Which part of a stage's work a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// All of it.
    Whole,
    /// It says how a film is to be made. The beginning follows, then the rest.
    Plan,
    /// With the beginning a film can be watched.
    Beginning,
    /// Nobody waits for it, but it takes a place.
    Rest,
}

impl Part {
    /// Of a job of this kind, the `number`th of so many.
    pub fn of(kind: &str, number: Option<i32>, of: Option<i32>) -> Self {
        match (kind, number, of) {
            ("TranscodeMedia", ..) => Self::Plan,
            ("EncodeRun", Some(0 | 1), Some(3..)) => Self::Beginning,
            ("EncodeRun", _, Some(3..)) => Self::Rest,
            _ => Self::Whole,
        }
    }
}

/// What is known of every stage.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// By stage, part and MIME type; the empty type stands for all of them. The rest goes by the whole.
    learned: HashMap<(Stage, Part, String), Rate>,
}

/// Until the first jobs of a stage have ended: as seen on two cores, in seconds and seconds per megabyte.
fn unlearned(stage: Stage, part: Part) -> Rate {
    match stage {
        Stage::Transcode if part == Part::Plan => Rate { base: 1.0, per_mb: 0.0 },
        Stage::Transcode if part == Part::Beginning => Rate { base: 4.0, per_mb: 0.0 },
        Stage::Transcode => Rate { base: 2.0, per_mb: 4.0 },
        Stage::Transcribe => Rate { base: 5.0, per_mb: 10.0 },
        Stage::Extract => Rate { base: 0.3, per_mb: 1.0 },
        Stage::Embed => Rate { base: 0.5, per_mb: 2.0 },
        Stage::Index => Rate { base: 0.3, per_mb: 0.0 },
        Stage::Ingest | Stage::Publish | Stage::Certify => Rate { base: 0.1, per_mb: 0.0 },
    }
}

impl Rates {
    /// Expected run time of a stage's job about this asset, in seconds.
    pub fn seconds(&self, stage: Stage, part: Part, subject: Option<&Subject>) -> f64 {
        let part = if part == Part::Rest { Part::Whole } else { part };
        let media_type = subject.and_then(|subject| subject.media_type.as_deref()).unwrap_or_default();
        let find = |media_type: &str| self.learned.get(&(stage, part, media_type.to_owned())).copied();
        let rate = find(media_type).or_else(|| find("")).unwrap_or(unlearned(stage, part));
        let megabytes = subject.map_or(0.0, |subject| subject.bytes as f64 / 1e6);
        (rate.base + rate.per_mb * megabytes).max(0.01)
    }

    /// The same of everything that a stage is still to do for an asset: until the asset can go on, and what is left then.
    pub fn all(&self, stage: Stage, subject: &Subject) -> (f64, f64) {
        let of = |part| self.seconds(stage, part, Some(subject));
        match stage {
            Stage::Transcode => {
                let beginning = of(Part::Beginning).min(of(Part::Whole));
                (of(Part::Plan) + beginning, of(Part::Whole) - beginning)
            }
            _ => (of(Part::Whole), 0.0),
        }
    }

    /// Rates that depend on nothing but the stage.
    #[cfg(test)]
    pub fn fixed(seconds: impl Fn(Stage) -> f64) -> Self {
        let rate = |stage| ((stage, Part::Whole, String::new()), Rate { base: seconds(stage), per_mb: 0.0 });
        let mut learned: HashMap<_, _> = Stage::ALL.into_iter().map(rate).collect();
        learned.insert((Stage::Transcode, Part::Plan, String::new()), Rate { base: 1.0, per_mb: 0.0 });
        learned.insert((Stage::Transcode, Part::Beginning, String::new()), Rate { base: 2.0, per_mb: 0.0 });
        Self { learned }
    }

    /// Learns from the last 300 jobs of each stage: least squares where sizes differ enough, else the mean.
    pub async fn learn(conn: &mut PgConnection) -> Result<Self> {
        let stages: Vec<String> = Stage::ALL.iter().map(|stage| stage.as_str().to_owned()).collect();
        let rows = sqlx::query!(
            r#"with last as (
                 -- As in Part::of.
                 select stage, case when j.kind = 'TranscodeMedia' then 'plan' when j.number <= 1 and j.of > 2 then 'beginning' else 'whole' end as part,
                        coalesce(a.media_type, '') as media_type,
                        coalesce(s.bytes, 0) / 1e6::float8 / coalesce(greatest(j.of, 1), 1) as mb,
                        extract(epoch from j.ended_at - j.started_at)::float8 as seconds
                   from unnest($1::text[]) stage, lateral (
                     select asset_id, kind, started_at, ended_at, (payload ->> 'of')::integer as of, (payload ->> 'number')::integer as number from jobs
                      where jobs.stage = stage.stage and state = 'done' and kind <> 'PackageStream'
                      order by ended_at desc limit 300) j
                   left join assets a on a.id = j.asset_id left join sources s on s.sha256 = a.source_sha256)
               select stage as "stage!", part as "part!", coalesce(media_type, '') as "media_type!", avg(seconds) as "mean!",
                      regr_slope(seconds, mb) as slope, regr_intercept(seconds, mb) as intercept
                 from last group by grouping sets ((stage, part, media_type), (stage, part)) having count(*) >= 5"#,
            &stages,
        )
        .fetch_all(conn)
        .await
        .context("learn how long jobs take")?;
        let mut learned = HashMap::new();
        for row in rows {
            let Ok(stage) = row.stage.parse() else { continue };
            // A line that falls, or begins below nothing, was drawn through noise.
            let rate = match (row.slope, row.intercept) {
                (Some(per_mb), Some(base)) if per_mb > 0.0 && base >= 0.0 => Rate { base, per_mb },
                _ => Rate { base: row.mean, per_mb: 0.0 },
            };
            let part = match row.part.as_str() {
                "plan" => Part::Plan,
                "beginning" => Part::Beginning,
                _ => Part::Whole,
            };
            learned.insert((stage, part, row.media_type), rate);
        }
        Ok(Self { learned })
    }
}
