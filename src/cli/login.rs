//! The command line as a clinician: a name and a password, for one command.

use std::io::{BufRead as _, Write as _};

use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::config::{Config, LoginName};

use super::source::{patient, url_of};
use super::{Failure, with_headers};

const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// A client that is logged in.
pub(super) async fn log_in(config: &Config, who: &LoginName, url: &str) -> Result<reqwest::Client, Failure> {
    let password = match &who.password {
        Some(password) => password.clone(),
        None => ask(&who.name)?,
    };
    let body =
        json!({ "name": who.name, "organisation": who.organisation, "password": password.expose_secret() });
    let client = with_headers(patient(), config, HeaderMap::new()).build().map_err(Failure::of)?;
    let request = client.post(url_of(url, &["login"], None)?).json(&body);
    let response = request.send().await.map_err(Failure::of)?;
    if !response.status().is_success() {
        return Err(Failure::Said(format!("{} is not let in: name or password is wrong", who.name)));
    }
    let unread = || Failure::Said("the server's answer to the login is not understood".to_owned());
    let cookie = response.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned).ok_or_else(unread)?;
    let told: Value = response.json().await.map_err(Failure::of)?;
    let csrf = told["csrf_token"].as_str().ok_or_else(unread)?;
    let mut headers = HeaderMap::new();
    for (name, value) in [(COOKIE, cookie.as_str()), (CSRF, csrf)] {
        let mut value = HeaderValue::from_str(value).map_err(Failure::of)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    with_headers(patient(), config, headers).build().map_err(Failure::of)
}

/// What is typed, unseen where that is a terminal.
fn ask(name: &str) -> Result<SecretString, Failure> {
    let stdin = std::io::stdin();
    write!(std::io::stderr(), "Password of {name}: ")?;
    let shown = if isatty(&stdin) { tcgetattr(&stdin).ok() } else { None };
    if let Some(shown) = &shown {
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(Failure::of)?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(shown) = &shown {
        tcsetattr(&stdin, OptionalActions::Flush, shown).map_err(Failure::of)?;
        writeln!(std::io::stderr())?;
    }
    read?;
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n']).to_owned()))
}
