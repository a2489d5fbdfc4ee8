//! The names of a segment's timers, as long as they are few: most of what an app's proxies say are timers
//! of one name, and who asks for another metric need not take their segments apart.

use hydrant_feed::wire::fields;

const NAMES_MAX: usize = 4;
const NAME_BYTES_MAX: usize = 64;

/// What names a segment has.
#[derive(Clone, Debug)]
pub(super) enum Names {
    /// These and no others.
    Timers(Vec<Box<[u8]>>),
    /// It has something else too, or more names than these few.
    Any,
}

impl Default for Names {
    fn default() -> Self {
        Self::Timers(Vec::new())
    }
}

impl Names {
    /// The segment has this timer too.
    #[inline]
    pub(super) fn add(&mut self, timer: &[u8]) {
        let Self::Timers(names) = self else {
            return;
        };
        match fields::timer(timer) {
            Some(timer) if names.iter().any(|name| **name == *timer.name) => {}
            Some(timer) if names.len() < NAMES_MAX && timer.name.len() <= NAME_BYTES_MAX => {
                names.push(timer.name.into());
            }
            _ => *self = Self::Any,
        }
    }

    /// Whether the segment may have what is named so.
    pub(super) fn may_have(&self, is_named: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Timers(names) => names
                .iter()
                .any(|name| str::from_utf8(name).is_ok_and(is_named)),
            Self::Any => true,
        }
    }

    /// Bytes of memory that they have.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Timers(names) => {
                let texts: usize = names.iter().map(|name| name.len()).sum();
                names.capacity() * size_of::<Box<[u8]>>() + texts
            }
            Self::Any => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::v2::Timer;
    use prost::Message as _;

    fn of(names: &[&str]) -> Names {
        let mut all = Names::default();
        for name in names {
            let timer = Timer {
                name: (*name).to_owned(),
                start: 1,
                stop: 2,
            };
            all.add(&timer.encode_to_vec());
        }
        all
    }

    #[test]
    fn few_names_are_known() {
        let names = of(&["http", "http", "job"]);
        assert!(names.may_have(&|name| name == "job"));
        assert!(!names.may_have(&|name| name == "cpu"));
        assert!(!of(&[]).may_have(&|_| true));
        assert!(of(&[""]).may_have(&str::is_empty));
    }

    #[test]
    fn of_many_or_long_or_odd_ones_nothing_is_known() {
        assert!(of(&["a", "b", "c", "d", "e"]).may_have(&|_| false));
        assert!(of(&[&"n".repeat(65)]).may_have(&|_| false));
        let mut odd = of(&["a"]);
        odd.add(&[0xff]);
        assert!(odd.may_have(&|_| false));
        assert!(odd.memory_bytes() == 0 && of(&["abc"]).memory_bytes() > 3);
    }
}
