//! Makes pieces on several threads and takes them in order, so that what is written does not depend on the threads. No
//! more pieces are held than there are threads and a few, so that memory does not depend on how many there are.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Pieces that may wait for their turn, beside one for each thread.
const SPARE: usize = 2;

struct State<T> {
    /// The next piece to be made, and the next to be taken.
    next: usize,
    taken: usize,
    made: BTreeMap<usize, T>,
    stopped: bool,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

/// Ends the others where a thread ends early, by a panic too: nobody waits for what will not come.
struct StopOnDrop<'a, T>(&'a Shared<T>);

impl<T> Drop for StopOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Calls `make` for the pieces 0..count on `threads` threads, and `take` with each of them in order on this one.
///
/// # Errors
/// The first error of `make` in the order of the pieces, or of `take`.
pub fn run<T: Send, E: Send>(
    threads: usize,
    count: usize,
    make: impl Fn(usize) -> Result<T, E> + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.clamp(1, count.max(1));
    let shared = Shared {
        state: Mutex::new(State {
            next: 0,
            taken: 0,
            made: BTreeMap::new(),
            stopped: false,
        }),
        changed: Condvar::new(),
    };
    let work = || {
        loop {
            let mut state = shared.lock();
            while !state.stopped && state.next < count && state.next >= state.taken + threads + SPARE {
                state = shared.wait(state);
            }
            if state.stopped || state.next >= count {
                return;
            }
            let index = state.next;
            state.next += 1;
            drop(state);
            let stop = StopOnDrop(&shared);
            let piece = make(index);
            std::mem::forget(stop);
            shared.lock().made.insert(index, piece);
            shared.changed.notify_all();
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
        let _stop = StopOnDrop(&shared);
        for index in 0..count {
            let mut state = shared.lock();
            let piece = loop {
                if let Some(piece) = state.made.remove(&index) {
                    break piece;
                }
                if state.stopped {
                    // A thread panicked; the scope passes that on when this returns.
                    return Ok(());
                }
                state = shared.wait(state);
            };
            state.taken = index + 1;
            drop(state);
            shared.changed.notify_all();
            take(piece?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order() {
        for threads in [1, 2, 7] {
            let mut taken = Vec::new();
            run::<_, ()>(
                threads,
                100,
                |index| Ok(index * 2),
                |piece| {
                    taken.push(piece);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(taken, (0..100).map(|i| i * 2).collect::<Vec<_>>(), "{threads} threads");
        }
        assert_eq!(run::<(), ()>(2, 0, |_| Err(()), |_| Err(())), Ok(()));
    }

    #[test]
    fn the_first_error_in_order_ends_it() {
        let mut taken = 0;
        let made = |index| if index < 5 { Ok(index) } else { Err(index) };
        let error = run(3, 100, made, |_| {
            taken += 1;
            Ok(())
        });
        assert_eq!((error, taken), (Err(5), 5));
        assert_eq!(
            run(3, 100, Ok::<_, usize>, |index| if index < 7 { Ok(()) } else { Err(70) }),
            Err(70)
        );
    }

    #[test]
    fn a_panic_is_passed_on() {
        let outcome = std::panic::catch_unwind(|| {
            run::<_, ()>(
                2,
                10,
                |index| if index == 3 { panic!("three") } else { Ok(index) },
                |_| Ok(()),
            )
        });
        assert!(outcome.is_err());
    }
}
