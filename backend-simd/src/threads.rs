//! Work shared with other threads of rayon's current pool, for pieces of a few microseconds.
//!
//! To wake a sleeping thread takes longer than most operations of a training step. So a thread that has work to share
//! (the *owner*) spawns *helpers* into the pool, which then wait for its next piece of work in a loop, for a bounded
//! time after the last one. While they do, sharing costs well below a microsecond; while they sleep, the owner works alone
//! and only asks for them to be woken.
//!
//! Each owner has a team of its own, so that owners do not wait for each other. The pool of a thread never changes, so a
//! helper is always in the pool that is current for its owner. Work inside of shared work is not shared again.
//!
//! To share work allocates nothing. To call a helper does: rayon boxes the job (once for each helper that sleeps), and its queue
//! takes a block of memory for every 63 jobs that come from outside of the pool.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A helper goes back to sleep this long after the last piece of work.
const PATIENCE: Duration = Duration::from_micros(100);

/// Work below this many nanoseconds is never shared.
const SMALL: usize = 16_000;

/// Work from this many nanoseconds on is shared even while the helpers sleep.
const LARGE: usize = 150_000;

/// Most parts of one piece of work.
const MOST_PARTS: usize = 1 << 12;

type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// What owner and helpers share.
///
/// `ticket` holds the parts that nobody has taken yet: a generation and the range `low..high`. The owner takes parts from
/// the low end, helpers from the high end, so that a part tends to stay with the thread that has its data in cache.
///
/// Invariant: `work` is written only by the owner while all parts are done, and read only by those who have taken a part
/// and not yet counted it in `done`. The owner returns (and with that ends the borrow behind `work`) when all are done.
struct Team {
    ticket: AtomicU64,
    done: AtomicUsize,
    work: UnsafeCell<Option<*const (dyn Fn(usize) + Sync)>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Helpers that were spawned and have not ended.
    spawned: AtomicUsize,
    /// Helpers that wait for work now or are at it.
    awake: AtomicUsize,
    owner: thread::ThreadId,
}

// SAFETY: by the invariant, `work` is never read while it is written, and what it points to is `Sync`.
unsafe impl Send for Team {}
// SAFETY: as above.
unsafe impl Sync for Team {}

