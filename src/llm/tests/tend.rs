use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::llm::breaker::{FAILURES_MAX, State};
use crate::llm::generations::{Bounds, Generations};
use crate::llm::{Chunks, Loaded, Model, ModelError, Request, Servers};
use crate::tasks::Tasks;

use super::double::Double;
use super::generations::{ask, over};

const BOUNDS: Bounds = Bounds {
    parallel: 2,
    queue: 2,
    first_chunk: Duration::from_secs(20),
    between: Duration::from_secs(5),
    total: Duration::from_secs(25),
};
/// In paused time it passes at once.
const A_WHILE: Duration = Duration::from_secs(10);
const MINUTES: Duration = Duration::from_mins(5);

fn tended(double: &Arc<Double>) -> (Arc<Generations>, Tasks) {
    let generations = Arc::new(over(&[double], BOUNDS));
    let tasks = Tasks::on(Handle::current());
    tasks.spawn(Arc::clone(&generations).tend(tasks.clone()));
    (generations, tasks)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_loads_the_model_once_and_counts_as_connected() {
    let double = Double::new(vec![]);
    let (generations, _tasks) = tended(&double);
    sleep(MINUTES).await;
    assert_eq!(double.counts(), (1, 1));
    assert!(generations.standing().connected);
    assert_eq!(double.asked(), 0, "no reply is asked for");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_is_found_and_loads_the_model_again() {
    let double = Double::new(vec![]);
    *double.probe.lock() = Some(ModelError::Away);
    let (generations, _tasks) = tended(&double);
    sleep(MINUTES).await;
    let standing = generations.standing();
    assert_eq!((standing.connected, standing.servers[0].last_error), (false, Some(ModelError::Away)));
    assert!(standing.servers[0].state != State::Closed && double.counts().0 >= 8 && double.counts().1 == 0);
    *double.probe.lock() = None;
    sleep(MINUTES).await;
    let standing = generations.standing();
    assert_eq!((standing.connected, standing.servers[0].last_error), (true, None));
    assert_eq!((standing.servers[0].state, double.counts().1), (State::Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_not_there_is_known_before_anybody_asks() {
    let double = Double::new(vec![]);
    *double.load.lock() = Some(ModelError::Refused(404));
    let (generations, _tasks) = tended(&double);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(ask(&generations).await, Err(ModelError::Resting));
    let standing = generations.standing();
    assert_eq!(standing.servers[0].last_error, Some(ModelError::Refused(404)));
    assert!(!standing.connected);
    sleep(A_WHILE).await;
    assert!(ask(&generations).await.is_ok(), "a reply shows that it is there now");
    assert!(generations.standing().connected);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_but_fails_at_replies_goes_on_resting() {
    let times = usize::try_from(FAILURES_MAX).expect("few");
    let double = Double::failing(ModelError::Failed, times);
    let (generations, _tasks) = tended(&double);
    for _ in 0..times {
        assert!(ask(&generations).await.is_err());
        sleep(A_WHILE).await;
    }
    let standing = generations.standing();
    assert_eq!(standing.servers[0].state, State::HalfOpen, "probes between did not mend it");
    assert_eq!((standing.connected, standing.servers[0].last_error), (false, Some(ModelError::Failed)));
    let probes = double.counts().0;
    sleep(MINUTES).await;
    assert_eq!(double.counts().0, probes);
    assert!(ask(&generations).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_lost_once_is_found_again_without_a_person() {
    let double = Double::failing(ModelError::Away, 1);
    let (generations, _tasks) = tended(&double);
    sleep(A_WHILE).await;
    assert!(ask(&generations).await.is_err());
    assert!(!generations.standing().connected);
    sleep(A_WHILE).await;
    assert!(generations.standing().connected);
    assert_eq!(double.counts().1, 2, "it may have been started anew");
}

#[tokio::test(start_paused = true)]
async fn one_server_that_hangs_keeps_nobody_from_the_others() {
    struct Hanging;
    impl Model for Hanging {
        fn generate(&self, _request: Request) -> Chunks {
            Box::pin(futures_util::stream::pending())
        }
        fn load(&self, _wanted: Loaded) -> BoxFuture<'static, Result<(), ModelError>> {
            Box::pin(std::future::pending())
        }
        fn probe(&self) -> BoxFuture<'static, Result<(), ModelError>> {
            Box::pin(std::future::pending())
        }
    }
    let double = Double::new(vec![]);
    let servers: Servers = vec![("http://0".to_owned(), Arc::new(Hanging)), ("http://1".to_owned(), double)];
    let generations = Arc::new(Generations::new(servers, BOUNDS));
    let tasks = Tasks::on(Handle::current());
    tasks.spawn(Arc::clone(&generations).tend(tasks.clone()));
    sleep(MINUTES).await;
    let standing = generations.standing();
    assert!(standing.connected);
    assert_eq!(standing.servers[0].last_error, Some(ModelError::Away));
    assert!(standing.servers[0].state != State::Closed);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_tasks_are_told_to() {
    let (_generations, tasks) = tended(&Double::new(vec![]));
    sleep(A_WHILE).await;
    assert!(tasks.finish(Duration::from_millis(1)).await);
}
