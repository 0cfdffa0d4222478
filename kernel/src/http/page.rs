//! Pages of lists: `?limit=&cursor=` in, `items` and `next_cursor` out. A cursor is opaque to clients.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ApiError;

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// The query of every list.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items, 1 to 100; 20 when not given.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Where a page begins: any value that can be JSON, usually the sort key of the last item.
pub struct Cursor;

impl Cursor {
    pub fn encode(position: &impl Serialize) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).expect("a sort key becomes json"))
    }

    /// Fails with 400 `cursor_invalid` on anything [`Cursor::encode`] did not make.
    pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
        let wrong = || ApiError::bad_request("cursor_invalid", "this cursor was not made by this server; start at the first page");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        serde_json::from_slice(&bytes).map_err(|_| wrong())
    }
}

impl PageQuery {
    /// The limit, checked.
    pub fn limit(&self) -> Result<usize, ApiError> {
        match self.limit.unwrap_or(20) {
            limit @ 1..=100 => Ok(limit as usize),
            _ => Err(ApiError::bad_request("limit_invalid", "limit must be between 1 and 100")),
        }
    }

    /// The position the page begins after, if it is not the first.
    pub fn position<T: DeserializeOwned>(&self) -> Result<Option<T>, ApiError> {
        self.cursor.as_deref().map(Cursor::decode).transpose()
    }
}

impl<T> Page<T> {
    /// A page of rows fetched with one more than `limit`; `position` gives the sort key of an item.
    pub fn of<P: Serialize>(mut rows: Vec<T>, limit: usize, position: impl Fn(&T) -> P) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| Cursor::encode(&position(last)));
        Self { items: rows, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nonsense_is_refused() {
        let position = (3, "x".to_string());
        assert_eq!(Cursor::decode::<(i32, String)>(&Cursor::encode(&position)).unwrap(), position);
        for bad in ["", "!!", "AAAA", "eyJ9"] {
            assert_eq!(Cursor::decode::<(i32, String)>(bad).unwrap_err().code(), "cursor_invalid");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        assert_eq!(Page::of(vec![1, 2, 3], 3, |n| *n).next_cursor, None);
        let page = Page::of(vec![1, 2, 3], 2, |n| *n);
        assert_eq!((page.items, Cursor::decode::<i32>(&page.next_cursor.unwrap()).unwrap()), (vec![1, 2], 2));
    }
}
