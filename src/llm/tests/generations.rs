use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, advance};

use crate::llm::breaker::{FAILURES_MAX, PAUSE_FIRST, State};
use crate::llm::generations::{Bounds, Generation, Generations};
use crate::llm::{Chunk, End, Model, ModelError, Waiting};

use super::double::{Double, Step};
use super::request;
use Step::{Cut, End as Ends, Fail, Hang, Panic, Say, Wait};

const SECOND: Duration = Duration::from_secs(1);
const BOUNDS: Bounds = Bounds { parallel: 2, queue: 2, first_chunk: s(20), between: s(5), total: s(25) };

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn over(doubles: &[&Arc<Double>], bounds: Bounds) -> Generations {
    let named = |(index, double): (usize, &&Arc<Double>)| {
        (format!("http://{index}"), Arc::clone(double) as Arc<dyn Model>)
    };
    Generations::new(doubles.iter().enumerate().map(named).collect(), bounds)
}

fn one(scripts: Vec<Vec<Step>>) -> (Arc<Double>, Generations) {
    let double = Double::new(scripts);
    let generations = over(&[&double], BOUNDS);
    (double, generations)
}

async fn begin(generations: &Generations) -> Result<Generation, ModelError> {
    generations.begin(request(), Instant::now() + s(60)).await
}

/// Reads to the end.
async fn finish(generation: &mut Generation) -> Result<String, ModelError> {
    let mut text = String::new();
    while let Some(item) = generation.next().await {
        match item? {
            Chunk::Delta(delta) => text.push_str(&delta),
            Chunk::End(_) => assert!(generation.next().await.is_none()),
        }
    }
    Ok(text)
}

pub async fn ask(generations: &Generations) -> Result<String, ModelError> {
    finish(&mut begin(generations).await?).await
}

fn state(generations: &Generations) -> State {
    generations.standing().servers[0].state
}

#[tokio::test(start_paused = true)]
async fn a_reply_comes_whole_and_is_measured() {
    let (_, generations) = one(vec![vec![Wait(s(2)), Say("a"), Wait(s(1)), Say("b"), Wait(s(1)), Ends]]);
    let mut generation = begin(&generations).await.expect("begun");
    assert_eq!(finish(&mut generation).await.as_deref(), Ok("ab"));
    let measured = generation.measured();
    assert_eq!((measured.server, measured.queued, measured.deltas), (0, Duration::ZERO, 2));
    assert_eq!((measured.first_chunk, measured.latest_chunk), (Some(s(2)), Some(s(4))));
    assert_eq!(measured.end, Some(End::default()));
}

