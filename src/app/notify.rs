//! Who tells people of open alerts, and other programs of what happens.

use std::sync::Arc;

use crate::config::Config;
use crate::notify::{Ground, Notifier, NotifyFault, Webhooks};
use crate::tasks::Tasks;
use crate::turn::Turns;

pub fn open(config: &Config, turns: &Turns) -> Result<(Arc<Notifier>, Webhooks), NotifyFault> {
    let notifier = Notifier::open(&config.alerts, ground(turns)).map(Arc::new)?;
    Ok((notifier, Webhooks::open(config, ground(turns))?))
}

/// To each tasks of its own: shutdown waits for turns, and not for whoever answers a webhook.
fn ground(turns: &Turns) -> Ground {
    Ground {
        store: Arc::clone(&turns.store),
        secret: turns.secret.clone(),
        clock: Arc::clone(&turns.clock),
        entropy: Arc::clone(&turns.entropy),
        metrics: Arc::clone(&turns.metrics),
        tasks: Tasks::on(tokio::runtime::Handle::current()),
    }
}
