//! Where the parts of a stream lie. The one place that knows: what is not made yet is waited for here, once segments are
//! made on demand.

use anyhow::Result;
use kernel::env::Env;
use kernel::store::{Key, Meta, Prefix};

use super::address::segment_name;

/// A part of a stream that is there.
pub struct Found {
    pub key: Key,
    pub meta: Meta,
}

/// A rendition's segment, counted from 1. None when there is no such segment.
pub async fn segment(env: &Env, stream: &Prefix, rendition: &str, number: u32) -> Result<Option<Found>> {
    file(env, stream, &format!("{rendition}/{}", segment_name(number))).await
}

/// A file of the package by its name.
pub async fn file(env: &Env, stream: &Prefix, name: &str) -> Result<Option<Found>> {
    let key = Key::in_prefix(stream, name)?;
    Ok(env.store.head(&key).await?.map(|meta| Found { key, meta }))
}

/// The text of a playlist, or of captions. None when it is not there.
pub async fn text(env: &Env, key: &Key) -> Result<Option<String>> {
    // Asked for first, as a store cannot tell an object that is missing from one that cannot be had.
    if env.store.head(key).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&env.store.get(key).await?).into_owned()))
}
