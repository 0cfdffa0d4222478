//! Vectors of recent queries, so that the same question asked again costs nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::Vector;

/// Keeps the vectors of the queries asked last; the oldest goes first.
pub(crate) struct Queries {
    vectors: HashMap<String, Arc<Vector>>,
    order: VecDeque<String>,
    capacity: usize,
}

impl Queries {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { vectors: HashMap::new(), order: VecDeque::new(), capacity }
    }

    pub(crate) fn get(&self, query: &str) -> Option<Arc<Vector>> {
        self.vectors.get(query).cloned()
    }

    pub(crate) fn keep(&mut self, query: &str, vector: Arc<Vector>) {
        if self.vectors.insert(query.to_owned(), vector).is_some() {
            return;
        }
        self.order.push_back(query.to_owned());
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.vectors.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_query_is_forgotten_first() {
        let mut queries = Queries::new(2);
        for (text, value) in [("a", 1.0), ("b", 2.0), ("a", 1.0), ("c", 3.0)] {
            queries.keep(text, Arc::new(vec![value]));
        }
        assert!(queries.get("a").is_none());
        assert_eq!(queries.get("b").as_deref(), Some(&vec![2.0]));
        assert_eq!(queries.get("c").as_deref(), Some(&vec![3.0]));
        assert_eq!((queries.vectors.len(), queries.order.len()), (2, 2));
    }
}
