//! Addresses that open something for a while. Two kinds, signed with one secret:
//!
//! `/media/<expires>.<signature>/<key>` opens one object, whoever comes with it: an upload, a certificate.
//! `/stream/<token>/<asset>/…` opens the streams of one asset for one account; playlists and keys are only given while
//! that account may see the asset, segments for as long as the token lives (`lms::delivery`).
//!
//! Who may get such an address is decided where it is handed out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Key, Prefix};
use crate::id::AccountId;

/// How an object is to be served when its key does not say: part of the signature.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Served {
    /// MIME type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Name under which a browser saves it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file_name: String,
    /// Shown in the page instead of saved. Only for types that cannot run script.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inline: bool,
}

/// How long addresses are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Of the address of one object.
    pub media: Duration,
    /// Of a token for an asset's streams.
    pub stream: Duration,
}

/// Makes and checks signed addresses.
pub struct UrlSigner {
    key: [u8; 32],
    lives: Lives,
}

impl UrlSigner {
    /// `key` is secret and shared by all processes that serve or hand out addresses.
    pub fn new(key: [u8; 32], lives: Lives) -> Self {
        Self { key, lives }
    }

    /// The address of one object, served as given.
    pub fn object(&self, key: &Key, served: &Served, now: OffsetDateTime) -> String {
        let expires = (now + self.lives.media).unix_timestamp();
        let signature = self.sign(&(key.as_str(), expires, served));
        let mut query = Vec::new();
        for (name, value) in [("media_type", &served.media_type), ("file_name", &served.file_name)] {
            if !value.is_empty() {
                query.push(format!("{name}={}", percent_encode(value)));
            }
        }
        if served.inline {
            query.push("inline=true".into());
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        format!("/media/{expires}.{signature}/{key}{query}")
    }

    /// Whether `token` (`<expires>.<signature>`) opens the object in this way now.
    pub fn verify(&self, token: &str, key: &Key, served: &Served, now: OffsetDateTime) -> bool {
        let Some((expires, signature)) = token.split_once('.') else { return false };
        expires
            .parse::<i64>()
            .is_ok_and(|expires| expires > now.unix_timestamp() && self.signed(signature, &(key.as_str(), expires, served)))
    }

    /// Life of a token for an asset's streams.
    pub fn stream_life(&self) -> Duration {
        self.lives.stream
    }

    /// A token for what lies under `stream`, for this account: `<expires>.<account>.<signature>`. It opens no other
    /// version of the same asset, so that who remembers where one lies cannot fetch it with the token of another.
    pub fn stream_token(&self, account: AccountId, stream: &Prefix, now: OffsetDateTime) -> String {
        let expires = (now + self.lives.stream).unix_timestamp();
        format!("{expires}.{}.{}", account.0.simple(), self.sign(&("stream", account, stream.as_str(), expires)))
    }

    /// Whose token this is, if it is good for what lies under `stream` now.
    pub fn stream_account(&self, token: &str, stream: &Prefix, now: OffsetDateTime) -> Option<AccountId> {
        let mut parts = token.splitn(3, '.');
        let expires = parts.next()?.parse::<i64>().ok().filter(|expires| *expires > now.unix_timestamp())?;
        let account = AccountId(Uuid::try_parse(parts.next()?).ok()?);
        self.signed(parts.next()?, &("stream", account, stream.as_str(), expires)).then_some(account)
    }

    /// The AES-128 key with which the segments of one version of an asset's stream are encrypted. Derived and never
    /// stored (HKDF, RFC 5869): whoever has the secret can make it again.
    pub fn stream_key(&self, version: &str) -> [u8; 16] {
        let mut key = [0; 16];
        Hkdf::<Sha256>::new(None, &self.key)
            .expand_multi_info(&[b"learnhub stream aes-128 ", version.as_bytes()], &mut key)
            .expect("16 bytes are less than 255 hashes");
        key
    }

    fn sign(&self, what: &impl serde::Serialize) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(what).finalize().into_bytes())
    }

    fn signed(&self, signature: &str, what: &impl serde::Serialize) -> bool {
        URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| self.mac(what).verify_slice(&signature).is_ok())
    }

    fn mac(&self, what: &impl serde::Serialize) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("hmac takes keys of any length");
        mac.update(&serde_json::to_vec(what).expect("strings and numbers become json"));
        mac
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986, section 2.3).
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AssetId, JobId};

    const LIVES: Lives = Lives { media: Duration::minutes(60), stream: Duration::minutes(5) };

    fn signer() -> UrlSigner {
        UrlSigner::new([1; 32], LIVES)
    }

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_000_000).unwrap()
    }

    fn token(url: &str) -> &str {
        url.strip_prefix("/media/").unwrap().split('/').next().unwrap()
    }

    #[test]
    fn an_address_opens_its_object_until_it_expires_and_nothing_else() {
        let prefix = Prefix::attempt(AssetId::new(), JobId::new(), 1);
        let key = Key::in_prefix(&prefix, "poster.jpg").unwrap();
        let plain = Served::default();
        let url = signer().object(&key, &plain, now());
        assert!(signer().verify(token(&url), &key, &plain, now()));
        assert!(!signer().verify(token(&url), &key, &plain, now() + LIVES.media), "expired");
        let beside = Key::in_prefix(&prefix, "master.m3u8").unwrap();
        assert!(!signer().verify(token(&url), &beside, &plain, now()), "another object of the same folder");
        let inline = Served { inline: true, ..Served::default() };
        assert!(!signer().verify(token(&url), &key, &inline, now()), "served in another way");
        let longer = token(&url).replacen("1003600", "9003600", 1);
        assert!(!signer().verify(&longer, &key, &plain, now()), "a changed expiry");
        assert!(!UrlSigner::new([2; 32], LIVES).verify(token(&url), &key, &plain, now()), "another key");
        for nonsense in ["", ".", "x.y", "99999999999.", "1003600.AAAA"] {
            assert!(!signer().verify(nonsense, &key, &plain, now()));
        }
    }

    #[test]
    fn a_stream_token_is_bound_to_account_version_and_expiry() {
        let (account, asset, job) = (AccountId::new(), AssetId::new(), JobId::new());
        let stream = Prefix::attempt(asset, job, 1);
        let token = signer().stream_token(account, &stream, now());
        assert_eq!(signer().stream_account(&token, &stream, now()), Some(account));
        assert_eq!(signer().stream_account(&token, &stream, now() + LIVES.stream), None, "expired");
        assert_eq!(signer().stream_account(&token, &Prefix::attempt(AssetId::new(), job, 1), now()), None, "another asset");
        assert_eq!(signer().stream_account(&token, &Prefix::attempt(asset, job, 2), now()), None, "another version");
        let [expires, whose, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
        let changed = [
            format!("9{expires}.{whose}.{signature}"),
            format!("{expires}.{}.{signature}", AccountId::new().0.simple()),
            format!(
                "{expires}.{whose}.{}",
                signer().stream_token(account, &Prefix::attempt(asset, job, 2), now()).rsplit('.').next().unwrap()
            ),
            format!("{expires}.{whose}."),
            format!("{expires}.{whose}"),
            String::new(),
            "..".into(),
        ];
        for token in changed {
            assert_eq!(signer().stream_account(&token, &stream, now()), None, "{token}");
        }
        assert_eq!(UrlSigner::new([2; 32], LIVES).stream_account(&token, &stream, now()), None, "another key");
    }

    #[test]
    fn each_stream_has_a_key_of_its_own_that_can_be_made_again() {
        assert_eq!(signer().stream_key("a.1"), signer().stream_key("a.1"));
        assert_ne!(signer().stream_key("a.1"), signer().stream_key("a.2"));
        assert_ne!(signer().stream_key("a.1"), UrlSigner::new([2; 32], LIVES).stream_key("a.1"));
    }
}
