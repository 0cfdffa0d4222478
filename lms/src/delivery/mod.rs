//! Delivery of streams: `/stream/<token>/<asset>/<version>/…`, everything that a player is led to from the multivariant
//! playlist, and nothing else.
//!
//! The token is a short-lived signed prefix, bound to account, version and expiry (`kernel::store::UrlSigner`). Playlists,
//! captions and keys are only given to an account that may still see the asset: whoever loses that right gets none at
//! once, and no segment when the token ends. What lies in the store goes out as it is, or encrypted on its way
//! (`delivery.encrypt`); what depends on the moment is made here. Which part lies where is `lookup`'s to know.

mod address;
mod cipher;
mod lookup;
pub(crate) mod playlist;
pub(crate) mod tracks;
mod vtt;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use axum::routing::get;
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, Principal, Role};
use kernel::id::{AccountId, AssetId};
use kernel::store::serve::{self, About, Begun};
use kernel::store::{Key, Prefix, Served};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use address::{Picture, Wanted};
use cipher::Cipher;
use lookup::Found;
use tracks::Captions;

/// `GET` and `HEAD` of everything below `/stream/`.
pub fn router() -> Router<Env> {
    Router::new().route("/stream/{*path}", get(stream))
}

/// A playlist may change when captions come or go, and ends when the right to see it does.
const PLAYLIST_CACHE: &str = "private, max-age=2";
/// The address ends with its token, long before this.
const SEGMENT_CACHE: &str = "private, max-age=3600, immutable";
/// Captions keep their address when they are edited.
const CAPTIONS_CACHE: &str = "private, max-age=60";

async fn stream(State(env): State<Env>, method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let address = address::parse(uri.path()).ok_or_else(ApiError::not_found)?;
    let account = env.signer.stream_account(address.token, &address.prefix, env.clock.now()).ok_or_else(serve::link_invalid)?;
    let asked = Asked { env: &env, method: &method, headers: &headers, account, asset: address.asset, stream: &address.prefix };
    match address.wanted {
        Wanted::Master => asked.master().await,
        Wanted::Playlist { rendition } => asked.playlist(&format!("{rendition}/index.m3u8"), playlist::encrypted).await,
        Wanted::IFrames { rendition } => asked.playlist(&format!("{rendition}/iframes.m3u8"), playlist::encrypted_iframes).await,
        Wanted::Init { rendition } => asked.file(&format!("{rendition}/init.mp4")).await,
        Wanted::File { name } => asked.file(name).await,
        Wanted::Segment { rendition, number } => asked.segment(rendition, number).await,
        Wanted::IFrame { rendition, sequence, place } => asked.iframe(rendition, sequence, place).await,
        Wanted::CaptionsPlaylist { id } => asked.captions_playlist(id).await,
        Wanted::CaptionsSegment { id, from, to } => asked.captions_segment(id, from, to).await,
        Wanted::CaptionsFile { id } => asked.captions_file(id).await,
        Wanted::Key => asked.key().await,
    }
}

/// A request whose token is good for the stream.
struct Asked<'a> {
    env: &'a Env,
    method: &'a Method,
    headers: &'a HeaderMap,
    account: AccountId,
    asset: AssetId,
    stream: &'a Prefix,
}

