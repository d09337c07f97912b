//! The least that a WebSocket costs: an echo as the library's own example has it, in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::Message;

pub struct Bare {
    child: Child,
    pub addr: SocketAddr,
}

impl Bare {
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program).arg("bare").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("an address");
        Self { child, addr: line.trim().parse().expect("an address") }
    }

    pub fn memory_mib(&self) -> f64 {
        super::server::memory_mib_of(&self.child.id().to_string())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Already gone is as good.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Serves until it is killed.
pub fn serve() {
    actix_web::rt::System::new().block_on(async {
        let app = || App::new().route("/", web::get().to(echo));
        let server = HttpServer::new(app).max_connections(25_600).bind("127.0.0.1:0").expect("a free port");
        let addr = server.addrs()[0];
        println!("{addr}");
        std::io::stdout().flush().expect("somebody reads");
        server.run().await.expect("it serves");
    });
}

async fn echo(request: HttpRequest, payload: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, payload)?;
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.recv().await {
            let sent = match message {
                Message::Ping(bytes) => session.pong(&bytes).await,
                Message::Text(text) => session.text(text).await,
                _ => break,
            };
            if sent.is_err() {
                return;
            }
        }
        let _gone = session.close(None).await;
    });
    Ok(response)
}
