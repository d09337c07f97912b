//! Lines from standard input, and those that wait while a reply comes. Nothing is kept of a line that was taken.

use std::collections::VecDeque;
use std::io::{BufRead, Read as _};

use tokio::sync::mpsc;

use super::command::{TEXT_MAX_BYTES, goes_on, is_stop};

/// Lines that are looked through for a `/stop` while a reply comes. Beyond them the terminal holds what is typed.
const WAITING_MAX: usize = 64;

pub struct Input {
    lines: mpsc::Receiver<String>,
    waiting: VecDeque<String>,
    has_ended: bool,
}

impl Input {
    /// Reads on a thread of its own, since reading cannot be stopped; it ends with the program.
    pub fn of_stdin() -> Self {
        let (sender, lines) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            // A terminal that cannot be read any more has ended.
            while let Ok(Some(line)) = line(&mut stdin) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self::of(lines)
    }

    fn of(lines: mpsc::Receiver<String>) -> Self {
        Self { lines, waiting: VecDeque::new(), has_ended: false }
    }

    /// One that came too early.
    pub fn waiting_line(&mut self) -> Option<String> {
        self.waiting.pop_front()
    }

    /// The next one to come. `None`: there are no more. Nothing is lost when this is dropped while it waits.
    pub async fn next_line(&mut self) -> Option<String> {
        if self.has_ended { None } else { self.lines.recv().await }
    }

    /// Waits for a `/stop`, and lets other lines wait. Nothing is lost when this is dropped while it waits.
    pub async fn stop_asked(&mut self) {
        while !self.has_ended && self.waiting.len() < WAITING_MAX {
            let is_begun = self.waiting.back().is_some_and(|line| goes_on(line));
            match self.lines.recv().await {
                Some(line) if is_stop(&line) && !is_begun => return,
                Some(line) => self.waiting.push_back(line),
                None => self.has_ended = true,
            }
        }
        std::future::pending::<()>().await;
    }
}

/// The next line without its end, and without what stands behind the longest text that is kept.
fn line(from: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(TEXT_MAX_BYTES).unwrap_or(u64::MAX);
    if from.by_ref().take(most).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        bytes.pop_if(|byte| *byte == b'\r');
    } else {
        from.skip_until(b'\n')?;
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Vec<String> {
        std::iter::from_fn(|| line(&mut bytes).expect("readable")).collect()
    }

    #[test]
    fn lines_come_without_their_ends_and_the_last_one_needs_none() {
        assert_eq!(read(b"one\r\n\ntwo"), ["one", "", "two"]);
        assert_eq!(read(b"caf\xff\n"), ["caf\u{fffd}"]);
        assert!(read(b"").is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_one_is_whole() {
        let mut bytes = vec![b'a'; TEXT_MAX_BYTES * 2];
        bytes.extend_from_slice(b"\nnext\n");
        let lines = read(&bytes);
        assert_eq!((lines.len(), lines[0].len(), lines[1].as_str()), (2, TEXT_MAX_BYTES, "next"));
    }

    #[tokio::test]
    async fn a_stop_is_heard_before_lines_that_wait_and_these_keep_their_order() {
        let (sender, lines) = mpsc::channel(8);
        let mut input = Input::of(lines);
        for line in ["one", "two\\", "/stop", "/stop", "three"] {
            sender.send(line.to_owned()).await.expect("room");
        }
        drop(sender);
        input.stop_asked().await;
        let mut rest = Vec::new();
        rest.extend(std::iter::from_fn(|| input.waiting_line()));
        while let Some(line) = input.next_line().await {
            rest.push(line);
        }
        assert_eq!(rest, ["one", "two\\", "/stop", "three"], "the first one belongs to a text");
    }

    #[tokio::test]
    async fn no_more_lines_wait_than_there_is_room_for() {
        let (sender, lines) = mpsc::channel(WAITING_MAX * 2);
        let mut input = Input::of(lines);
        for n in 0..WAITING_MAX + 5 {
            sender.send(n.to_string()).await.expect("room");
        }
        let asked = tokio::time::timeout(std::time::Duration::from_millis(1), input.stop_asked()).await;
        assert!(asked.is_err() && input.waiting.len() == WAITING_MAX);
    }
}