impl Asked<'_> {
    async fn master(&self) -> Result<Response, ApiError> {
        let mut conn = self.env.db.acquire().await?;
        self.permit(&mut conn).await?;
        let tracks: Vec<_> = tracks::of(&mut conn, self.asset, self.stream).await?.into_iter().map(|captions| captions.track).collect();
        drop(conn);
        let master = self.package_text("master.m3u8").await?;
        self.text("master.m3u8", playlist::with_captions(&master, &tracks), PLAYLIST_CACHE)
    }

    async fn playlist(&self, name: &str, encrypted: fn(&str) -> String) -> Result<Response, ApiError> {
        self.permit(&mut *self.env.db.acquire().await?).await?;
        let text = self.package_text(name).await?;
        self.text(name, if self.env.config.delivery.encrypt { encrypted(&text) } else { text }, PLAYLIST_CACHE)
    }

    async fn file(&self, name: &str) -> Result<Response, ApiError> {
        let found = lookup::file(self.env, self.stream, name).await?.ok_or_else(ApiError::not_found)?;
        self.object(found, None).await
    }

    async fn segment(&self, rendition: &str, number: u32) -> Result<Response, ApiError> {
        let found = lookup::segment(self.env, self.stream, rendition, number).await?.ok_or_else(ApiError::not_found)?;
        match self.env.config.delivery.encrypt {
            true => self.encrypted(found, number, None).await,
            false => self.object(found, None).await,
        }
    }

    async fn iframe(&self, rendition: &str, sequence: u32, place: Picture) -> Result<Response, ApiError> {
        let found = lookup::segment(self.env, self.stream, rendition, place.segment).await?.ok_or_else(ApiError::not_found)?;
        let inside = place.from.checked_add(place.bytes).is_some_and(|end| end <= found.meta.bytes);
        match self.env.config.delivery.encrypt && inside {
            true => self.encrypted(found, sequence, Some(place)).await,
            false => Err(ApiError::not_found()),
        }
    }

    async fn captions_playlist(&self, id: &str) -> Result<Response, ApiError> {
        self.captions(id).await?;
        self.text("index.m3u8", playlist::captions(&self.segments().await?), PLAYLIST_CACHE)
    }

    async fn captions_segment(&self, id: &str, from: i64, to: i64) -> Result<Response, ApiError> {
        let captions = self.captions(id).await?;
        self.text("segment.vtt", vtt::segment(&self.cues(&captions).await?, from, to), CAPTIONS_CACHE)
    }

    async fn captions_file(&self, id: &str) -> Result<Response, ApiError> {
        let captions = self.captions(id).await?;
        self.text("captions.vtt", vtt::file(&self.cues(&captions).await?), CAPTIONS_CACHE)
    }

    /// The key, for whoever has a session as well as the token: a link that was passed on opens no encrypted stream.
    async fn key(&self) -> Result<Response, ApiError> {
        if !self.env.config.delivery.encrypt {
            return Err(ApiError::not_found());
        }
        let who = session(self.env, self.headers).ok_or_else(ApiError::unauthorized)?;
        if who.account_id != self.account {
            return Err(serve::link_invalid());
        }
        self.permit(&mut *self.env.db.acquire().await?).await?;
        let key = self.env.signer.stream_key(address::version(self.stream));
        let about = About { media_type: "application/octet-stream", bytes: 16, etag: "\"key\"".into(), cache: "private, no-store" };
        self.bytes(&about, key.to_vec())
    }

    /// The captions rendition of this name; 404 when there is none, or none any more.
    async fn captions(&self, id: &str) -> Result<Captions, ApiError> {
        let mut conn = self.env.db.acquire().await?;
        self.permit(&mut conn).await?;
        let all = tracks::of(&mut conn, self.asset, self.stream).await?;
        all.into_iter().find(|captions| captions.track.id == id).ok_or_else(ApiError::not_found)
    }

    async fn cues(&self, captions: &Captions) -> Result<Vec<vtt::Cue>, ApiError> {
        let text = lookup::text(self.env, &captions.text).await?.ok_or_else(ApiError::not_found)?;
        Ok(vtt::cues(&text))
    }

    /// How the film is cut: as its first variant is, since all of them are cut alike.
    async fn segments(&self) -> Result<playlist::Segments, ApiError> {
        let master = self.package_text("master.m3u8").await?;
        let first = playlist::first_variant(&master).ok_or_else(|| anyhow::anyhow!("{} has no variant", self.stream))?;
        let segments = playlist::segments(&self.package_text(first).await?);
        Ok(segments.ok_or_else(|| anyhow::anyhow!("{}/{first} lists no segments", self.stream))?)
    }

    async fn package_text(&self, name: &str) -> Result<String, ApiError> {
        lookup::playlist(self.env, self.stream, name).await?.ok_or_else(ApiError::not_found)
    }

    /// 404 unless the token's account may see the asset, and this version of it is the one that is shown or was a moment
    /// ago.
    async fn permit(&self, conn: &mut PgConnection) -> Result<(), ApiError> {
        // The role of now, not of when the token was made.
        let role = sqlx::query_scalar!(r#"select role as "role: Role" from accounts where id = $1"#, self.account.0)
            .fetch_optional(&mut *conn)
            .await?
            .ok_or_else(ApiError::not_found)?;
        access::asset(conn, &Principal { account_id: self.account, role }, self.asset).await?;
        let shown = sqlx::query_scalar!(
            r#"select state = 'published'
                      and (exists (select from streams where asset_id = $1 and prefix = $2)
                           or exists (select from replaced_streams where asset_id = $1 and prefix = $2)) as "shown!"
                 from assets where id = $1"#,
            self.asset.0,
            self.stream.as_str(),
        )
        .fetch_one(conn)
        .await?;
        if shown { Ok(()) } else { Err(ApiError::not_found()) }
    }

    fn text(&self, name: &str, text: String, cache: &str) -> Result<Response, ApiError> {
        let media_type = serve::known_media_type(name).unwrap_or_default();
        // Weak: the same text goes out compressed too.
        let etag = format!("W/\"{:x}\"", u128::from_be_bytes(Sha256::digest(&text)[..16].try_into().expect("a hash is longer than that")));
        self.bytes(&About { media_type, bytes: text.len() as u64, etag, cache }, text.into_bytes())
    }

    fn bytes(&self, about: &About, bytes: Vec<u8>) -> Result<Response, ApiError> {
        match serve::begin(self.method, self.headers, about) {
            Begun::Done(response) => Ok(response),
            Begun::Wanted(response, None) => serve::finish(response, Body::from(bytes)),
            Begun::Wanted(response, Some(part)) => {
                serve::finish(response, Body::from(bytes[part.start as usize..part.end as usize].to_vec()))
            }
        }
    }

    async fn object(&self, Found { key, meta }: Found, encrypted: Option<(Cipher, Picture)>) -> Result<Response, ApiError> {
        let media_type = serve::known_media_type(key.file_name()).unwrap_or_default();
        let name = key.as_str().rsplit('/').take(3).collect::<Vec<_>>().join(".");
        let (bytes, etag) = match &encrypted {
            None => (meta.bytes, format!("\"{name}\"")),
            Some((_, place)) => (cipher::encrypted_len(place.bytes), format!("\"{name}.{}.{}.aes\"", place.from, place.bytes)),
        };
        match serve::begin(self.method, self.headers, &About { media_type, bytes, etag, cache: SEGMENT_CACHE }) {
            Begun::Done(response) => Ok(response),
            Begun::Wanted(response, range) => {
                let body = match encrypted {
                    None => self.env.store.open(&key, range).await?,
                    Some((cipher, place)) => {
                        let plain = self.env.store.open(&key, Some(place.from..place.from + place.bytes)).await?;
                        cipher::encrypt(plain, cipher, range)
                    }
                };
                serve::finish(response, Body::from_stream(body))
            }
        }
    }

    /// A segment, or a part of it as a resource of its own, encrypted for its media sequence number.
    async fn encrypted(&self, found: Found, sequence: u32, place: Option<Picture>) -> Result<Response, ApiError> {
        let cipher = Cipher::new(&self.env.signer.stream_key(address::version(self.stream)), &cipher::iv(sequence));
        let place = place.unwrap_or(Picture { segment: sequence, from: 0, bytes: found.meta.bytes });
        self.object(found, Some((cipher, place))).await
    }
}

