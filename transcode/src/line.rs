//! An assembly line: stations that hand items on, worked by a fixed number of hands. Knows nothing of media.
//!
//! Each station works on one item at a time and in order, different stations at the same time. Trays between them are
//! short, so memory stays bounded: a station rests while a tray it feeds is full. Hands take what they find, earlier
//! stations in the given order of preference first, so a dear station is never kept waiting by cheap ones. This keeps
//! two cores busy whatever the share of decoding, scaling and each encoder, without threads inside any of them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// One place of work.
pub trait Station<I, E>: Send {
    /// Works on an item (`None` for the source, which has no tray) and hands on `(tray, item)` pairs.
    fn work(&mut self, item: Option<I>, hand_on: &mut Vec<(usize, I)>) -> Result<Flow, E>;
}

/// What a station says after each item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    More,
    /// It is done and takes no further item.
    Done,
}

/// A station with its tray.
pub struct Post<'a, I, E> {
    pub station: Box<dyn Station<I, E> + 'a>,
    /// Takes no items from others.
    pub source: bool,
    /// Numbers of the stations it hands on to.
    pub feeds: Vec<usize>,
    /// Items its tray takes before its feeders rest.
    pub room: usize,
}

struct Slot<'a, I, E> {
    /// Away while a hand works on it.
    station: Option<Box<dyn Station<I, E> + 'a>>,
    source: bool,
    feeds: Vec<usize>,
    room: usize,
    tray: VecDeque<I>,
    done: bool,
}

struct State<'a, I, E> {
    slots: Vec<Slot<'a, I, E>>,
    order: Vec<usize>,
    failed: Option<E>,
}

/// Runs until every station is done or one fails. `hands` threads work, the caller's among them; `tick` is called on
/// the caller's thread between items.
pub fn run<I: Send, E: Send>(posts: Vec<Post<'_, I, E>>, order: Vec<usize>, hands: usize, tick: &mut dyn FnMut()) -> Result<(), E> {
    let slots = posts
        .into_iter()
        .map(|Post { station, source, feeds, room }| Slot {
            station: Some(station),
            source,
            feeds,
            room,
            tray: VecDeque::new(),
            done: false,
        })
        .collect();
    let state = Mutex::new(State { slots, order, failed: None });
    let changed = Condvar::new();
    thread::scope(|scope| {
        for _ in 1..hands.max(1) {
            scope.spawn(|| lend_a_hand(&state, &changed, &mut || {}));
        }
        lend_a_hand(&state, &changed, tick);
    });
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.failed.map_or(Ok(()), Err)
}

fn lend_a_hand<I, E>(state: &Mutex<State<I, E>>, changed: &Condvar, tick: &mut dyn FnMut()) {
    // A hand that panics takes the whole child down; the others then see its station away for ever and must end too.
    let _alarm = Alarm { state, changed };
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let mut held: MutexGuard<State<I, E>> = lock();
    let mut hand_on = Vec::new();
    loop {
        if held.failed.is_some() || held.slots.iter().all(|slot| slot.done) || state.is_poisoned() {
            return;
        }
        let Some(number) = held.next() else {
            held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let slot = &mut held.slots[number];
        let Some(mut station) = slot.station.take() else { return };
        let item = slot.tray.pop_front();
        drop(held);
        let result = station.work(item, &mut hand_on);
        tick();
        held = lock();
        held.slots[number].station = Some(station);
        match result {
            Ok(flow) => held.slots[number].done = flow == Flow::Done,
            Err(error) => held.failed = Some(error),
        }
        for (to, item) in hand_on.drain(..) {
            if !held.slots[to].done {
                held.slots[to].tray.push_back(item);
            }
        }
        changed.notify_all();
    }
}

impl<I, E> State<'_, I, E> {
    fn next(&self) -> Option<usize> {
        self.order.iter().copied().find(|&number| {
            let slot = &self.slots[number];
            let room = |to: &usize| self.slots[*to].done || self.slots[*to].tray.len() < self.slots[*to].room;
            slot.station.is_some() && !slot.done && (slot.source || !slot.tray.is_empty()) && slot.feeds.iter().all(room)
        })
    }
}

/// Wakes everybody when a hand leaves, in whatever way; poisons the state when it leaves by a panic.
struct Alarm<'s, 'a, I, E> {
    state: &'s Mutex<State<'a, I, E>>,
    changed: &'s Condvar,
}

impl<I, E> Drop for Alarm<'_, '_, I, E> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Taking the lock while panicking poisons it when the guard goes.
            drop(self.state.lock());
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Count(u32);
    impl Station<Option<u32>, String> for Count {
        fn work(&mut self, _: Option<Option<u32>>, hand_on: &mut Vec<(usize, Option<u32>)>) -> Result<Flow, String> {
            self.0 += 1;
            let last = self.0 == 1000;
            hand_on.push((1, Some(self.0)));
            if last {
                hand_on.push((1, None));
            }
            Ok(if last { Flow::Done } else { Flow::More })
        }
    }

    /// Passes items on to `to`, or sums them up; fails at `fails_at`.
    struct Work {
        to: Option<usize>,
        sum: Arc<AtomicUsize>,
        last: u32,
        fails_at: u32,
    }
    impl Station<Option<u32>, String> for Work {
        fn work(&mut self, item: Option<Option<u32>>, hand_on: &mut Vec<(usize, Option<u32>)>) -> Result<Flow, String> {
            let Some(item) = item else { return Err("no item".into()) };
            hand_on.extend(self.to.map(|to| (to, item)));
            let Some(number) = item else { return Ok(Flow::Done) };
            assert_eq!(number, self.last + 1, "out of order");
            self.last = number;
            self.sum.fetch_add(number as usize, Ordering::Relaxed);
            if number == self.fails_at { Err("broke".into()) } else { Ok(Flow::More) }
        }
    }

    fn run_line(hands: usize, fails_at: u32) -> (Result<(), String>, usize) {
        let sum = Arc::new(AtomicUsize::new(0));
        let work = |to, fails_at| Box::new(Work { to, sum: sum.clone(), last: 0, fails_at });
        let posts = vec![
            Post { station: Box::new(Count(0)) as Box<dyn Station<_, _>>, source: true, feeds: vec![1], room: 0 },
            Post { station: work(Some(2), 0), source: false, feeds: vec![2], room: 3 },
            Post { station: work(None, fails_at), source: false, feeds: vec![], room: 3 },
        ];
        let result = run(posts, vec![1, 0, 2], hands, &mut || {});
        (result, sum.load(Ordering::Relaxed))
    }

    #[test]
    fn every_item_passes_every_station_in_order_with_any_number_of_hands() {
        for hands in [1, 2, 5] {
            assert_eq!(run_line(hands, 0), (Ok(()), 2 * 500_500));
        }
    }

    #[test]
    fn one_failing_station_ends_the_line() {
        for hands in [1, 3] {
            assert_eq!(run_line(hands, 400).0, Err("broke".into()));
        }
    }
}
