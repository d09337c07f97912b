//! `attune setup`: the few questions that a first start needs answered, and what follows from the answers.

use std::collections::BTreeMap;
use std::io::{BufRead, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::Config;
use crate::domain::id::ClinicianName;

use super::arguments::Setup;
use super::source::Source;
use super::{Failure, say};

const FILE: &str = ".env";
/// Tries of one question.
const TRIES_MAX: usize = 3;

/// What was answered, by argument or at the terminal.
struct Answers {
    country: String,
    mode: String,
    clinician: Option<ClinicianName>,
}

pub(super) async fn run(config: &Config, asked: Setup) -> Result<ExitCode, Failure> {
    if Path::new(FILE).exists() {
        return Err(Failure::Said(format!(
            "{FILE} is there already: change it by hand, or move it away first"
        )));
    }
    let answers = ask_all(asked, &mut std::io::stdin().lock())?;
    // First, so that nothing is made that cannot be told of; taken back where nothing was made, so that it can be done again.
    write(&lines(&answers))?;
    let made = make_in(config, &answers).await;
    if made.is_err() {
        let _gone = std::fs::remove_file(FILE);
    }
    let (made, place) = made?;
    tell(&answers, &made, &place)?;
    Ok(ExitCode::SUCCESS)
}

/// What was made, and where.
async fn make_in(config: &Config, answers: &Answers) -> Result<(Made, String), Failure> {
    let source = Source::make(config).await?;
    let made = make(&source, answers).await;
    let place = match &source {
        Source::Server { url, .. } => format!("in the store of the server at {url}"),
        Source::Store(_) if config.redis.is_some() => "in Redis".to_owned(),
        Source::Store(_) => format!("in {}", config.data.display()),
    };
    source.close().await?;
    Ok((made?, place))
}

fn ask_all(asked: Setup, terminal: &mut impl BufRead) -> Result<Answers, Failure> {
    let country = ask(
        asked.country,
        "Whose crisis lines shall people see? Two letters of a country, like US or DE; empty for the international finder",
        terminal,
        |text| is_sound("ATTUNE_COUNTRY", text),
    )?;
    let mode = ask(
        asked.mode,
        "Do clinicians look after people here? supervised if they do, self_help if there are none [supervised]",
        terminal,
        |text| is_sound("ATTUNE_MODE", text),
    )?;
    let mode = if mode.is_empty() { "supervised".to_owned() } else { mode };
    let name = ask(
        asked.clinician,
        "The name of the first clinician, to log in with; empty for none yet",
        terminal,
        |text| text.is_empty() || ClinicianName::parse(text).is_ok(),
    )?;
    Ok(Answers { country: country.to_ascii_uppercase(), mode, clinician: ClinicianName::parse(&name).ok() })
}

/// What was given, else what is typed. Asks again where it does not fit.
fn ask(
    given: Option<String>,
    question: &str,
    terminal: &mut impl BufRead,
    fits: impl Fn(&str) -> bool,
) -> Result<String, Failure> {
    let unfit = || Failure::Said(format!("this does not answer: {question}"));
    if let Some(given) = given {
        return if fits(given.trim()) { Ok(given.trim().to_owned()) } else { Err(unfit()) };
    }
    for _ in 0..TRIES_MAX {
        let mut out = std::io::stdout();
        write!(out, "{question}: ")?;
        out.flush()?;
        let mut line = String::new();
        terminal.read_line(&mut line)?;
        if fits(line.trim()) {
            return Ok(line.trim().to_owned());
        }
    }
    Err(unfit())
}

/// Whether a variable may have this value, as the server would judge it. Empty is as good as unset.
fn is_sound(name: &str, value: &str) -> bool {
    let variables = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    value.is_empty() || Config::from_variables(variables).is_ok()
}

struct Made {
    admin: Value,
    app: Value,
    clinician: Option<Value>,
}

async fn make(source: &Source, answers: &Answers) -> Result<Made, Failure> {
    Ok(Made {
        admin: source.create_key(&json!({ "label": "setup: admin", "role": "admin" })).await?,
        app: source.create_key(&json!({ "label": "setup: first app", "role": "app" })).await?,
        // Last: a name is taken only once.
        clinician: match &answers.clinician {
            Some(name) => Some(source.add_clinician(&json!({ "name": name })).await?),
            None => None,
        },
    })
}

fn lines(answers: &Answers) -> String {
    let country = if answers.country.is_empty() { "#ATTUNE_COUNTRY=" } else { "ATTUNE_COUNTRY=" };
    format!(
        "# Written by `attune setup`. All variables: docs/configuration.md\nATTUNE_AUTH=required\n{country}{}\nATTUNE_MODE={}\n",
        answers.country, answers.mode
    )
}

/// For its owner alone: secrets may come to stand in it.
fn write(lines: &str) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| Failure::Said(format!("{FILE} cannot be written here: {error}"));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(FILE).map_err(unwritable)?;
    file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)
}

fn tell(answers: &Answers, made: &Made, place: &str) -> Result<(), Failure> {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    say(format_args!("{FILE} is written. These stand {place}, and are shown this once:"))?;
    say(format_args!("  API key for your app's server   {}", text(&made.app, "key")))?;
    say(format_args!("  API key for administration      {}", text(&made.admin, "key")))?;
    if let Some(clinician) = &made.clinician {
        let (name, password) = (text(clinician, "name"), text(clinician, "password"));
        say(format_args!("  password of {name:<20}{password}"))?;
    }
    let country = BTreeMap::from([("ATTUNE_COUNTRY".to_owned(), answers.country.clone())]);
    for warning in Config::from_variables(country).map(|config| config.warnings).unwrap_or_default() {
        say(format_args!("Mind: {}", warning.what))?;
    }
    if answers.mode == "self_help" {
        say(
            "Nobody reads along: people are told so, and what clears a level are two re-screens a day apart.",
        )?;
    }
    say("Start it with `attune`. The command line presents ATTUNE_API_KEY to a running server.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_asked() -> Setup {
        Setup { country: None, mode: None, clinician: None }
    }

    #[test]
    fn what_is_typed_is_asked_for_again_until_it_fits() {
        let mut typed = "Germany\nde\nperhaps\n\nAna\n".as_bytes();
        let answers = ask_all(nothing_asked(), &mut typed).expect("answered in the end");
        assert_eq!((answers.country.as_str(), answers.mode.as_str()), ("DE", "supervised"));
        assert_eq!(answers.clinician, ClinicianName::parse("ana").ok());
        assert!(ask_all(nothing_asked(), &mut "1\n2\n3\nDE\n".as_bytes()).is_err());
    }

    #[test]
    fn what_was_given_is_not_asked_for_and_has_to_fit() {
        let given = |mode: &str| Setup {
            country: Some("US".to_owned()),
            mode: Some(mode.to_owned()),
            clinician: Some(String::new()),
        };
        let answers = ask_all(given("self_help"), &mut "".as_bytes()).expect("all there");
        assert!(answers.clinician.is_none());
        assert!(lines(&answers).contains("ATTUNE_COUNTRY=US\nATTUNE_MODE=self_help\n"));
        assert!(ask_all(given("both"), &mut "".as_bytes()).is_err());
    }
}
