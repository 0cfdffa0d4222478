//! Accounts: who can sign in. Registration tells everything that is wrong at once.
//!
//! Nobody can make themselves an admin here: that needs the command line of the machine, [`create_account`].

use anyhow::{Context, Result, bail};
use axum::extract::State;
use axum::http::StatusCode;
use kernel::env::Env;
use kernel::http::{ApiError, FieldError, Json, Problem, Role};
use kernel::id::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::passwords;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(register))
}

/// A person's account, as the person sees it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, ToSchema)]
#[schema(example = json!({"id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "email": "ada@example.org", "name": "Ada Lovelace", "role": "student"}))]
pub struct Account {
    pub id: AccountId,
    pub email: String,
    /// As it will stand on certificates.
    pub name: String,
    pub role: Role,
}

/// What a new account needs. A field that is missing counts as empty, so that one answer names them all.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ada@example.org", "name": "Ada Lovelace", "password": "analytical engine", "role": "student"}))]
struct Registration {
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: String,
    /// 8 to 200 characters.
    #[serde(default)]
    password: String,
    /// `student` (the default) or `instructor`.
    role: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Registered {
    account: Account,
}

/// Make an account.
#[utoipa::path(
    post, path = "/auth/register", tag = "accounts", security(()), request_body = Registration,
    responses(
        (status = 201, description = "the account was made", body = Registered),
        (status = 409, description = "`email_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`: every field that is not right", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn register(State(env): State<Env>, Json(body): Json<Registration>) -> Result<(StatusCode, Json<Registered>), ApiError> {
    let mut faults = faults(&body.email, &body.name, &body.password);
    let role = match body.role.as_deref() {
        None | Some("student") => Role::Student,
        Some("instructor") => Role::Instructor,
        Some(_) => {
            faults.push(fault("/role", "must be student or instructor"));
            Role::Student
        }
    };
    if !faults.is_empty() {
        return Err(ApiError::unprocessable(faults));
    }
    let account = insert(&env, &body.email, &body.name, body.password, role)
        .await?
        .ok_or_else(|| ApiError::conflict("email_taken", "there is an account with this e-mail address; sign in instead"))?;
    Ok((StatusCode::CREATED, Json(Registered { account })))
}

/// Makes an account of any role, for the command line. Fails with everything that is wrong, or when the address is taken.
pub async fn create_account(env: &Env, email: &str, name: &str, password: &str, role: Role) -> Result<Account> {
    let faults = faults(email, name, password);
    if !faults.is_empty() {
        let all: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.pointer.trim_start_matches('/'), fault.detail)).collect();
        bail!("{}", all.join("; "));
    }
    let Some(account) = insert(env, email, name, password.to_owned(), role).await? else {
        bail!("there is an account with the e-mail address {} already", email.trim());
    };
    Ok(account)
}

/// Writes the account; None when its address is taken.
async fn insert(env: &Env, email: &str, name: &str, password: String, role: Role) -> Result<Option<Account>> {
    let account = Account { id: AccountId::new(), email: email.trim().to_ascii_lowercase(), name: one_line(name), role };
    let hash = passwords::hash(password).await?;
    let written = sqlx::query!(
        "insert into accounts (id, email, name, password_hash, role) values ($1, $2, $3, $4, $5) on conflict (email) do nothing",
        account.id.0,
        account.email,
        account.name,
        hash,
        account.role.as_str(),
    )
    .execute(&env.db)
    .await
    .context("write an account")?;
    Ok((written.rows_affected() == 1).then_some(account))
}

/// All that is wrong with the fields of a new account.
fn faults(email: &str, name: &str, password: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if !is_email(email.trim()) {
        faults.push(fault("/email", "must be an e-mail address, such as ada@example.org"));
    }
    let name = one_line(name);
    if name.is_empty() || name.chars().count() > 200 {
        faults.push(fault("/name", "must have 1 to 200 characters; it stands on your certificates"));
    } else if name.chars().any(char::is_control) {
        faults.push(fault("/name", "must not have control characters"));
    }
    match password.chars().count() {
        8..=200 if password.eq_ignore_ascii_case(email.trim()) => faults.push(fault("/password", "must not be the e-mail address")),
        8..=200 => {}
        _ => faults.push(fault("/password", "must have 8 to 200 characters")),
    }
    faults
}

fn fault(pointer: &str, detail: &str) -> FieldError {
    FieldError { pointer: pointer.into(), detail: detail.into() }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Good enough to catch slips; only a mail that arrives proves an address. ASCII, so that no two addresses look alike.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str, also: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || also.as_bytes().contains(&b));
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && plain(local, "!#$%&'*+/=?^_`{|}~.-")
        && plain(domain, ".-")
        && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_slips() {
        for good in ["ada@example.org", "a.b+c@sub.example.co.uk", "O'Neil@localhost", "x@1.2.3.4"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a b@example.org",
            "ada@@example.org",
            "ada@example..org",
            "ada@-x.org",
            "аda@example.org",
            "a@b\n.org",
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
        assert!(!is_email(&format!("{}@example.org", "x".repeat(65))));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let pointers = |email, name, password| faults(email, name, password).into_iter().map(|fault| fault.pointer).collect::<Vec<_>>();
        assert_eq!(pointers("", " \t", "short"), ["/email", "/name", "/password"]);
        assert_eq!(pointers("ada@example.org", "Ada\u{0}", "12345678"), ["/name"]);
        assert_eq!(pointers("Ada@Example.org", "Ada", "ada@example.ORG"), ["/password"]);
        assert!(pointers(" ada@example.org ", "Ada\nLovelace", "12345678").is_empty());
    }
}
