//! `IngestUpload`: looks at the first bytes, decides what the asset is, pairs captions with their recording.

use anyhow::Context;
use futures::TryStreamExt;
use kernel::captions_name::CaptionsName;
use kernel::env::Env;
use kernel::id::AssetId;
use kernel::index_marks;
use kernel::jobs::{Ctx, Done, Failure};
use kernel::media::Kind;
use kernel::pipeline::{Event, IngestUpload};
use kernel::store::Key;
use sqlx::PgConnection;

use crate::refusal::Refusal;
use crate::sniff::{self, HEAD_BYTES};

pub async fn ingest_upload(ctx: Ctx, job: IngestUpload) -> Result<Done, Failure> {
    let asset_id = job.asset_id;
    let found = sqlx::query!("select course_id, parent_id, file_name, source_sha256, version_of from assets where id = $1", asset_id.0)
        .fetch_optional(&ctx.env.db)
        .await?;
    let Some(asset) = found else { return ctx.skip("its asset is gone").await };

    let head = head(&ctx.env, &Key::source(&asset.source_sha256)).await?;
    let found = sniff::sniff(&head, &asset.file_name).map_err(|refusal| Failure::poison(refusal.code(), refusal.to_string()))?;
    let kind = found.kind();
    if asset.parent_id.is_some() && kind != Kind::Captions {
        let refusal = Refusal::CaptionsInvalid;
        return Err(Failure::poison(refusal.code(), "this was uploaded as captions, but it is neither WebVTT nor SRT"));
    }

    if let Some(shown) = asset.version_of {
        let wanted = sqlx::query_scalar!(r#"select kind as "kind: Kind" from assets where id = $1"#, shown).fetch_one(&ctx.env.db).await?;
        if let Some(wanted) = wanted.filter(|wanted| named(*wanted) != named(kind)) {
            let sentence = format!(
                "this file is {}, but it was to take the place of {}; upload it as something of its own",
                named(kind),
                named(wanted)
            );
            return Err(Failure::poison("replacement_of_another_kind", sentence));
        }
    }

    kernel::crash_point!("ingest.looked");
    let mut done = ctx.finish().await?;
    // Looked at again, a film without pictures stays what transcoding found it to be.
    sqlx::query!(
        "update assets set kind = case when kind = 'audio' and $2 = 'video' then kind else $2 end, media_type = $3 where id = $1",
        asset_id.0,
        kind.as_str(),
        found.media_type(),
    )
    .execute(done.conn())
    .await?;
    if kind == Kind::Captions {
        let name = CaptionsName::parse(&asset.file_name);
        // What somebody said in the editor stays.
        sqlx::query!(
            "update assets set language = $2, sdh = $3, forced = $4 where id = $1 and captions_version = 1",
            asset_id.0,
            name.language,
            name.sdh,
            name.forced,
        )
        .execute(done.conn())
        .await?;
    }
    // What takes something's place has the captions, or the recording, of what it replaces.
    if asset.version_of.is_none() {
        for paired in pair(done.conn(), asset_id, asset.course_id, kind).await? {
            index_marks::mark(done.conn(), paired).await?;
        }
    }
    index_marks::mark(done.conn(), asset_id).await?;
    done.commit(Event::Ingested { asset_id, media: kind }).await
}

fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Video | Kind::Audio => "a recording",
        Kind::Document => "a document",
        Kind::Captions => "captions",
    }
}

/// The first bytes of an object, as many as [`sniff::sniff`] looks at.
async fn head(env: &Env, key: &Key) -> anyhow::Result<Vec<u8>> {
    let meta = env.store.head(key).await?.context("the stored source is missing")?;
    let stream = env.store.open(key, Some(0..meta.bytes.min(HEAD_BYTES as u64))).await?;
    let pieces: Vec<_> = stream.try_collect().await.context("read the beginning of a source")?;
    Ok(pieces.concat())
}

/// Captions without a recording and a recording that is called alike belong together, whichever came first. Returns
/// the captions that were paired.
///
/// `lecture.en.vtt` and `lecture.en.sdh.vtt` are called like `lecture.mp4`: what stands before the last ending, without
/// purpose and language.
async fn pair(conn: &mut PgConnection, asset_id: AssetId, course_id: uuid::Uuid, kind: Kind) -> anyhow::Result<Vec<AssetId>> {
    if kind == Kind::Document {
        return Ok(Vec::new());
    }
    // Two that arrive together must see one another: the course's pairings take turns.
    sqlx::query!("select 1 as one from pg_advisory_xact_lock(hashtextextended('pair captions ' || $1::text, 0))", course_id.to_string())
        .fetch_one(&mut *conn)
        .await
        .context("wait for the turn to pair captions")?;
    let rows = sqlx::query!(
        "select id, kind as \"kind!\", parent_id, file_name from assets
          where course_id = $1 and kind in ('video', 'audio', 'captions') and state in ('processing', 'published') and version_of is null
          order by id",
        course_id,
    )
    .fetch_all(&mut *conn)
    .await
    .context("look for recordings and captions")?;
    let me = rows.iter().find(|row| row.id == asset_id.0).context("the asset that was just written")?;
    let is_captions = |kind: &str| kind == Kind::Captions.as_str();
    let pairs: Vec<(uuid::Uuid, uuid::Uuid)> = if kind == Kind::Captions {
        let mut alike = rows.iter().filter(|row| !is_captions(&row.kind) && belongs(&me.file_name, &row.file_name));
        match (me.parent_id, alike.next(), alike.next()) {
            // Two recordings of one name: the instructor has to say which.
            (None, Some(recording), None) => vec![(me.id, recording.id)],
            _ => Vec::new(),
        }
    } else {
        rows.iter()
            .filter(|row| is_captions(&row.kind) && row.parent_id.is_none() && belongs(&row.file_name, &me.file_name))
            .map(|row| (row.id, me.id))
            .collect()
    };
    for (captions, recording) in &pairs {
        sqlx::query!("update assets set parent_id = $2 where id = $1 and parent_id is null", captions, recording)
            .execute(&mut *conn)
            .await
            .context("pair captions with their recording")?;
    }
    Ok(pairs.into_iter().map(|(captions, _)| AssetId(captions)).collect())
}

fn belongs(captions: &str, recording: &str) -> bool {
    let recording = recording.rsplit_once('.').map_or(recording, |(stem, _)| stem).to_lowercase();
    let whole = captions.rsplit_once('.').map_or(captions, |(stem, _)| stem).to_lowercase();
    !recording.is_empty() && (recording == whole || recording == CaptionsName::parse(captions).stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_find_the_recording_they_are_called_like() {
        assert!(belongs("lecture.vtt", "Lecture.mp4"));
        assert!(belongs("lecture.en.vtt", "lecture.mp4"));
        assert!(belongs("lecture.pt-BR.srt", "lecture.webm"));
        assert!(belongs("lecture.en.SDH.vtt", "lecture.mp4"));
        assert!(belongs("lecture.forced.srt", "lecture.mp4"));
        assert!(!belongs("lecture.final.vtt", "lecture.mp4"));
        assert!(!belongs("lecture2.vtt", "lecture.mp4"));
        assert!(!belongs(".vtt", ".mp4"));
    }
}