thread_local! {
    static TEAM: Arc<Team> = Arc::new(Team::new());
    /// Whether this thread is at a part of shared work.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The number of parts in which work of about `nanoseconds` is best done: 1, or one for each of up to `limit` threads of
/// rayon's current pool (0: all of them).
#[inline]
pub(crate) fn ways(limit: usize, nanoseconds: usize) -> usize {
    if nanoseconds < SMALL || limit == 1 { 1 } else { several_ways(limit, nanoseconds) }
}

fn several_ways(limit: usize, nanoseconds: usize) -> usize {
    if INSIDE.get() {
        return 1;
    }
    let pool = rayon::current_num_threads();
    let threads = if limit == 0 { pool } else { limit.min(pool) };
    // Each thread should have something to do that is worth its while.
    let threads = threads.min(2 * nanoseconds / SMALL).min(MOST_PARTS);
    if threads <= 1 {
        return 1;
    }
    let awake = TEAM.with(|team| {
        team.call(threads - 1);
        team.awake.load(Relaxed)
    });
    if nanoseconds >= LARGE { threads } else { threads.min(awake + 1) }
}

/// Calls `work` once for each part below `parts`, in any order and on several threads, and returns when all calls have.
///
/// # Panics
///
/// With the panic of a part, after all parts have ended.
pub(crate) fn parallel_for(parts: usize, work: Work<'_>) {
    if parts <= 1 || parts >= MOST_PARTS || INSIDE.get() {
        (0..parts).for_each(work);
    } else {
        TEAM.with(|team| team.share(parts, work));
    }
}

/// Marks the thread as being at shared work, until dropped.
struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE.set(true);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// The fields of a ticket: 40 bits of generation, twelve each of `low` and `high`.
fn ticket(generation: u64, low: usize, high: usize) -> u64 {
    (generation << 24) | ((low as u64) << 12) | high as u64
}

fn range(ticket: u64) -> (usize, usize) {
    let field = |shift: u32| usize::try_from((ticket >> shift) & 0xFFF).unwrap_or(0);
    (field(12), field(0))
}

impl Team {
    fn new() -> Self {
        Self {
            ticket: AtomicU64::new(0),
            done: AtomicUsize::new(0),
            work: UnsafeCell::new(None),
            panic: Mutex::new(None),
            spawned: AtomicUsize::new(0),
            awake: AtomicUsize::new(0),
            owner: thread::current().id(),
        }
    }

    /// Spawns helpers until there are `wanted`.
    fn call(self: &Arc<Self>, wanted: usize) {
        // Only the owner adds, so the count can only have fallen meanwhile.
        while self.spawned.load(Relaxed) < wanted {
            self.spawned.fetch_add(1, Relaxed);
            let team = Arc::clone(self);
            rayon::spawn(move || team.help());
        }
    }

    fn share(&self, parts: usize, work: Work<'_>) {
        let _inside = Inside::enter();
        // SAFETY: only the lifetime changes; this function returns when no one can call the work any more.
        let work_ptr: *const (dyn Fn(usize) + Sync) =
            unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        // SAFETY: all parts of the previous work are done, so nobody reads the cell.
        unsafe { *self.work.get() = Some(work_ptr) };
        self.done.store(0, Relaxed);
        let generation = (self.ticket.load(Relaxed) >> 24) + 1;
        self.ticket.store(ticket(generation, 0, parts), Release);

        while self.take_and_do(true) {}
        let mut spins = 0_u32;
        while self.done.load(Acquire) < parts {
            spins += 1;
            if spins.is_multiple_of(1 << 14) {
                // The helper has lost its core: perhaps to this loop.
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        let panic = self.panic.lock().ok().and_then(|mut panic| panic.take());
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Takes a part and does it; false if none is left.
    fn take_and_do(&self, low_end: bool) -> bool {
        let mut seen = self.ticket.load(Acquire);
        let part = loop {
            let (low, high) = range(seen);
            if low >= high {
                return false;
            }
            let (part, rest) =
                if low_end { (low, ticket(seen >> 24, low + 1, high)) } else { (high - 1, seen - 1) };
            match self.ticket.compare_exchange_weak(seen, rest, AcqRel, Acquire) {
                Ok(_) => break part,
                Err(now) => seen = now,
            }
        };
        // SAFETY: this thread has taken a part and not counted it as done, so the cell is not written and the work, which
        // the owner keeps borrowed until all parts are done, is alive.
        let work = unsafe { (*self.work.get()).map(|work| &*work) };
        if let Some(work) = work
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(part)))
            && let Ok(mut first) = self.panic.lock()
        {
            first.get_or_insert(panic);
        }
        self.done.fetch_add(1, Release);
        true
    }

    /// Waits for parts and does them, until there have been none for a while.
    fn help(&self) {
        // The owner itself may come across this job while it waits for something in rayon.
        if thread::current().id() != self.owner && !INSIDE.get() {
            self.awake.fetch_add(1, Relaxed);
            let mut last = Instant::now();
            loop {
                let inside = Inside::enter();
                let mut busy = false;
                for _ in 0..200 {
                    if self.take_and_do(false) {
                        busy = true;
                    } else {
                        std::hint::spin_loop();
                    }
                }
                drop(inside);
                if busy {
                    last = Instant::now();
                } else if last.elapsed() > PATIENCE {
                    break;
                }
                // Other jobs of the pool are not kept waiting.
                rayon::yield_now();
            }
            self.awake.fetch_sub(1, Relaxed);
        }
        self.spawned.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    /// Shares work again and again, and checks that each part ran once.
    fn many_rounds(rounds: usize, parts: usize) {
        for round in 0..rounds {
            let counts: Vec<_> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            ways(0, LARGE);
            parallel_for(parts, &|part| {
                // Nested work is done by this thread alone.
                parallel_for(2, &|_| {
                    counts[part].fetch_add(1, Relaxed);
                });
            });
            assert!(counts.iter().all(|n| n.load(Relaxed) == 2), "round {round}");
        }
    }

    #[test]
    fn each_part_runs_once() {
        for threads in [1, 2, 3, 8] {
            pool(threads).install(|| many_rounds(500, 7));
        }
        many_rounds(500, 3);
    }

    #[test]
    fn many_owners_at_once() {
        let pool = pool(4);
        pool.scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|_| many_rounds(200, 5));
            }
        });
    }

    #[test]
    fn a_pool_of_one_works_alone() {
        pool(1).install(|| {
            let here = thread::current().id();
            assert_eq!(ways(0, usize::MAX / 4), 1);
            parallel_for(3, &|_| assert_eq!(thread::current().id(), here));
        });
    }

    #[test]
    fn work_stays_in_the_pool() {
        let pool = pool(3);
        pool.install(|| {
            for _ in 0..200 {
                ways(0, LARGE);
                parallel_for(6, &|_| assert!(rayon::current_thread_index().is_some_and(|i| i < 3)));
            }
        });
    }

    #[test]
    fn panics_come_back_and_the_team_lives_on() {
        pool(2).install(|| {
            for _ in 0..50 {
                ways(0, LARGE);
                let ended = AtomicUsize::new(0);
                let result = catch_unwind(AssertUnwindSafe(|| {
                    parallel_for(4, &|part| {
                        assert!(part != 2, "a part fails");
                        ended.fetch_add(1, Relaxed);
                    });
                }));
                assert!(result.is_err());
                assert_eq!(ended.load(Relaxed), 3);
            }
            many_rounds(10, 4);
        });
    }
}
