//! Rows out of a database and into one: which tables there are, in what order, and PostgreSQL's COPY.
//!
//! The tables are asked of the database and not listed here, so that a migration's new table is part of the next
//! backup without anybody thinking of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::io::AsyncWriteExt;

use super::{FileHash, Sequence, Table, hex};

/// Not of this moment but of the processes that run: who holds what, who works, and the migrations, which a restore runs itself.
const LEFT_OUT: [&str; 3] = ["leases", "workers", "_sqlx_migrations"];

/// A table's name and its columns.
pub(super) type Columns = (String, Vec<String>);

/// The tables of the schema, each after those it refers to.
pub(super) async fn list(conn: &mut PgConnection) -> Result<Vec<Columns>> {
    let rows: Vec<(String, Vec<String>)> = sqlx::query_as(
        "select c.relname::text, array_agg(a.attname::text order by a.attnum)
           from pg_class c join pg_attribute a on a.attrelid = c.oid
          where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
            and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
            and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
          group by c.relname order by c.relname",
    )
    .fetch_all(&mut *conn)
    .await
    .context("list the tables")?;
    let references: Vec<(String, String)> = sqlx::query_as(
        "select k.conrelid::regclass::text, k.confrelid::regclass::text from pg_constraint k
          where k.contype = 'f' and k.connamespace = 'public'::regnamespace and k.conrelid <> k.confrelid",
    )
    .fetch_all(conn)
    .await
    .context("list the references between tables")?;
    let tables = rows.into_iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())).collect();
    in_order(tables, &references)
}

/// Each table after those it refers to. Fails when they refer to one another in a circle.
fn in_order(tables: BTreeMap<String, Vec<String>>, references: &[(String, String)]) -> Result<Vec<Columns>> {
    let mut waiting = tables;
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let names: BTreeSet<&String> = waiting.keys().collect();
        let free = waiting.keys().find(|name| !references.iter().any(|(from, to)| from == *name && names.contains(to))).cloned();
        let Some(name) = free else {
            bail!("these tables refer to one another in a circle: {}", waiting.keys().cloned().collect::<Vec<_>>().join(", "));
        };
        let columns = waiting.remove(&name).unwrap_or_default();
        ordered.push((name, columns));
    }
    Ok(ordered)
}

/// The sequences and where they stand.
pub(super) async fn sequences(conn: &mut PgConnection) -> Result<Vec<Sequence>> {
    let names: Vec<String> = sqlx::query_scalar("select sequencename::text from pg_sequences where schemaname = 'public' order by 1")
        .fetch_all(&mut *conn)
        .await
        .context("list the sequences")?;
    let mut found = Vec::new();
    for name in names {
        // Not of the transaction's moment, but never behind it, which is what matters.
        let value: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select last_value from {}", quoted(&name))))
            .fetch_one(&mut *conn)
            .await
            .with_context(|| format!("read sequence {name}"))?;
        found.push(Sequence { name, value });
    }
    Ok(found)
}

/// Writes a table's rows, as this transaction sees them, into a file.
pub(super) async fn dump(conn: &mut PgConnection, (name, columns): Columns, to: &Path) -> Result<Table> {
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {}", quoted(&name))))
        .fetch_one(&mut *conn)
        .await
        .with_context(|| format!("count the rows of {name}"))?;
    let mut file = tokio::fs::File::create(to).await.with_context(|| format!("create {}", to.display()))?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut stream =
        conn.copy_out_raw(&format!("copy {} to stdout", target(&name, &columns))).await.with_context(|| format!("read {name}"))?;
    while let Some(part) = stream.next().await {
        let part = part.with_context(|| format!("read {name}"))?;
        hash.update(&part);
        bytes += part.len() as u64;
        file.write_all(&part).await.with_context(|| format!("write {}", to.display()))?;
    }
    file.sync_all().await.with_context(|| format!("write {}", to.display()))?;
    Ok(Table { name, columns, rows: rows as u64, file: FileHash { bytes, sha256: hex(&hash.finalize()) } })
}

/// Fills an empty table from a file.
pub(super) async fn load(conn: &mut PgConnection, table: &Table, from: &Path) -> Result<()> {
    let file = tokio::fs::File::open(from).await.with_context(|| format!("open {}", from.display()))?;
    let statement = format!("copy {} from stdin", target(&table.name, &table.columns));
    let mut copy = conn.copy_in_raw(&statement).await.with_context(|| format!("fill {}", table.name))?;
    copy.read_from(file).await.with_context(|| format!("fill {}", table.name))?;
    let rows = copy.finish().await.with_context(|| format!("fill {}", table.name))?;
    anyhow::ensure!(rows == table.rows, "{} rows came into {}, not {}", rows, table.name, table.rows);
    Ok(())
}

/// Names of tables that hold rows.
pub(super) async fn filled(conn: &mut PgConnection) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (name, _) in list(conn).await? {
        let any: bool =
            sqlx::query_scalar(AssertSqlSafe(format!("select exists (select from {})", quoted(&name)))).fetch_one(&mut *conn).await?;
        if any {
            found.push(name);
        }
    }
    Ok(found)
}

/// Removes every table, sequence and function of ours; extensions and what is theirs stay.
pub(super) async fn drop_all(conn: &mut PgConnection) -> Result<()> {
    let drops: Vec<String> = sqlx::query_scalar(
        "select format('drop %s if exists %s cascade', case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass)
           from pg_class c
          where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'S')
            and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('e', 'i'))
         union all
         select format('drop routine if exists %s cascade', p.oid::regprocedure) from pg_proc p
          where p.pronamespace = 'public'::regnamespace
            and not exists (select from pg_depend d where d.objid = p.oid and d.deptype in ('e', 'i'))",
    )
    .fetch_all(&mut *conn)
    .await
    .context("list what is to be replaced")?;
    for statement in drops {
        sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *conn).await.with_context(|| statement)?;
    }
    Ok(())
}

fn target(table: &str, columns: &[String]) -> String {
    format!("{} ({})", quoted(table), columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", "))
}

/// An identifier as SQL; a manifest is not trusted with more than names.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(names: &[&str]) -> BTreeMap<String, Vec<String>> {
        names.iter().map(|name| (name.to_string(), vec!["id".to_owned()])).collect()
    }

    fn references(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect()
    }

    #[test]
    fn a_table_comes_after_those_it_refers_to() {
        let ordered = in_order(tables(&["a", "b", "c"]), &references(&[("a", "b"), ("b", "c")])).unwrap();
        assert_eq!(ordered.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["c", "b", "a"]);
    }

    #[test]
    fn a_circle_is_refused_and_named() {
        let error = in_order(tables(&["a", "b"]), &references(&[("a", "b"), ("b", "a")])).unwrap_err().to_string();
        assert!(error.contains("a, b"), "{error}");
    }

    #[test]
    fn a_name_cannot_end_its_own_quotes() {
        assert_eq!(quoted("a\"; drop table b"), "\"a\"\"; drop table b\"");
    }
}
