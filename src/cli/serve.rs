//! `attune serve`: until SIGTERM or Ctrl-C.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, banner};
use crate::config::Config;
use crate::telemetry;

use super::{Failure, say};

pub(super) async fn serve(config: &Config) -> Result<ExitCode, Failure> {
    telemetry::start_logs(config).map_err(Failure::Said)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let app = App::start(config).await.map_err(Failure::of)?;
    if let Err(failure) = say(banner(&app, config)) {
        // Whoever started it may have closed its output; that is no reason not to serve.
        tracing::warn!(%failure, "the greeting could not be shown");
    }
    stop_signal().await?;
    tracing::info!("stopping: running turns may finish");
    if app.stop().await {
        Ok(ExitCode::SUCCESS)
    } else {
        tracing::error!("turns were still running when the time was up");
        Ok(ExitCode::FAILURE)
    }
}

async fn stop_signal() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
