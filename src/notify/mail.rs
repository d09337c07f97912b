//! Mails, over TLS that is verified: from the first byte, or by STARTTLS before anything else is said.
//!
//! Each mail has a connection of its own. What the server answers is judged by its code; its words are read no further.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message as Letter, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};

use super::Missed;
use super::message::Message;

/// For one answer of the mail server.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// For all of a mail.
const MAIL_MAX: Duration = Duration::from_secs(20);
/// The host's part of the ids of our mails: no mail comes from there.
const ID_HOST: &str = "attune.invalid";

/// Why no mail could be sent like this. What is configured is not repeated: it holds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailFault {
    #[error("a URL like smtps://user:password@mail.example.com is expected")]
    Url,
    #[error("no certificates were found on this machine: the mail server cannot be verified")]
    Certificates,
    #[error("an address is none")]
    Address,
}

/// A mail server, and who hears from it.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mailer {
    pub fn open(server: &SecretString, from: &str, to: &[String]) -> Result<Self, MailFault> {
        let address = |text: &str| text.parse::<Mailbox>().map_err(|_| MailFault::Address);
        let to = to.iter().map(|to| address(to)).collect::<Result<_, _>>()?;
        Ok(Self { transport: transport(server)?, from: address(from)?, to })
    }

    /// One mail to all of them.
    pub async fn send(&self, message: &Message) -> Result<(), Missed> {
        let letter = Letter::builder()
            .message_id(Some(format!("<{}@{ID_HOST}>", message.id)))
            .from(self.from.clone())
            .subject(message.subject())
            .header(ContentType::TEXT_PLAIN);
        let letter = self.to.iter().fold(letter, |letter, to| letter.to(to.clone()));
        // Everything in it is ours, or was checked at the start.
        let letter = letter.body(message.text()).map_err(|_| Missed::Broken)?;
        match tokio::time::timeout(MAIL_MAX, self.transport.send(letter)).await {
            Ok(Ok(_taken)) => Ok(()),
            Ok(Err(error)) => Err(why(&error)),
            Err(_elapsed) => Err(Missed::TimedOut),
        }
    }
}

fn transport(server: &SecretString) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailFault> {
    let url = reqwest::Url::parse(server.expose_secret()).map_err(|_| MailFault::Url)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(MailFault::Url)?;
    let tls = || TlsParameters::new(host.to_owned()).map_err(|_| MailFault::Certificates);
    let wish = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, wish)| wish.into_owned());
    let (port, tls) = match (url.scheme(), wish.as_deref()) {
        ("smtps", None) => (465, Tls::Wrapper(tls()?)),
        ("smtp", None) if is_here(host) => (25, Tls::None),
        ("smtp", Some("none")) => (25, Tls::None),
        ("smtp", None | Some("required")) => (587, Tls::Required(tls()?)),
        _ => return Err(MailFault::Url),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.trim_matches(['[', ']']))
        .port(url.port().unwrap_or(port))
        .tls(tls)
        .timeout(Some(ANSWER_MAX));
    if let Some(password) = url.password() {
        builder = builder.credentials(Credentials::new(decoded(url.username())?, decoded(password)?));
    }
    Ok(builder.build())
}

fn is_here(host: &str) -> bool {
    host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// A URL writes some characters as `%40`; the server is told the characters.
fn decoded(text: &str) -> Result<String, MailFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let coded = behind.get(..2).filter(|_| *first == b'%').and_then(byte_of);
        bytes.push(coded.unwrap_or(*first));
        rest = if coded.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8(bytes).map_err(|_| MailFault::Url)
}

/// Of two hexadecimal digits.
fn byte_of(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(0)? << 4 | digit(1)?)
}

/// The error's own text may repeat what the server said.
fn why(error: &Error) -> Missed {
    if let Some(code) = error.status() {
        return Missed::Answered(code.into());
    }
    if error.is_timeout() {
        Missed::TimedOut
    } else if error.is_tls() {
        Missed::Untrusted
    } else if error.is_client() || error.is_response() {
        Missed::Broken
    } else {
        Missed::Unreachable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str) -> Result<Mailer, MailFault> {
        Mailer::open(&url.into(), "attune@example.com", &["duty@example.com".to_owned()])
    }

    #[test]
    fn a_servers_url_is_read_and_what_is_wrong_with_it_is_told_without_it() {
        for sound in ["smtp://127.0.0.1:2525", "smtp://localhost", "smtp://[::1]:25", "smtp://mail?tls=none"]
        {
            assert!(open(sound).is_ok(), "{sound}");
        }
        for bad in ["", "mail.example.com", "http://mail", "smtp://", "smtp://mail?tls=perhaps"] {
            assert_eq!(open(bad).err(), Some(MailFault::Url), "{bad}");
        }
        let nobody = Mailer::open(&"smtp://localhost".into(), "attune@example.com", &["nobody".to_owned()]);
        assert_eq!(nobody.err(), Some(MailFault::Address));
    }

    #[test]
    fn a_password_is_what_its_url_stands_for() {
        assert_eq!(decoded("a%40b%2fc%").as_deref(), Ok("a@b/c%"));
        assert_eq!(decoded("%ff"), Err(MailFault::Url));
    }

    #[test]
    fn only_this_machine_is_spoken_with_in_clear() {
        assert!(is_here("localhost") && is_here("127.0.0.1") && is_here("[::1]"));
        assert!(!is_here("10.0.0.7") && !is_here("mail.example.com"));
    }
}
