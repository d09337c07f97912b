//! A model's server for people without a model: `cargo run --example fake-model`, then point Attune at it. It understands
//! nothing of what it is asked.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a program to try things with; the integration tests run the same modules"
)]

#[allow(dead_code, unused_imports, reason = "tests look at more than people do")]
mod fake;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;

use fake::{FakeModel, Fault, Reply, Script};

/// A fake model's server: Ollama's API and the OpenAI-compatible one (below /v1) at one address.
#[derive(Parser)]
#[command(after_help = faults())]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:11434")]
    addr: SocketAddr,
    /// How long nothing is sent, not even headers.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// How long nothing is sent between two chunks.
    #[arg(long, default_value_t = 30)]
    chunk_ms: u64,
    /// What goes wrong.
    #[arg(long, value_parser = fault)]
    fault: Option<Fault>,
    /// How many chunks come before the fault, or how many requests fail.
    #[arg(long, default_value_t = 2)]
    after: usize,
    /// Always says this, instead of a few kind sentences.
    #[arg(long)]
    reply: Option<String>,
    /// A further name of a model that is known.
    #[arg(long)]
    model: Vec<String>,
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::named(name).ok_or_else(|| "no such fault; --help lists them".to_owned())
}

fn faults() -> String {
    let names = Fault::ALL.map(|fault| fault.to_string());
    format!("Faults:\n  {}", names.join("\n  "))
}

impl Arguments {
    fn script(self) -> Script {
        let mut script = Script {
            delay: Duration::from_millis(self.delay_ms),
            pause: Duration::from_millis(self.chunk_ms),
            fault: self.fault,
            after: self.after,
            ..Script::default()
        };
        script.models.extend(self.model);
        script.reply = self.reply.as_deref().map_or(Reply::Gentle, Reply::always);
        script
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let mut fake = FakeModel::at(arguments.addr, arguments.script()).await?;
    println!("a fake model answers at {} and {} until Ctrl-C", fake.url(), fake.openai_url());
    tokio::signal::ctrl_c().await?;
    fake.stop().await;
    Ok(())
}
