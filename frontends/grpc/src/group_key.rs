//! What makes selections of several sessions one: they share what it selects if there is an id.
//!
//! A request may have ten thousand selectors, all with its id. So keys share the id, and everybody
//! who keeps a key shares the key; and each hashes what it is made of only once.

use crate::request::Selection;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

/// One for all keys, so that equal keys have equal hashes, and nobody outside knows which.
static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// An id, by which sessions share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupId {
    hash: u64,
    text: Arc<str>,
}

impl GroupId {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            hash: HASHES.hash_one(text),
            text: text.into(),
        }
    }

    /// Whether sessions with it share nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// As the readers have it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// A selection of sessions with one id.
#[derive(Clone, Debug)]
pub(crate) struct GroupKey(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    hash: u64,
    selection: Selection,
    id: GroupId,
}

impl GroupKey {
    pub(crate) fn new(selection: Selection, id: &GroupId) -> Self {
        Self(Arc::new(Parts {
            hash: HASHES.hash_one((&selection, id.hash)),
            selection,
            id: id.clone(),
        }))
    }

    #[inline]
    pub(crate) fn selection(&self) -> &Selection {
        &self.0.selection
    }

    /// Whether sessions share what it selects.
    pub(crate) fn is_shared(&self) -> bool {
        !self.0.id.is_empty()
    }
}

impl PartialEq for GroupKey {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&*self.0, &*other.0);
        one.hash == other.hash && one.selection == other.selection && one.id == other.id
    }
}

impl Eq for GroupKey {}

impl Hash for GroupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_feed::select::Selector;
    use std::collections::HashSet;

    #[test]
    fn a_key_is_its_selection_and_its_id() {
        let key = |app: &str, id: &str| {
            let selection = Selection::V1(Selector::app(app));
            GroupKey::new(selection, &GroupId::new(id))
        };
        assert_eq!(key("a", "g"), key("a", "g"));
        let keys = [key("a", "g"), key("a", "g"), key("a", "h"), key("b", "g")];
        assert_eq!(HashSet::from(keys).len(), 3);
        assert!(key("a", "g").is_shared() && !key("a", "").is_shared());
    }
}
