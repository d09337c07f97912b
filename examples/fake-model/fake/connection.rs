//! One connection: requests are read, answered step by step and written down, until one side has enough.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::http::{Gone, Socket};
use super::routes;
use super::score::Step;
use super::seen::{Counted, Ended, Entry, Record};

/// Why an answer stops before its end.
enum Stopped {
    Gone,
    Closed,
}

impl From<Gone> for Stopped {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

pub async fn serve(stream: TcpStream, record: Arc<Record>) {
    let _counted = Counted::new(Arc::clone(&record));
    let Ok(mut socket) = Socket::new(stream) else { return };
    while let Ok(request) = socket.request().await {
        let mut entry = Entry::new(&record, &request);
        let steps = routes::steps(&request, &mut entry);
        let played = play(&mut socket, steps, &entry).await;
        let now = Instant::now();
        entry.end(match played {
            Ok(()) => Ended::Whole(now),
            Err(Stopped::Gone) => Ended::Gone(now),
            Err(Stopped::Closed) => Ended::Closed(now),
        });
        if played.is_err() || request.closes {
            return;
        }
    }
}

async fn play(socket: &mut Socket, steps: Vec<Step>, entry: &Entry) -> Result<(), Stopped> {
    for step in steps {
        match step {
            Step::Wait(time) => socket.wait(tokio::time::sleep(time)).await?,
            Step::Frame(bytes) => send(socket, &bytes, entry, false).await?,
            Step::Chunk(bytes) => send(socket, &bytes, entry, true).await?,
            Step::Flood(wave, most) => {
                for _ in 0..most / wave.len().max(1) {
                    send(socket, &wave, entry, true).await?;
                }
            }
            Step::Stall => socket.wait(std::future::pending()).await?,
            Step::Close => return Err(Stopped::Closed),
        }
    }
    Ok(())
}

async fn send(socket: &mut Socket, bytes: &[u8], entry: &Entry, is_chunk: bool) -> Result<(), Gone> {
    socket.send(bytes).await?;
    entry.sent(bytes.len(), is_chunk);
    Ok(())
}
