//! Named leases: what only one process may do at a time, such as writing the index. Time is the database's.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

/// A lease that was granted. The token grows with every change of hands, so that a stale holder can be told apart.
#[derive(Clone, Debug)]
pub struct Lease {
    pub name: String,
    pub holder: String,
    pub token: i64,
}

/// Takes the lease if it is free, expired or already ours; None while somebody else holds it.
pub async fn acquire(conn: &mut PgConnection, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>> {
    let row = sqlx::query_scalar!(
        "insert into leases as l (name, holder, token, until)
         values ($1, $2, 1, now() + make_interval(secs => $3))
         on conflict (name) do update
            set holder = excluded.holder,
                token = case when l.holder = excluded.holder then l.token else l.token + 1 end,
                until = excluded.until
          where l.holder = excluded.holder or l.until < now()
         returning token",
        name,
        holder,
        ttl.as_secs_f64(),
    )
    .fetch_optional(conn)
    .await
    .with_context(|| format!("acquire lease {name}"))?;
    Ok(row.map(|token| Lease { name: name.into(), holder: holder.into(), token }))
}

/// Extends the lease; false when it was lost meanwhile.
pub async fn renew(conn: &mut PgConnection, lease: &Lease, ttl: Duration) -> Result<bool> {
    let changed = sqlx::query!(
        "update leases set until = now() + make_interval(secs => $4) where name = $1 and holder = $2 and token = $3",
        lease.name,
        lease.holder,
        lease.token,
        ttl.as_secs_f64(),
    )
    .execute(conn)
    .await
    .with_context(|| format!("renew lease {}", lease.name))?;
    Ok(changed.rows_affected() == 1)
}

/// Gives the lease back early. A lease that was lost meanwhile is left alone.
pub async fn release(conn: &mut PgConnection, lease: &Lease) -> Result<()> {
    sqlx::query!("update leases set until = now() where name = $1 and holder = $2 and token = $3", lease.name, lease.holder, lease.token,)
        .execute(conn)
        .await
        .with_context(|| format!("release lease {}", lease.name))?;
    Ok(())
}

/// Until when the lease is or was held; None when nobody ever did.
pub async fn last_held(db: &PgPool, name: &str) -> Result<Option<OffsetDateTime>> {
    sqlx::query_scalar!("select until from leases where name = $1", name)
        .fetch_optional(db)
        .await
        .with_context(|| format!("look at lease {name}"))
}