#[tokio::test(start_paused = true)]
async fn each_deadline_says_what_was_waited_for() {
    let slowly = [Wait(s(4)), Say("a")].repeat(10);
    for (script, waiting, after) in [
        (vec![Hang], Waiting::FirstChunk, 20),
        (vec![Wait(s(19)), Say("a"), Hang], Waiting::NextChunk, 24),
        (vec![Say("a"), Wait(s(4)), Say("b"), Hang], Waiting::NextChunk, 9),
        (slowly, Waiting::Whole, 25),
    ] {
        let (double, generations) = one(vec![script]);
        let began = Instant::now();
        let mut generation = begin(&generations).await.expect("begun");
        assert_eq!(finish(&mut generation).await, Err(ModelError::Slow(waiting)));
        assert_eq!(began.elapsed(), s(after));
        assert!(generation.next().await.is_none());
        assert_eq!((double.open(), generations.standing().running), (0, 0), "the model is stopped at once");
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_counts_where_it_is_earlier() {
    let (_, generations) = one(vec![vec![Hang]]);
    let mut generation = generations.begin(request(), Instant::now() + s(3)).await.expect("begun");
    assert_eq!(finish(&mut generation).await, Err(ModelError::Slow(Waiting::Whole)));
    let mut late = generations.begin(request(), Instant::now()).await.expect("begun");
    assert_eq!(finish(&mut late).await, Err(ModelError::Slow(Waiting::Whole)), "though it would be ready");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_without_an_end_was_cut() {
    let (_, generations) = one(vec![vec![Say("a"), Cut]]);
    assert_eq!(ask(&generations).await, Err(ModelError::Cut));
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_may_and_the_first_to_wait_comes_first() {
    let (double, generations) = one(vec![vec![Hang], vec![Hang]]);
    let first = begin(&generations).await.expect("begun");
    let _second = begin(&generations).await.expect("begun");
    let mut third = Box::pin(begin(&generations));
    let mut fourth = Box::pin(begin(&generations));
    assert!((&mut third).now_or_never().is_none() && (&mut fourth).now_or_never().is_none());
    assert_eq!((generations.standing().running, generations.standing().queued), (2, 2));
    assert_eq!(double.asked(), 2);
    advance(s(3)).await;
    drop(first);
    assert!((&mut fourth).now_or_never().is_none(), "it came later");
    let mut third = third.await.expect("begun");
    assert_eq!(third.measured().queued, s(3));
    assert_eq!((generations.standing().running, generations.standing().queued), (2, 1));
    assert_eq!(finish(&mut third).await.as_deref(), Ok("hello"));
    assert!(fourth.await.is_ok(), "a place is free as soon as a reply is whole");
}

#[tokio::test(start_paused = true)]
async fn the_queue_has_a_bound_in_length_and_in_time() {
    let (_, generations) = one(vec![vec![Hang], vec![Hang]]);
    let _running = [begin(&generations).await.expect("begun"), begin(&generations).await.expect("begun")];
    let mut waiting = [Box::pin(begin(&generations)), Box::pin(begin(&generations))];
    assert!(waiting.iter_mut().all(|begin| begin.now_or_never().is_none()));
    assert_eq!(begin(&generations).await.err(), Some(ModelError::QueueFull));
    let [third, fourth] = waiting;
    drop(third);
    assert_eq!(generations.standing().queued, 1, "who gives up leaves the queue");
    let began = Instant::now();
    let soon = generations.begin(request(), began + s(2)).await;
    assert_eq!((soon.err(), began.elapsed()), (Some(ModelError::Slow(Waiting::Queue)), s(2)));
    assert_eq!(fourth.await.err(), Some(ModelError::Slow(Waiting::Queue)));
    assert_eq!(began.elapsed(), BOUNDS.total, "the whole time is spent in the queue");
    assert_eq!((generations.standing().queued, state(&generations)), (0, State::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_panic_frees_the_place() {
    let (double, generations) = one(vec![vec![Say("a"), Panic]; 5]);
    for _ in 0..5 {
        let mut generation = begin(&generations).await.expect("begun");
        assert!(AssertUnwindSafe(finish(&mut generation)).catch_unwind().await.is_err());
    }
    assert_eq!((double.open(), generations.standing().running), (0, 0));
    assert!(ask(&generations).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn dropping_a_generation_stops_the_model_and_frees_the_place() {
    let (double, generations) = one(vec![vec![Say("a"), Hang]; 8]);
    for _ in 0..8 {
        let mut generation = begin(&generations).await.expect("begun");
        assert!(matches!(generation.next().await, Some(Ok(Chunk::Delta(_)))));
        assert!(generation.next().now_or_never().is_none());
        assert_eq!((double.open(), generations.standing().running), (1, 1));
        drop(generation);
        assert_eq!((double.open(), generations.standing().running), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_chunk_can_be_given_up_and_taken_up_again() {
    let (_, generations) = one(vec![vec![Wait(s(2)), Say("a"), Wait(s(2)), Say("b"), Ends]]);
    let mut generation = begin(&generations).await.expect("begun");
    for _ in 0..3 {
        assert!(tokio::time::timeout(SECOND / 2, generation.next()).await.is_err());
    }
    assert_eq!(finish(&mut generation).await.as_deref(), Ok("ab"));
}

#[tokio::test(start_paused = true)]
async fn the_least_busy_server_is_asked_and_equals_take_turns() {
    let doubles = [Double::new(vec![]), Double::new(vec![]), Double::new(vec![])];
    let generations = over(&[&doubles[0], &doubles[1], &doubles[2]], Bounds { parallel: 64, ..BOUNDS });
    let mut running = Vec::new();
    for _ in 0..9 {
        running.push(begin(&generations).await.expect("begun"));
    }
    assert_eq!(doubles.each_ref().map(|double| double.asked()), [3, 3, 3]);
    running.retain(|generation| generation.measured().server != 1);
    for _ in 0..3 {
        running.push(begin(&generations).await.expect("begun"));
    }
    assert_eq!(doubles.each_ref().map(|double| double.asked()), [3, 6, 3]);
    drop(running);
    for _ in 0..3 {
        assert!(ask(&generations).await.is_ok());
    }
    assert_eq!(doubles.each_ref().map(|double| double.asked()), [4, 7, 4]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_comes_to_another_server() {
    for error in [ModelError::Failed, ModelError::Refused(404), ModelError::Overloaded] {
        let (bad, good) = (Double::failing(error, 9), Double::new(vec![]));
        let generations = over(&[&good, &bad], BOUNDS);
        assert_eq!(ask(&generations).await, Err(error));
        for _ in 0..3 {
            assert!(ask(&generations).await.is_ok());
        }
        assert_eq!((bad.asked(), good.asked()), (1, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_again_and_again_rests_and_one_caller_tries_it_again() {
    let times = usize::try_from(FAILURES_MAX).expect("few");
    let (double, generations) = one(vec![vec![Say("a"), Fail(ModelError::Failed)]; times]);
    for _ in 0..times {
        assert_eq!(ask(&generations).await, Err(ModelError::Failed));
    }
    assert_eq!(ask(&generations).await, Err(ModelError::Resting));
    assert_eq!((double.asked(), state(&generations)), (times, State::Open));
    advance(PAUSE_FIRST).await;
    assert_eq!(state(&generations), State::HalfOpen);
    let mut trial = begin(&generations).await.expect("begun");
    assert_eq!(ask(&generations).await, Err(ModelError::Resting), "one is enough to find out");
    assert_eq!(finish(&mut trial).await.as_deref(), Ok("hello"));
    assert_eq!(state(&generations), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_everybody_is_left_in_peace_at_once() {
    let (_, generations) = one(vec![vec![Fail(ModelError::Refused(401))]]);
    assert_eq!(ask(&generations).await, Err(ModelError::Refused(401)));
    assert_eq!(ask(&generations).await, Err(ModelError::Resting));
    advance(PAUSE_FIRST).await;
    assert!(ask(&generations).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_without_room_for_one_reply_is_asked_for_the_next() {
    let (_, generations) = one(vec![vec![Fail(ModelError::Overloaded)]]);
    assert_eq!(ask(&generations).await, Err(ModelError::Overloaded));
    assert!(ask(&generations).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn callers_that_stop_are_no_failures() {
    let (_, generations) = one(vec![vec![Hang]; 20]);
    for _ in 0..20 {
        let mut generation = begin(&generations).await.expect("begun");
        assert!(generation.next().now_or_never().is_none());
    }
    assert_eq!(state(&generations), State::Closed);
    assert_eq!(generations.standing().servers[0].last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_its_caller_stopped_counts_if_the_model_had_begun() {
    for (script, then) in [(vec![Hang], State::HalfOpen), (vec![Say("a"), Hang], State::Closed)] {
        let (_, generations) = one(vec![vec![Fail(ModelError::Refused(404))], script]);
        assert!(ask(&generations).await.is_err());
        advance(PAUSE_FIRST).await;
        let mut trial = begin(&generations).await.expect("begun");
        let _first = trial.next().now_or_never();
        drop(trial);
        assert_eq!(state(&generations), then);
        assert!(ask(&generations).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn who_brought_little_time_out_of_the_queue_does_not_blame_the_server() {
    let double = Double::new(vec![vec![Hang]; 20]);
    let generations = over(&[&double], Bounds { parallel: 1, ..BOUNDS });
    for _ in 0..FAILURES_MAX {
        let first = begin(&generations).await.expect("begun");
        let mut second = Box::pin(begin(&generations));
        assert!((&mut second).now_or_never().is_none());
        advance(s(15)).await;
        drop(first);
        let mut second = second.await.expect("begun");
        assert_eq!(finish(&mut second).await, Err(ModelError::Slow(Waiting::Whole)));
    }
    let standing = generations.standing();
    assert_eq!((standing.servers[0].state, standing.servers[0].last_error), (State::Closed, None));
}

#[tokio::test(start_paused = true)]
async fn who_had_all_the_time_does_blame_it() {
    let times = usize::try_from(FAILURES_MAX).expect("few");
    let (_, generations) = one(vec![[Wait(s(4)), Say("a")].repeat(9); times]);
    for _ in 0..times {
        assert_eq!(ask(&generations).await, Err(ModelError::Slow(Waiting::Whole)));
    }
    assert_eq!(state(&generations), State::Open);
}

#[tokio::test(start_paused = true)]
async fn the_standing_tells_of_every_server() {
    let (bad, good) = (Double::failing(ModelError::Away, 1), Double::new(vec![]));
    let generations = over(&[&good, &bad], BOUNDS);
    assert!(!generations.standing().connected, "nobody has been asked");
    assert!(ask(&generations).await.is_err());
    assert!(!generations.standing().connected);
    assert!(ask(&generations).await.is_ok());
    let _running = begin(&generations).await.expect("begun");
    let standing = generations.standing();
    assert!(standing.connected);
    assert_eq!((standing.running, standing.queued), (1, 0));
    let told: Vec<_> = standing
        .servers
        .iter()
        .map(|server| (server.url.as_str(), server.state, server.running, server.last_error))
        .collect();
    let expected =
        [("http://0", State::Closed, 1, None), ("http://1", State::Closed, 0, Some(ModelError::Away))];
    assert_eq!(told, expected);
}
