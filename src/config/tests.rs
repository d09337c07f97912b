use base64::Engine as _;

use super::*;

fn read_from(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_variables(owned.collect())
}

fn faults_of(pairs: &[(&str, &str)]) -> Vec<String> {
    read_from(pairs).err().map(|error| error.0).unwrap_or_default()
}

#[test]
fn with_nothing_set_it_listens_on_loopback_and_is_open() {
    let config = read_from(&[]).expect("the defaults are sound");
    assert_eq!(config.addr.to_string(), "127.0.0.1:8000");
    assert_eq!((config.access.auth, config.access.is_written_out), (Auth::Open, false));
    assert_eq!(config.key_file, Path::new("./data/attune.key"));
    assert_eq!((config.limits.rate_limit, config.limits.history_max), (10, 50));
    assert!(config.address_rate.is_none() && config.warnings.is_empty());
}

#[test]
fn every_wrong_value_is_reported_at_once() {
    let faults = faults_of(&[
        ("ATTUNE_ADDR", "here"),
        ("HISTORY_MAX", "0"),
        ("SESSION_TTL", "soon"),
        ("LOCK_TTL_MS", "5s"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, nonsense"),
        ("ATTUNE_SECRET", "c2hvcnQ="),
        ("ATTUNE_CORS_ORIGINS", "*"),
        ("ATTUNE_LOG_FORMAT", "xml"),
        ("ATTUNE_COUNTRY", "England"),
        ("ATTUNE_CONTACT", "two\nlines"),
    ]);
    assert_eq!(faults.len(), 10, "{faults:?}");
    assert!(!faults.iter().any(|fault| fault.contains("c2hvcnQ=")), "a secret is never repeated");
}

#[test]
fn a_foreign_address_must_be_opened_in_so_many_words() {
    let required = read_from(&[("ATTUNE_ADDR", "0.0.0.0:8000")]).expect("credentials are needed there");
    assert_eq!((required.access.auth, required.access.is_written_out), (Auth::Required, false));
    let open = read_from(&[("ATTUNE_ADDR", "0.0.0.0:8000"), ("ATTUNE_AUTH", "open")]).expect("written out");
    assert!(open.access.is_written_out);
    assert_eq!(open.address_rate.map(|rate| rate.per_second.get()), Some(50));
}

#[test]
fn a_key_to_begin_with_has_the_form_of_a_key_and_is_not_repeated_where_it_has_not() {
    let secret = "A".repeat(43);
    let key = format!("attune_key_{secret}");
    let config = read_from(&[("ATTUNE_BOOTSTRAP_KEY", &key)]).expect("its form is right");
    assert!(config.access.bootstrap_key.is_some_and(|read| read.expose() == key));
    for bad in ["hunter2hunter2".to_owned(), format!("attune_session_{secret}")] {
        let faults = faults_of(&[("ATTUNE_BOOTSTRAP_KEY", &bad)]);
        assert!(faults[0].starts_with("ATTUNE_BOOTSTRAP_KEY") && !faults[0].contains(&bad));
    }
}

fn told(config: &Config) -> Vec<&str> {
    config.warnings.iter().map(|warning| warning.what.as_str()).collect()
}

#[test]
fn an_unknown_name_is_a_warning_that_names_the_nearest() {
    let config = read_from(&[("ATTUNE_ADR", "127.0.0.1:1"), ("OTHER", "x")]).expect("only a warning");
    assert_eq!(told(&config), ["ATTUNE_ADR is not a variable of Attune; the nearest is ATTUNE_ADDR"]);
}

#[test]
fn durations_are_seconds_unless_they_say_otherwise() {
    let seconds = |text| parse_duration(text).map(|duration| duration.as_millis());
    assert_eq!(seconds("90"), Some(90_000));
    assert_eq!(seconds("250ms"), Some(250));
    assert_eq!(seconds("2d"), Some(172_800_000));
    assert_eq!(seconds("1w"), None);
    assert_eq!(seconds("-1"), None);
    assert_eq!(seconds("99999999999999999999d"), None);
}

#[test]
fn a_secret_may_come_from_a_file_but_not_from_two_places() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let encoded = base64::engine::general_purpose::STANDARD.encode([7u8; 32]);
    std::fs::write(file.path(), format!("{encoded}\n")).expect("writable");
    let path = file.path().to_str().expect("plain path");
    assert!(read_from(&[("ATTUNE_SECRET_FILE", path)]).expect("sound").secret.is_some());
    assert_eq!(faults_of(&[("ATTUNE_SECRET_FILE", path), ("ATTUNE_SECRET", &encoded)]).len(), 1);
    assert_eq!(faults_of(&[("ATTUNE_SECRET_FILE", "/nowhere")]).len(), 1);
}