/// Where an account finds a stream: the folder of its multivariant playlist, with a token that has just begun.
pub(crate) fn folder(env: &Env, account: AccountId, asset: AssetId, stream: &Prefix, now: OffsetDateTime) -> String {
    format!("/stream/{}/{asset}/{}", env.signer.stream_token(account, stream, now), address::version(stream))
}

/// Where an account finds an asset's picture. One that was not made with a stream has an address of its own.
pub(crate) fn picture(env: &Env, account: AccountId, asset: AssetId, key: &str, now: OffsetDateTime) -> Result<String, ApiError> {
    let key = Key::parse(key)?;
    let stream = Prefix::parse(key.scope()).ok().filter(|stream| key.as_str() == format!("{stream}/{}", key.file_name()));
    match stream.filter(|stream| stream.as_str().split('/').nth(1) == Some(&asset.to_string())) {
        Some(stream) => Ok(format!("{}/{}", folder(env, account, asset, &stream, now), key.file_name())),
        None => Ok(env.signer.object(&key, &Served::default(), now)),
    }
}

/// A browser that plays HLS by itself sends no header of ours: the session goes along as a cookie that no script can
/// read, and that goes nowhere else.
const SESSION: &str = "stream_session";

/// The cookie with which the asker's own access token opens keys, for as long as that lives.
pub(crate) fn session_cookie(env: &Env, access_token: &str, life: Duration) -> Result<HeaderValue, ApiError> {
    let secure = if env.config.public_url().starts_with("https://") { "; Secure" } else { "" };
    let text = format!("{SESSION}={access_token}; HttpOnly; SameSite=Strict; Path=/stream; Max-Age={}{secure}", life.whole_seconds());
    Ok(HeaderValue::try_from(text).map_err(anyhow::Error::from)?)
}

/// The access token of a request.
pub(crate) fn access_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

/// Who is signed in, by header or cookie.
fn session(env: &Env, headers: &HeaderMap) -> Option<Principal> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
    let mut cookies = cookies.filter_map(|pair| pair.trim().split_once('='));
    let cookie = || cookies.find_map(|(name, value)| (name == SESSION).then_some(value));
    env.tokens.verify(access_token(headers).or_else(cookie)?, env.clock.now())
}
