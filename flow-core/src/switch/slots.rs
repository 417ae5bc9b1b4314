//! Values under keys that are used again: what is attached and detached costs no memory in the long run.

/// Where the list of free slots ends.
const NONE: usize = usize::MAX;

/// Up to this many slots are kept when nothing is held.
const KEPT: usize = 64;

pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// The first free slot.
    free: usize,
    held: usize,
}

enum Slot<T> {
    Held(T),
    /// The next free slot.
    Free(usize),
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            held: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.held
    }

    pub(super) fn insert(&mut self, value: T) -> usize {
        self.held += 1;
        let key = self.free;
        match self.slots.get_mut(key) {
            Some(slot) => {
                if let Slot::Free(next) = *slot {
                    self.free = next;
                }
                *slot = Slot::Held(value);
                key
            }
            None => {
                self.slots.push(Slot::Held(value));
                self.slots.len() - 1
            }
        }
    }

    /// Takes out what is under `key`, unless [`pop`](Self::pop) has.
    pub(super) fn remove(&mut self, key: usize) -> Option<T> {
        let slot = self.slots.get_mut(key)?;
        let Slot::Held(value) = core::mem::replace(slot, Slot::Free(self.free)) else {
            unreachable!("a key is removed once, and none is given out after a pop");
        };
        self.free = key;
        self.held -= 1;
        if self.held == 0 {
            self.clear();
        }
        Some(value)
    }

    /// Takes out the value in the last slot. For the end: nothing is inserted afterwards.
    pub(super) fn pop(&mut self) -> Option<T> {
        loop {
            match self.slots.pop() {
                Some(Slot::Held(value)) => {
                    self.held -= 1;
                    return Some(value);
                }
                Some(Slot::Free(_)) => {}
                None => {
                    self.clear();
                    return None;
                }
            }
        }
    }

    fn clear(&mut self) {
        self.free = NONE;
        self.slots.clear();
        if self.slots.capacity() > KEPT {
            self.slots = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_used_again_and_nothing_is_left() {
        let mut slots = Slots::new();
        let keys: Vec<_> = (0..1000).map(|i| slots.insert(i)).collect();
        for round in 0..3 {
            for &key in keys.iter().skip(round).step_by(7) {
                let value = slots.remove(key).unwrap();
                assert_eq!(slots.insert(value), key);
            }
        }
        assert_eq!(slots.slots.len(), 1000);
        for (i, key) in keys.into_iter().enumerate() {
            assert_eq!(slots.remove(key), Some(i));
        }
        assert_eq!((slots.len(), slots.slots.capacity()), (0, 0));
    }

    #[test]
    fn keys_of_popped_values_are_nobody() {
        let mut slots = Slots::new();
        let [a, b, c] = ["a", "b", "c"].map(|v| slots.insert(v));
        assert_eq!(slots.remove(b), Some("b"));
        assert_eq!(slots.pop(), Some("c"));
        assert_eq!(slots.remove(c), None);
        assert_eq!(slots.remove(a), Some("a"));
        assert_eq!(slots.pop(), None);
        assert_eq!(slots.len(), 0);
    }
}
