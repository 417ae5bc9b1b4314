//! Those who wait in a line, in order.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::task::Waker;

/// Above this, the room for others than the first is given back once none of them is left.
const KEPT_ROOM: usize = 32;

/// Of who waits: given out in order, never twice.
pub(super) type Key = NonZeroU64;

pub(super) struct Waiter {
    pub(super) key: Key,
    /// Identifies the task by its waker, also after the waker has been used up. Compared, never followed. A later task may get the
    /// address of one that is gone: if that one left an operation here, woken and not polled since, the later task may go before it.
    pub(super) task: (usize, usize),
    /// `None` once woken, until polled again.
    pub(super) waker: Option<Waker>,
}

/// In the order of their keys. Mostly there is one at most, who stands right here: waiting allocates nothing, and what wakes them looks nowhere else.
pub(super) struct Queue {
    first: Option<Waiter>,
    /// Empty while there is no first one.
    #[expect(
        clippy::box_collection,
        reason = "most lines never have any, and it would be as large as the first one"
    )]
    others: Option<Box<VecDeque<Waiter>>>,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self {
            first: None,
            others: None,
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Option<&Waiter> {
        self.first.as_ref()
    }

    #[inline]
    fn is_first(&self, key: Key) -> bool {
        self.first.as_ref().is_some_and(|first| first.key == key)
    }

    #[inline]
    pub(super) fn first_mut(&mut self) -> Option<&mut Waiter> {
        self.first.as_mut()
    }

    /// The one of that key.
    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Waiter> {
        if self.is_first(key) {
            self.first.as_mut()
        } else {
            self.other_mut(key)
        }
    }

    #[cold]
    fn other_mut(&mut self, key: Key) -> Option<&mut Waiter> {
        let others = self.others.as_deref_mut()?;
        let index = others.binary_search_by_key(&key, |w| w.key).ok()?;
        others.get_mut(index)
    }

    /// Adds one behind all others, whose key is the greatest.
    #[inline]
    pub(super) fn push(&mut self, waiter: Waiter) {
        if self.first.is_none() {
            self.first = Some(waiter);
        } else {
            self.others.get_or_insert_default().push_back(waiter);
        }
    }

    /// Takes the one of that key out.
    #[inline]
    pub(super) fn remove(&mut self, key: Key) -> Option<Waiter> {
        let is_first = self.is_first(key);
        if is_first && self.others.is_none() {
            return self.first.take();
        }
        self.remove_among_others(key, is_first)
    }

    #[cold]
    fn remove_among_others(&mut self, key: Key, is_first: bool) -> Option<Waiter> {
        let others = self.others.as_deref_mut()?;
        let removed = if is_first {
            std::mem::replace(&mut self.first, others.pop_front())
        } else {
            let index = others.binary_search_by_key(&key, |w| w.key).ok()?;
            others.remove(index)
        };
        if others.is_empty() && others.capacity() > KEPT_ROOM {
            self.others = None;
        }
        removed
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiter> {
        let others = self.others.as_deref_mut().into_iter().flatten();
        self.first.iter_mut().chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(key: u64) -> Waiter {
        Waiter {
            key: Key::new(key).unwrap(),
            task: (0, 0),
            waker: None,
        }
    }

    #[test]
    fn it_is_a_list_by_key() {
        let (mut queue, mut list) = (Queue::new(), Vec::new());
        let mut random = 1_u32;
        for next in 1..10_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let choice = (random >> 16) as usize;
            // Now growing, now shrinking, down to nothing.
            let grows = next / 100 % 2 == 0;
            if list.is_empty() || choice % 4 < if grows { 3 } else { 1 } {
                queue.push(waiter(next));
                list.push(next);
            } else {
                let gone = list.remove(choice / 4 % list.len());
                let key = Key::new(gone).unwrap();
                assert_eq!(queue.get_mut(key).map(|w| w.key), Some(key));
                assert_eq!(queue.remove(key).map(|w| w.key), Some(key));
                assert!(queue.get_mut(key).is_none());
                assert!(queue.remove(key).is_none());
            }
            let keys: Vec<_> = queue.iter_mut().map(|w| w.key.get()).collect();
            assert_eq!(keys, list);
            assert_eq!(queue.first().map(|w| w.key.get()), list.first().copied());
            assert_eq!(
                queue.first_mut().map(|w| w.key.get()),
                list.first().copied()
            );
        }
    }

    #[test]
    fn room_for_many_is_given_back_when_they_are_gone() {
        let mut queue = Queue::new();
        for i in 1..=100 {
            queue.push(waiter(i));
        }
        for i in 1..99 {
            queue.remove(Key::new(i).unwrap()).unwrap();
            assert!(queue.others.is_some());
        }
        queue.remove(Key::new(99).unwrap()).unwrap();
        assert!(queue.others.is_none());
    }
}
