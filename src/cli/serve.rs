//! `attune serve`: until SIGTERM or Ctrl-C.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, banner};
use crate::config::Config;
use crate::telemetry;

use super::{Failure, say};

pub(super) async fn serve(config: &Config) -> Result<ExitCode, Failure> {
    telemetry::start_logs(config).map_err(Failure::Said)?;
    for warning in &config.warnings {
        tracing::warn!("{}: {}", warning.what, warning.mend);
    }
    // Heard from here on: one that comes while the store still opens must not be lost.
    let stop = StopSignal::listen()?;
    let app = App::start(config).await.map_err(Failure::of)?;
    if let Err(failure) = say(banner(&app, config)) {
        // Whoever started it may have closed its output; that is no reason not to serve.
        tracing::warn!(%failure, "the greeting could not be shown");
    }
    stop.heard().await;
    tracing::info!("stopping: running turns may finish");
    if app.stop().await {
        Ok(ExitCode::SUCCESS)
    } else {
        tracing::error!("turns were still running when the time was up");
        Ok(ExitCode::FAILURE)
    }
}

struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    fn listen() -> Result<Self, Failure> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn heard(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
