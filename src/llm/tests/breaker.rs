use std::time::Duration;

use tokio::time::Instant;

use crate::llm::breaker::{Breaker, FAILURES_MAX, Outcome, PAUSE_FIRST, PAUSE_MAX, Pass, State};
use crate::llm::{ModelError, Waiting};

const MOMENT: Duration = Duration::from_millis(1);

/// A breaker at a time that a test moves.
struct Bench {
    breaker: Breaker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { breaker: Breaker::default(), now: Instant::now() }
    }

    fn state(&self) -> State {
        self.breaker.state(self.now)
    }

    fn ask(&mut self, outcome: Outcome) {
        assert!(self.breaker.allows(self.now));
        let pass = self.breaker.enter(self.now).expect("a pass");
        self.breaker.tell(pass, outcome, self.now);
    }

    /// How long nobody is let through.
    fn pause(&mut self) -> Duration {
        assert_eq!(self.state(), State::Open);
        assert!(!self.breaker.allows(self.now) && self.breaker.enter(self.now).is_none());
        let begin = self.now;
        while self.state() == State::Open {
            self.now += MOMENT;
        }
        self.now - begin
    }
}

#[test]
fn failures_one_after_the_other_open_it() {
    let mut bench = Bench::new();
    for count in 1..FAILURES_MAX {
        bench.ask(Outcome::Failed);
        assert_eq!((bench.state(), bench.breaker.failures()), (State::Closed, count));
    }
    bench.ask(Outcome::Failed);
    assert_eq!(bench.pause(), PAUSE_FIRST);
}

#[test]
fn failures_between_successes_do_not() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        (1..FAILURES_MAX).for_each(|_| bench.ask(Outcome::Failed));
        bench.ask(Outcome::Worked);
    }
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn a_refusal_opens_it_at_once() {
    let mut bench = Bench::new();
    bench.ask(Outcome::Refused);
    assert_eq!(bench.pause(), PAUSE_FIRST);
}

#[test]
fn each_failed_try_doubles_the_pause_up_to_its_bound() {
    let mut bench = Bench::new();
    bench.ask(Outcome::Refused);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        pauses.push(bench.pause().as_secs());
        bench.ask(Outcome::Failed);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(bench.pause(), PAUSE_MAX);
}

#[test]
fn after_a_pause_one_tries_and_the_others_do_not() {
    let mut bench = Bench::new();
    bench.ask(Outcome::Refused);
    bench.pause();
    assert_eq!(bench.breaker.enter(bench.now), Some(Pass::Trial));
    assert!(bench.breaker.enter(bench.now).is_none() && !bench.breaker.allows(bench.now));
    assert_eq!(bench.state(), State::HalfOpen);
    bench.breaker.tell(Pass::Trial, Outcome::Worked, bench.now);
    assert_eq!((bench.state(), bench.breaker.failures()), (State::Closed, 0));
}

#[test]
fn a_try_that_says_nothing_lets_the_next_one_try() {
    let mut bench = Bench::new();
    bench.ask(Outcome::Refused);
    bench.pause();
    bench.ask(Outcome::Unknown);
    assert_eq!(bench.state(), State::HalfOpen);
    bench.ask(Outcome::Failed);
    assert_eq!(bench.pause(), PAUSE_FIRST * 2);
}

#[test]
fn who_says_nothing_neither_opens_nor_mends() {
    let mut bench = Bench::new();
    (1..FAILURES_MAX).for_each(|_| bench.ask(Outcome::Failed));
    (0..20).for_each(|_| bench.ask(Outcome::Unknown));
    assert_eq!(bench.state(), State::Closed);
    bench.ask(Outcome::Failed);
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn who_began_before_the_pause_has_no_say_in_it() {
    for outcome in [Outcome::Worked, Outcome::Failed, Outcome::Refused, Outcome::Unknown] {
        let mut bench = Bench::new();
        let early = bench.breaker.enter(bench.now).expect("a pass");
        bench.ask(Outcome::Refused);
        bench.breaker.tell(early, outcome, bench.now);
        assert_eq!(bench.pause(), PAUSE_FIRST);
        let trial = bench.breaker.enter(bench.now).expect("a pass");
        bench.breaker.tell(early, outcome, bench.now);
        assert_eq!(bench.state(), State::HalfOpen);
        bench.breaker.tell(trial, Outcome::Worked, bench.now);
        assert_eq!(bench.state(), State::Closed);
    }
}

#[test]
fn each_error_says_what_it_is_to_the_breaker() {
    let refused = [301, 401, 403, 404].map(|status| (ModelError::Refused(status), Outcome::Refused));
    let one_request = [400, 413, 422].map(|status| (ModelError::Refused(status), Outcome::Failed));
    let others = [
        (ModelError::Away, Outcome::Failed),
        (ModelError::Failed, Outcome::Failed),
        (ModelError::Cut, Outcome::Failed),
        (ModelError::Garbled, Outcome::Failed),
        (ModelError::Empty, Outcome::Failed),
        (ModelError::Endless, Outcome::Failed),
        (ModelError::Slow(Waiting::FirstChunk), Outcome::Failed),
        (ModelError::Slow(Waiting::NextChunk), Outcome::Failed),
        (ModelError::Slow(Waiting::Whole), Outcome::Failed),
        (ModelError::Overloaded, Outcome::Failed),
        (ModelError::Slow(Waiting::Queue), Outcome::Unknown),
        (ModelError::QueueFull, Outcome::Unknown),
        (ModelError::Resting, Outcome::Unknown),
    ];
    for (error, outcome) in refused.into_iter().chain(one_request).chain(others) {
        assert_eq!(Outcome::of(error), outcome, "{error}");
    }
}
