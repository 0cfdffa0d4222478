//! Which captions a stream has: those that were uploaded for it and are published, and those that were in its source.

use anyhow::Context;
use kernel::http::ApiError;
use kernel::id::AssetId;
use kernel::language;
use kernel::store::{Key, Prefix};
use sqlx::PgConnection;

use super::playlist::Track;

/// A captions rendition and where its text lies.
pub struct Captions {
    pub track: Track,
    /// The asset that was uploaded; the film itself, where the captions were in it.
    pub asset: AssetId,
    /// WebVTT of the whole film.
    pub text: Key,
}

/// Captions that were inside the source, as the stream's manifest lists them.
#[derive(serde::Deserialize)]
struct Embedded {
    file: String,
    language: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    sdh: bool,
    #[serde(default)]
    forced: bool,
    #[serde(default)]
    default: bool,
}

/// Every captions rendition of this version of an asset's stream: what was uploaded was chosen and comes first, what came
/// with the film is there as well. What a machine has made comes after what a person has brought.
pub async fn of(conn: &mut PgConnection, asset: AssetId, stream: &Prefix) -> Result<Vec<Captions>, ApiError> {
    let uploaded = sqlx::query!(
        r#"select a.id, a.title, coalesce(a.language, d.language) as language, a.sdh, a.forced, a.auto, d.prefix as "prefix!"
             from assets a join documents d on d.asset_id = a.id
            where a.parent_id = $1 and a.kind = 'captions' and a.state = 'published' and d.prefix is not null
              and a.course_id = (select course_id from assets where id = $1)
            order by a.auto, a.created_at, a.id"#,
        asset.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let embedded = sqlx::query_scalar!(
        r#"select manifest -> 'captions' as "captions" from streams where asset_id = $1 and prefix = $2
           union all select manifest -> 'captions' from replaced_streams where asset_id = $1 and prefix = $2"#,
        asset.0,
        stream.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .flatten();
    let mut all = vec![];
    for row in uploaded {
        all.push(Captions {
            track: Track {
                id: row.id.to_string(),
                language: language::tag(row.language.as_deref()),
                title: Some(row.title),
                sdh: row.sdh,
                forced: row.forced,
                default: false,
                auto: row.auto,
            },
            asset: row.id.into(),
            text: Key::in_prefix(&Prefix::parse(&row.prefix)?, "captions.vtt")?,
        });
    }
    let embedded: Vec<Embedded> =
        embedded.map(serde_json::from_value).transpose().context("read the captions of a manifest")?.unwrap_or_default();
    for captions in embedded {
        let Some(id) = captions.file.strip_suffix(".vtt") else { continue };
        all.push(Captions {
            track: Track {
                id: id.to_owned(),
                language: language::tag(Some(&captions.language)),
                title: captions.title,
                sdh: captions.sdh,
                forced: captions.forced,
                default: captions.default,
                auto: false,
            },
            asset,
            text: Key::in_prefix(stream, &captions.file)?,
        });
    }
    Ok(all)
}