#[test]
fn who_writes_the_words_follows_from_what_is_set() {
    let api = |pairs: &[(&str, &str)]| {
        read_from(pairs).expect("sound").model.map(|model| (model.api, model.name, model.servers.len()))
    };
    let ollama = ("OLLAMA_BASE_URL", "http://a:11434/, http://b:11434");
    let openai = ("OPENAI_BASE_URL", "https://models.example.com/v1");
    let model = ("OPENAI_MODEL", "small");
    assert_eq!(api(&[]), None);
    assert_eq!(api(&[ollama, openai, model]), Some((ModelApi::Ollama, "llama3.1".to_owned(), 2)));
    assert_eq!(api(&[openai, model]), Some((ModelApi::OpenAi, "small".to_owned(), 1)));
    assert_eq!(api(&[ollama, ("ATTUNE_RESPONDER", "scripted")]), None);
    let here = api(&[("ATTUNE_RESPONDER", "ollama")]);
    assert_eq!(here, Some((ModelApi::Ollama, "llama3.1".to_owned(), 1)));
    let chosen = api(&[ollama, openai, model, ("ATTUNE_RESPONDER", "openai")]);
    assert_eq!(chosen, Some((ModelApi::OpenAi, "small".to_owned(), 1)));
}

#[test]
fn a_model_that_cannot_be_found_stops_the_start() {
    assert_eq!(faults_of(&[("ATTUNE_RESPONDER", "openai"), ("OPENAI_MODEL", "m")]).len(), 1);
    assert_eq!(faults_of(&[("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")]).len(), 1, "no model is named");
    for url in ["localhost:11434", "ftp://host", "http://", "http://user:secret@host", "http://host?x=1"] {
        let faults = faults_of(&[("OLLAMA_BASE_URL", url)]);
        assert_eq!(faults.len(), 1, "{url}");
        assert!(!faults[0].contains("secret"), "what may be a password is not repeated");
    }
    let wrong = [("MODEL_TEMPERATURE", "3"), ("MODEL_KEEP_ALIVE", "soon"), ("MODEL_PARALLEL", "0")];
    assert_eq!(faults_of(&wrong).len(), 3);
}

#[test]
fn who_stands_behind_it_and_when_is_told_plainly_or_not_taken() {
    let config = read_from(&[]).expect("sound");
    assert_eq!((config.mode, config.duty), (Mode::Supervised, DutyHours::default()));
    let hours = ("DUTY_HOURS", "Mon-Fri 09:00-17:00 Europe/Berlin; Sat 10:00-12:00 UTC");
    let config = read_from(&[("ATTUNE_MODE", "self_help"), hours]).expect("sound");
    assert_eq!(config.mode, Mode::SelfHelp);
    assert_ne!(config.duty, DutyHours::default());
    assert_eq!(read_from(&[("ATTUNE_MODE", "disabled")]).expect("sound").mode, Mode::Disabled);
    for mode in ["approval_required", "off", "self-help"] {
        let faults = faults_of(&[("ATTUNE_MODE", mode)]);
        assert!(faults.len() == 1 && faults[0].contains("supervised or self_help or disabled"), "{faults:?}");
    }
    assert!(faults_of(&[("DUTY_HOURS", "Mon-Fri 9-5 Berlin")])[0].contains("Mon-Fri 9-5"));
}

#[test]
fn consent_is_off_unless_it_is_required_and_its_file_is_a_name_that_is_known() {
    assert_eq!(read_from(&[]).expect("sound").consent, ConsentRule::Off);
    let own = [("ATTUNE_CONSENT", "required"), ("ATTUNE_CONSENT_FILE", "own.toml")];
    let config = read_from(&own).expect("sound");
    assert_eq!((config.consent, config.consent_file), (ConsentRule::Required, Some("own.toml".into())));
    assert!(config.warnings.is_empty());
    assert_eq!(faults_of(&[("ATTUNE_CONSENT", "yes")]).len(), 1);
}

