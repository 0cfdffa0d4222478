//! Addresses that open one object, or one attempt's folder, for a while: `/media/<expires>.<signature>/<key>`.
//!
//! The signature covers the scope (the attempt's folder, so that a playlist's relative addresses work; else the
//! key) and how the object is to be served. Who may get such an address is decided where it is handed out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use time::{Duration, OffsetDateTime};

use super::{Key, Prefix};

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

/// Makes and checks signed addresses.
pub struct UrlSigner {
    key: [u8; 32],
    life: Duration,
}

impl UrlSigner {
    /// `key` is secret and shared by all processes that serve or hand out addresses.
    pub fn new(key: [u8; 32], life: Duration) -> Self {
        Self { key, life }
    }

    /// The address of an object in an attempt's folder; it opens the whole folder.
    pub fn in_prefix(&self, prefix: &Prefix, name: &str, now: OffsetDateTime) -> String {
        let expires = (now + self.life).unix_timestamp();
        let signature = self.sign(prefix.as_str(), &Served::default(), expires);
        format!("/media/{expires}.{signature}/{prefix}/{name}")
    }

    /// The address of one object, served as given.
    pub fn object(&self, key: &Key, served: &Served, now: OffsetDateTime) -> String {
        let expires = (now + self.life).unix_timestamp();
        let signature = self.sign(key.scope(), served, expires);
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
        let (Ok(expires), Ok(signature)) = (expires.parse::<i64>(), URL_SAFE_NO_PAD.decode(signature)) else {
            return false;
        };
        expires > now.unix_timestamp() && self.mac(key.scope(), served, expires).verify_slice(&signature).is_ok()
    }

    fn sign(&self, scope: &str, served: &Served, expires: i64) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(scope, served, expires).finalize().into_bytes())
    }

    fn mac(&self, scope: &str, served: &Served, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("hmac takes keys of any length");
        let text = serde_json::to_vec(&(scope, expires, served)).expect("strings and numbers become json");
        mac.update(&text);
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

    fn token(url: &str) -> &str {
        url.strip_prefix("/media/").unwrap().split('/').next().unwrap()
    }

    #[test]
    fn an_address_opens_its_folder_until_it_expires_and_nothing_else() {
        let signer = UrlSigner::new([1; 32], Duration::minutes(5));
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).unwrap();
        let prefix = Prefix::attempt(AssetId::new(), JobId::new(), 1);
        let url = signer.in_prefix(&prefix, "hls/master.m3u8", now);
        let segment = Key::in_prefix(&prefix, "hls/720p/seg-00001.m4s").unwrap();
        let plain = Served::default();
        assert!(signer.verify(token(&url), &segment, &plain, now));
        assert!(!signer.verify(token(&url), &segment, &plain, now + Duration::minutes(5)), "expired");
        let other = Key::in_prefix(&Prefix::attempt(AssetId::new(), JobId::new(), 1), "hls/master.m3u8").unwrap();
        assert!(!signer.verify(token(&url), &other, &plain, now), "another asset");
        let inline = Served { inline: true, ..Served::default() };
        assert!(!signer.verify(token(&url), &segment, &inline, now), "served in another way");
        let longer = token(&url).replacen("1000300", "9000300", 1);
        assert!(!signer.verify(&longer, &segment, &plain, now), "a changed expiry");
        assert!(!UrlSigner::new([2; 32], Duration::minutes(5)).verify(token(&url), &segment, &plain, now), "another key");
        for nonsense in ["", ".", "x.y", "99999999999.", "1000300.AAAA"] {
            assert!(!signer.verify(nonsense, &segment, &plain, now));
        }
    }
}
