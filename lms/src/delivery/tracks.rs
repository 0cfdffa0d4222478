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
    hearing_impaired: bool,
    #[serde(default)]
    forced: bool,
    #[serde(default)]
    default: bool,
}

/// Every captions rendition of this version of an asset's stream: what was uploaded was chosen and comes first, what came
/// with the film is there as well.
pub async fn of(conn: &mut PgConnection, asset: AssetId, stream: &Prefix) -> Result<Vec<Captions>, ApiError> {
    let uploaded = sqlx::query!(
        r#"select a.id, a.title, a.file_name, a.language, d.language as detected, d.prefix as "prefix!"
             from assets a join documents d on d.asset_id = a.id
            where a.parent_id = $1 and a.kind = 'captions' and a.state = 'published' and d.prefix is not null
              and a.course_id = (select course_id from assets where id = $1)
            order by a.created_at, a.id"#,
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
        let said = Said::in_name(&row.file_name);
        // Whoever named the file knows; after that comes what the words look like.
        let language = [said.language.as_deref(), row.language.as_deref(), row.detected.as_deref()]
            .into_iter()
            .map(language::tag)
            .find(|tag| tag != language::UNKNOWN)
            .unwrap_or_else(|| language::UNKNOWN.into());
        all.push(Captions {
            track: Track {
                id: row.id.to_string(),
                language,
                title: Some(row.title),
                hearing_impaired: said.hearing_impaired,
                forced: said.forced,
                default: false,
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
                hearing_impaired: captions.hearing_impaired,
                forced: captions.forced,
                default: captions.default,
            },
            asset,
            text: Key::in_prefix(stream, &captions.file)?,
        });
    }
    Ok(all)
}

/// What the name of a captions file says of it: `lecture.pt-BR.sdh.srt`.
#[derive(Debug, Default, PartialEq)]
struct Said {
    language: Option<String>,
    hearing_impaired: bool,
    forced: bool,
}

impl Said {
    fn in_name(file_name: &str) -> Self {
        let mut said = Self::default();
        let name = file_name.to_lowercase();
        let mut parts = name.rsplit('.').skip(1).collect::<Vec<_>>();
        parts.pop(); // the film's own name
        for part in parts {
            match part {
                "sdh" | "cc" => said.hearing_impaired = true,
                "forced" => said.forced = true,
                _ => {
                    let tag = language::tag(Some(part));
                    // The first from the end; whatever stands before it belongs to the film's name.
                    said.language = language::name(&tag).map(|_| tag);
                    break;
                }
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_language_and_for_whom_the_captions_are() {
        let said =
            |language: Option<&str>, hearing_impaired, forced| Said { language: language.map(str::to_owned), hearing_impaired, forced };
        for (name, wanted) in [
            ("lecture.vtt", said(None, false, false)),
            ("lecture.en.vtt", said(Some("en"), false, false)),
            ("lecture.pt_BR.srt", said(Some("pt-BR"), false, false)),
            ("lecture.ger.SDH.srt", said(Some("de"), true, false)),
            ("lecture.cc.vtt", said(None, true, false)),
            ("lecture.fr.forced.vtt", said(Some("fr"), false, true)),
            ("lecture.v2.vtt", said(None, false, false)),
            ("sdh.vtt", said(None, false, false)),
            ("en.vtt", said(None, false, false)),
            ("", said(None, false, false)),
        ] {
            assert_eq!(Said::in_name(name), wanted, "{name}");
        }
    }
}
