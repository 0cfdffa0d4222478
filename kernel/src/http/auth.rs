//! Who is asking: a short-lived access token (JWT) in the Authorization header.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::ApiError;
use crate::env::Env;
use crate::id::AccountId;

/// What an account may do at all; what it may do with a course is in [`crate::access`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    Student,
    Instructor,
    Admin,
}

impl Role {
    /// The word used in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Instructor => "instructor",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Student, Self::Instructor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("no role is called {text:?}: student, instructor or admin"))
    }
}

/// The account that makes a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    pub account_id: AccountId,
    pub role: Role,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    role: Role,
    iat: i64,
    nbf: i64,
    exp: i64,
}

const ISSUER: &str = "learnhub";
const AUDIENCE: &str = "learnhub-api";
/// Clocks of two machines may differ by this much, in seconds.
const LEEWAY: u64 = 30;

/// Issues and checks access tokens. One algorithm, one key, nothing taken from the token's header.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    life: Duration,
}

impl Tokens {
    pub fn new(key: &[u8; 32], life: Duration) -> Self {
        Self { encoding: EncodingKey::from_secret(key), decoding: DecodingKey::from_secret(key), life }
    }

    /// Life of a token.
    pub fn life(&self) -> Duration {
        self.life
    }

    /// A token for this account, valid from `now`.
    pub fn issue(&self, principal: &Principal, now: OffsetDateTime) -> anyhow::Result<String> {
        let at = now.unix_timestamp();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: principal.account_id,
            role: principal.role,
            iat: at,
            nbf: at,
            exp: at + self.life.whole_seconds(),
        };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?)
    }

    /// Who the token stands for at `now`, or None when it is worth nothing.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Option<Principal> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // The library looks at the machine's clock; ours may stand still in tests, so times are compared here.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &rules).ok()?.claims;
        let now = now.unix_timestamp();
        let leeway = LEEWAY as i64;
        let lives = claims.exp.checked_sub(claims.iat).is_some_and(|life| life <= self.life.whole_seconds());
        (lives && claims.nbf <= now + leeway && claims.exp > now - leeway)
            .then_some(Principal { account_id: claims.sub, role: claims.role })
    }
}

impl<S> FromRequestParts<S> for Principal
where
    Env: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let env = Env::from_ref(state);
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(ApiError::unauthorized)?;
        let token = value.strip_prefix("Bearer ").ok_or_else(ApiError::unauthorized)?;
        env.tokens
            .verify(token.trim(), env.clock.now())
            .ok_or_else(|| ApiError::unauthorized().because("token_invalid", "the access token has expired or is not valid; sign in again"))
    }
}

/// No header means nobody; a header that is worth nothing is still refused.
impl<S> OptionalFromRequestParts<S> for Principal
where
    Env: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, ApiError> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(&[9; 32], Duration::minutes(60))
    }

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
    }

    fn somebody() -> Principal {
        Principal { account_id: AccountId::new(), role: Role::Student }
    }

    #[test]
    fn a_token_stands_for_its_account_until_it_expires() {
        let who = somebody();
        let token = tokens().issue(&who, now()).unwrap();
        assert_eq!(tokens().verify(&token, now()), Some(who.clone()));
        assert_eq!(tokens().verify(&token, now() + Duration::minutes(59)), Some(who));
        assert_eq!(tokens().verify(&token, now() + Duration::minutes(62)), None);
        assert_eq!(tokens().verify(&token, now() - Duration::minutes(2)), None, "not yet");
    }

    #[test]
    fn forged_tokens_are_worth_nothing() {
        use base64::Engine;
        let b64 = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let token = tokens().issue(&somebody(), now()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let body = parts[1];
        let other = Tokens::new(&[8; 32], Duration::minutes(60)).issue(&somebody(), now()).unwrap();
        let raised =
            String::from_utf8(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap().replace("student", "admin");
        for forged in [
            other,
            format!("{}.{body}.", b64(r#"{"alg":"none","typ":"JWT"}"#)),
            format!("{}.{body}.", b64(r#"{"alg":"None"}"#)),
            format!("{}.{body}.{}", b64(r#"{"alg":"HS512"}"#), parts[2]),
            format!("{}.{body}.{}", b64(r#"{"alg":"RS256"}"#), parts[2]),
            format!("{}.{body}.", parts[0]),
            format!("{}.{}.{}", parts[0], b64(&raised), parts[2]),
            format!("{}.{}", parts[0], body),
            String::new(),
            "a.b.c".into(),
        ] {
            assert_eq!(tokens().verify(&forged, now()), None, "{forged}");
        }
    }

    #[test]
    fn a_token_with_strange_times_is_worth_nothing() {
        for (iat, nbf, exp) in [("1", "1", "\"9999999999\""), ("1800000000", "1", "99999999999"), ("-1", "0", "9223372036854775807")] {
            let claims = format!(
                r#"{{"iss":"learnhub","aud":"learnhub-api","sub":"{}","role":"admin","iat":{iat},"nbf":{nbf},"exp":{exp}}}"#,
                AccountId::new()
            );
            let claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
            let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &tokens().encoding).unwrap();
            assert_eq!(tokens().verify(&token, now()), None);
        }
    }
}