#[test]
fn duty_hours_where_no_team_stands_behind_it_are_a_warning() {
    let (hours, self_help) = (("DUTY_HOURS", "Mon-Fri 09:00-17:00 UTC"), ("ATTUNE_MODE", "self_help"));
    let config = read_from(&[hours, self_help]).expect("only a warning");
    assert!(matches!(told(&config)[..], [what] if what.starts_with("DUTY_HOURS is set")), "{config:?}");
    let told = ("ALERT_WEBHOOK_URL", "https://example.com");
    for sound in [&[hours][..], &[self_help], &[hours, told, ("ATTUNE_MODE", "supervised")]] {
        assert!(read_from(sound).expect("sound").warnings.is_empty(), "{sound:?}");
    }
}

#[test]
fn escape_codes_are_not_wanted_where_the_terminal_has_none_or_colour_is_refused() {
    let is_plain = |pairs: &[(&str, &str)]| read_from(pairs).expect("sound").plain;
    assert!(!is_plain(&[("TERM", "xterm")]) && !is_plain(&[("TERM", "xterm"), ("NO_COLOR", "")]));
    assert!(is_plain(&[]) && is_plain(&[("TERM", "dumb")]));
    assert!(is_plain(&[("TERM", "xterm"), ("NO_COLOR", "0")]));
}

#[test]
fn where_a_team_stands_behind_it_and_nobody_would_be_told_of_alerts_it_warns() {
    let (clinic, foreign) = (("ATTUNE_MODE", "supervised"), ("ATTUNE_ADDR", "0.0.0.0:8000"));
    for untold in [&[clinic][..], &[foreign], &[clinic, ("ALERT_REPEAT", "5m")]] {
        let config = read_from(untold).expect("only a warning");
        assert!(
            matches!(told(&config)[..], [what] if what.starts_with("nobody is told of alerts")),
            "{config:?}"
        );
    }
    let hook = ("ALERT_WEBHOOK_URL", "https://example.com/a");
    for sound in [&[][..], &[clinic, hook], &[foreign, ("ATTUNE_MODE", "self_help")]] {
        assert!(read_from(sound).expect("sound").warnings.is_empty(), "{sound:?}");
    }
    let open = read_from(&[("ALERT_WEBHOOK_URL", "http://10.0.0.1/a?token=hidden")]).expect("only a warning");
    assert!(matches!(told(&open)[..], [what] if what.starts_with("ALERT_WEBHOOK_URL is no https")));
    assert!(!format!("{open:?}").contains("hidden"));
    assert!(read_from(&[("ALERT_WEBHOOK_URL", "http://127.0.0.1:9/")]).expect("here").warnings.is_empty());
}

#[test]
fn what_is_wrong_with_whom_to_tell_is_reported_at_once_and_not_repeated() {
    let faults = faults_of(&[
        ("ALERT_WEBHOOK_URL", "example.com?token=hidden"),
        ("ALERT_WEBHOOK_SECRET", "whsec_hidden"),
        ("ALERT_SMTP_URL", "http://user:hidden@mail"),
        ("ALERT_MAIL_FROM", "nobody"),
        ("ALERT_REPEAT", "0"),
        ("ALERT_ESCALATE_AFTER", "2d"),
    ]);
    assert_eq!(faults.len(), 7, "{faults:?}");
    assert!(!faults.iter().any(|fault| fault.contains("hidden")), "{faults:?}");
    assert_eq!(faults_of(&[("ALERT_MAIL_TO", "duty@example.com")]).len(), 2, "a server and a sender");
    assert_eq!(faults_of(&[("ALERT_WEBHOOK_URL_2", "https://example.com")]).len(), 1, "no first one");
    let sound = read_from(&[
        ("ALERT_SMTP_URL", "smtps://user:hidden@mail.example.com"),
        ("ALERT_MAIL_FROM", "attune@example.com"),
        ("ALERT_MAIL_TO", "a@example.com, b@example.com"),
    ])
    .expect("sound");
    let schedule = sound.alerts.schedule;
    assert_eq!((schedule.repeat.as_secs(), schedule.escalate_after.as_secs()), (600, 1_800));
    assert!(!format!("{sound:?}").contains("hidden"));
    assert_eq!(sound.alerts.mail.map(|mail| mail.to.len()), Some(2));
}
