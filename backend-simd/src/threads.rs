//! Work shared with other threads of rayon's current pool, for pieces of a few microseconds.
//!
//! To wake a sleeping thread takes longer than most operations of a training step. So a thread that has work to share
//! (the *owner*) spawns *helpers* into the pool, which then wait for its next piece of work in a loop, for a bounded
//! time after the last one. While they do, sharing costs well below a microsecond; while they sleep, the owner works alone,
//! and only asks for them to be woken once there has been so much work without a pause that there will be more: a single
//! inference every millisecond would pay for a helper each time, and never have one.
//!
//! What work is worth sharing depends on how far apart the cores are: the owner measures it when a helper has woken, and again from
//! time to time, as threads move from core to core and virtual processors do so too.
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
const SMALL: usize = 3_500;

/// Work of so many nanoseconds is worth sharing whatever was measured.
const MOST: usize = 64_000;

/// To share work costs as much as a word takes to a helper and back so many times, and once more for each [`PER_TRIP`] nanoseconds of
/// the work: with it go the cache lines of what the threads read and write.
const ROUND_TRIPS: usize = 18;
const PER_TRIP: usize = 470;

/// To share work on weights that lie where they are needed costs as much as so many trips of a word, and one more for so many bytes that
/// have to be moved. (What it saves is all of the expected time: such work takes twice as long as large products do, for which that
/// is meant.)
const IN_PLACE: usize = 8;
const BYTES_PER_TRIP: usize = 128;

/// Nanoseconds that a trip is taken to last before it has been measured, as between cores that share a cache.
const TRIP: usize = 70;

/// Of so many measurements the fastest counts: others may have been interrupted.
const MEASUREMENTS: usize = 3;

/// After so many decisions that depend on it, three milliseconds at least, what was measured may no longer hold.
const VALID: usize = 1000;

/// So many nanoseconds of work, in one piece or in several without a pause, are worth waking the helpers: to do so can cost the owner
/// half of it, where an idle core has gone to sleep.
const LARGE: usize = 200_000;

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
    /// Nanoseconds that a word takes to a helper and back, as last measured.
    trip: AtomicUsize,
    /// How many decisions depended on it since. When a helper has woken, on whichever core, it no longer holds.
    decisions: AtomicUsize,
    owner: thread::ThreadId,
}

// SAFETY: by the invariant, `work` is never read while it is written, and what it points to is `Sync`.
unsafe impl Send for Team {}
// SAFETY: as above.
unsafe impl Sync for Team {}

