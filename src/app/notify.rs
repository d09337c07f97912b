//! Who tells people of open alerts.

use std::sync::Arc;

use crate::config::Config;
use crate::notify::{Ground, Notifier, NotifyFault};
use crate::tasks::Tasks;
use crate::turn::Turns;

pub fn open(config: &Config, turns: &Turns) -> Result<Arc<Notifier>, NotifyFault> {
    let ground = Ground {
        store: Arc::clone(&turns.store),
        secret: turns.secret.clone(),
        clock: Arc::clone(&turns.clock),
        entropy: Arc::clone(&turns.entropy),
        metrics: Arc::clone(&turns.metrics),
        // Shutdown waits for turns, and not for whoever answers a webhook.
        tasks: Tasks::on(tokio::runtime::Handle::current()),
    };
    Notifier::open(&config.alerts, ground).map(Arc::new)
}