thread_local! {
    static TEAM: Arc<Team> = Arc::new(Team::new());
    /// What this thread had to share while not all of the helpers that it wanted were there.
    static DEMAND: Cell<Demand> = const { Cell::new(Demand { until: None, nanoseconds: 0 }) };
    /// Whether this thread is at a part of shared work.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The number of parts in which work of about `nanoseconds` is best done: 1, or one for each of up to `limit` threads of
/// rayon's current pool (0: all of them).
#[inline]
pub(crate) fn ways(limit: usize, nanoseconds: usize) -> usize {
    if nanoseconds < SMALL || limit == 1 {
        return 1;
    }
    several_ways(limit, nanoseconds, |team, threads| worthwhile(threads, nanoseconds, team.small()))
}

/// [`ways`] for work of which each thread has its part in its own cache, from work that was shared in the same way before. To do
/// it alone is what would take the data to another core.
#[inline]
pub(crate) fn ways_where_data_lies(limit: usize, nanoseconds: usize) -> usize {
    if nanoseconds < SMALL || limit == 1 {
        return 1;
    }
    several_ways(limit, nanoseconds, |_, threads| worthwhile(threads, nanoseconds, SMALL))
}

/// [`ways`] for work on weights of which each of two threads has its half in its own cache, while so many bytes of other things go to the
/// other thread or come from there.
#[inline]
pub(crate) fn ways_in_place(limit: usize, nanoseconds: usize, bytes: usize) -> usize {
    if limit == 1 {
        return 1;
    }
    several_ways(limit, nanoseconds, |team, threads| {
        let in_place = team.trip.load(Relaxed).saturating_mul(IN_PLACE + bytes / BYTES_PER_TRIP);
        let two = worthwhile(threads.min(2), nanoseconds, in_place);
        two.max(worthwhile(threads, nanoseconds, team.small()))
    })
}

/// Of the threads there are those that `worth(team, threads)` finds work for.
fn several_ways(limit: usize, nanoseconds: usize, worth: impl Fn(&Team, usize) -> usize) -> usize {
    if INSIDE.get() {
        return 1;
    }
    let pool = rayon::current_num_threads();
    let threads = if limit == 0 { pool } else { limit.min(pool) };
    TEAM.with(|team| {
        // Where it has not been measured for long, whatever may be worth sharing has a helper woken: else a single moment of cores far
        // apart would keep the owner alone for good.
        let outdated = nanoseconds < MOST && team.decisions.fetch_add(1, Relaxed) >= VALID;
        let wanted =
            if outdated { worthwhile(threads, nanoseconds.max(SMALL), SMALL) } else { worth(team, threads) };
        if wanted == 1 {
            return 1;
        }
        team.call(wanted - 1, nanoseconds);
        let awake = team.awake.load(Relaxed);
        if awake > 0 && outdated {
            team.measure();
        }
        let threads = worth(team, threads);
        if nanoseconds >= LARGE { threads } else { threads.min(awake + 1) }
    })
}

/// The nanoseconds from which on work is worth sharing where a word takes so many to a helper and back: half of the work is what sharing
/// saves, and has to be more than what it costs, w / 2 > trip (18 + w / 470). Cores that share a cache need some 70 ns for a trip, others
/// 200 ns and more; from 235 ns on the cost grows faster than what is saved.
fn worth_sharing(trip: usize) -> usize {
    let saved = (PER_TRIP / 2).saturating_sub(trip).max(1);
    (ROUND_TRIPS * PER_TRIP).saturating_mul(trip).div_ceil(saved).clamp(SMALL, MOST)
}

/// Of so many threads those that should have a part of the work: each but the first should take from the others what is worth sharing.
fn worthwhile(threads: usize, nanoseconds: usize, small: usize) -> usize {
    threads.min(1 + nanoseconds / small).clamp(1, MOST_PARTS)
}

/// Work that was worth sharing and came without a pause in which helpers would have gone back to sleep.
#[derive(Clone, Copy, Debug)]
struct Demand {
    /// What comes later than this comes after a pause.
    until: Option<Instant>,
    /// How much it has been.
    nanoseconds: usize,
}

impl Demand {
    /// With so much more, which begins now and may take twice as long as expected.
    fn and(self, nanoseconds: usize, now: Instant) -> Self {
        let goes_on = self.until.is_some_and(|until| now <= until);
        let before = if goes_on { self.nanoseconds } else { 0 };
        let time = u64::try_from(nanoseconds).unwrap_or(u64::MAX).saturating_mul(2);
        Self {
            until: now.checked_add(PATIENCE.saturating_add(Duration::from_nanos(time))),
            nanoseconds: before.saturating_add(nanoseconds),
        }
    }
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
            trip: AtomicUsize::new(TRIP),
            decisions: AtomicUsize::new(0),
            owner: thread::current().id(),
        }
    }

    /// Spawns helpers until there are `wanted`, if they are worth waking with so much more work.
    fn call(self: &Arc<Self>, wanted: usize, nanoseconds: usize) {
        if self.spawned.load(Relaxed) >= wanted {
            return;
        }
        let demand = DEMAND.get().and(nanoseconds, Instant::now());
        DEMAND.set(demand);
        if demand.nanoseconds < LARGE {
            return;
        }
        // Only the owner adds, so the count can only have fallen meanwhile.
        while self.spawned.load(Relaxed) < wanted {
            self.spawned.fetch_add(1, Relaxed);
            let team = Arc::clone(self);
            rayon::spawn(move || team.help());
        }
    }

    /// Nanoseconds of work that are worth sharing.
    fn small(&self) -> usize {
        worth_sharing(self.trip.load(Relaxed))
    }

    /// Measures what is worth sharing, in some ten microseconds.
    fn measure(&self) {
        self.decisions.store(0, Relaxed);
        let fastest = (0..MEASUREMENTS).filter_map(|_| self.round_trip()).min();
        // Without a helper's answer, what was measured before holds until the next time.
        if let Some(nanoseconds) = fastest {
            self.trip.store(nanoseconds, Relaxed);
        }
    }

    /// The nanoseconds that a word takes to a helper and back; nothing if none answers soon.
    fn round_trip(&self) -> Option<usize> {
        const TRIPS: usize = 16;
        let word = AtomicUsize::new(0);
        let nanoseconds = AtomicUsize::new(0);
        let comes = |value| {
            (0..256).any(|_| {
                std::hint::spin_loop();
                word.load(Acquire) == value
            })
        };
        let ask = |trip: usize| {
            word.store(2 * trip + 1, Release);
            comes(2 * trip + 2)
        };
        let answer = |trip: usize| {
            let asked = comes(2 * trip + 1);
            if asked {
                word.store(2 * trip + 2, Release);
            }
            asked
        };
        self.share(2, &|part| {
            if part == 1 {
                (0..=TRIPS).all(answer);
            } else if ask(0) {
                // The helper is there.
                let start = Instant::now();
                if (1..=TRIPS).all(ask) {
                    let total = start.elapsed().as_nanos();
                    nanoseconds.store(usize::try_from(total).unwrap_or(usize::MAX) / TRIPS, Relaxed);
                }
            }
        });
        Some(nanoseconds.into_inner()).filter(|&nanoseconds| nanoseconds > 0)
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
            self.decisions.store(VALID, Relaxed);
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

    /// Nanoseconds of a trip between cores so far apart that no work below `MOST` is shared.
    const FAR: usize = 400;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    /// Whether a helper can answer while its owner waits: on a single core it sleeps again before the owner goes on.
    fn two_run_at_once() -> bool {
        thread::available_parallelism().map_or(true, |cores| cores.get() > 1)
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
    fn far_cores_share_less() {
        assert_eq!(worth_sharing(0), SMALL);
        assert!((SMALL..SMALL + SMALL / 4).contains(&worth_sharing(72)));
        assert!((45_000..60_000).contains(&worth_sharing(200)));
        for trip in [249, 250, 251, 450, usize::MAX] {
            assert_eq!(worth_sharing(trip), MOST);
        }
    }

    #[test]
    fn there_is_always_a_thread() {
        // Also where what is worth sharing turned out to be much more just now.
        assert_eq!(worthwhile(8, SMALL, MOST), 1);
        assert_eq!(worthwhile(8, SMALL - 1, SMALL), 1);
        assert_eq!(worthwhile(8, SMALL, SMALL), 2);
        assert_eq!(worthwhile(8, 3 * SMALL, SMALL), 4);
        assert_eq!(worthwhile(8, 100 * SMALL, SMALL), 8);
    }

    #[test]
    fn work_in_place_is_shared_sooner_by_two() {
        pool(4).install(|| {
            TEAM.with(|team| {
                // As if three helpers were awake.
                team.spawned.store(3, Relaxed);
                team.awake.store(3, Relaxed);
                let parts = |nanoseconds, bytes| (ways_in_place(0, nanoseconds, bytes), ways(0, nanoseconds));
                let base = TRIP * IN_PLACE;
                assert_eq!(parts(base - 1, 0), (1, 1));
                assert_eq!(parts(base, 0), (2, 1));
                // What has to be moved counts.
                assert_eq!(parts(base, BYTES_PER_TRIP), (1, 1));
                assert_eq!(parts(base + TRIP, BYTES_PER_TRIP), (2, 1));
                // More than two have a part where they would of any work, and what would be shared anyway is.
                assert_eq!(parts(SMALL - 1, 0), (2, 1));
                assert_eq!(parts(4 * SMALL, 0), (4, 4));
                assert_eq!(parts(4 * SMALL, usize::MAX), (4, 4));
                assert_eq!(ways_in_place(1, SMALL, 0), 1);
                team.awake.store(0, Relaxed);
                team.spawned.store(0, Relaxed);
            });
        });
    }

    #[test]
    fn what_is_worth_sharing_follows_the_way_of_a_word() {
        if !two_run_at_once() {
            return;
        }
        pool(2).install(|| {
            TEAM.with(|team| {
                // Nobody answers.
                assert_eq!(team.round_trip(), None);
                team.measure();
                assert_eq!(team.trip.load(Relaxed), TRIP);
                // A helper does, at the latest when it has a core.
                let patience = Instant::now();
                while team.awake.load(Relaxed) == 0
                    || team.decisions.load(Relaxed) >= VALID
                    || team.round_trip().is_none()
                {
                    ways(0, LARGE);
                    ways(0, SMALL);
                    assert!(patience.elapsed() < Duration::from_secs(60), "no answer from the helper");
                }
                assert!((SMALL..=MOST).contains(&team.small()));
                team.trip.store(FAR, Relaxed);
                team.decisions.store(0, Relaxed);
            });
            assert_eq!(ways(0, MOST - 1), 1);
            many_rounds(20, 3);
        });
    }

    #[test]
    fn far_cores_are_measured_again() {
        pool(2).install(|| {
            TEAM.with(|team| {
                // As after a moment in which the cores were far apart: nothing below `MOST` would be shared, and no helper woken.
                team.trip.store(FAR, Relaxed);
                for _ in 0..VALID {
                    assert_eq!(ways(0, SMALL), 1);
                }
                assert_eq!(team.spawned.load(Relaxed), 0);
                if !two_run_at_once() {
                    return;
                }
                let patience = Instant::now();
                while team.decisions.load(Relaxed) >= VALID {
                    ways(0, SMALL);
                    assert!(patience.elapsed() < Duration::from_secs(60), "never measured again");
                }
            });
        });
    }

    #[test]
    fn helpers_are_woken_for_work_without_a_pause() {
        let idle = Demand { until: None, nanoseconds: 0 };
        let start = Instant::now();
        let after = |microseconds| start + Duration::from_micros(microseconds);
        assert_eq!(idle.and(LARGE, start).nanoseconds, LARGE);
        // A piece of 40 µs, and another while helpers would still have waited.
        let first = idle.and(40_000, start);
        assert_eq!(first.and(50_000, after(150)).nanoseconds, 90_000);
        assert_eq!(first.and(50_000, after(1000)).nanoseconds, 50_000);
        // One of any length.
        assert_eq!(first.and(usize::MAX, after(10)).nanoseconds, usize::MAX);
        pool(2).install(|| {
            let woken = || TEAM.with(|team| team.spawned.load(Relaxed) > 0);
            for _ in 0..20 {
                assert_eq!(ways(0, LARGE / 2), 1);
                assert!(!woken());
                thread::sleep(Duration::from_micros(2 * LARGE as u64 / 1000) + PATIENCE);
            }
            let patience = Instant::now();
            while !woken() {
                ways(0, LARGE / 2);
                assert!(patience.elapsed() < Duration::from_secs(60), "never woken");
            }
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
