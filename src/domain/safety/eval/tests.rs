use super::*;

fn outcome(label: Label, found: Level, kind: &str) -> Outcome {
    Outcome {
        line: 1,
        label,
        found,
        rules: vec![("active.kill".to_owned(), Tier::Active); usize::from(found > Level::None)],
        groups: BTreeMap::from([("kind".to_owned(), kind.to_owned())]),
        length_bytes: 512,
        took_us: 10.0,
    }
}

fn labelled(label: Level, found: Level, kind: &str) -> Outcome {
    outcome(Label::Level(label), found, kind)
}

#[test]
fn the_figures_of_a_set_are_those_that_one_counts_by_hand() {
    let outcomes = [
        labelled(Level::Crisis, Level::Crisis, "plan"),
        labelled(Level::High, Level::Elevated, "plan"),
        labelled(Level::High, Level::None, "method"),
        labelled(Level::Elevated, Level::High, "method"),
        labelled(Level::None, Level::None, "idiom"),
        labelled(Level::None, Level::High, "idiom"),
    ];
    let report = Report::of(&outcomes, Level::Elevated);
    assert_eq!(report.recall, Share::of(3, 4));
    assert_eq!(report.precision, Share::of(3, 4));
    assert_eq!(report.false_alarms, Share::of(1, 2));
    assert_eq!(report.alarms_by_label["high"], Share::of(1, 2));
    assert_eq!(report.by["kind"]["plan"].recall, Share::of(2, 2));
    assert_eq!(report.by["kind"]["idiom"].pauses, Share::of(1, 2));
    assert_eq!(report.by_rule["active.kill"], Fired { in_danger: 3, in_harmless: 1 });
    assert_eq!(report.by_tier["active"], Fired { in_danger: 3, in_harmless: 1 });
    let levels = report.levels.expect("levels are labelled");
    assert_eq!(levels.pausing_noticed, Share::of(2, 3));
    assert_eq!(levels.under_graded, Share::of(2, 3));
    assert_eq!((levels.none_pauses, levels.elevated_pauses), (Share::of(1, 2), Share::of(1, 1)));
    assert_eq!(levels.found["high"], BTreeMap::from([("elevated", 1), ("none", 1)]));
}

#[test]
fn at_high_an_elevated_text_is_no_danger_and_an_elevated_screening_no_alarm() {
    let outcomes = [
        labelled(Level::High, Level::Elevated, "a"),
        labelled(Level::Elevated, Level::High, "a"),
        labelled(Level::Elevated, Level::Elevated, "a"),
    ];
    let report = Report::of(&outcomes, Level::High);
    assert_eq!((report.recall, report.false_alarms), (Share::of(0, 1), Share::of(1, 2)));
}

#[test]
fn labels_without_a_level_have_no_confusion_of_levels() {
    let outcomes =
        [outcome(Label::Danger(true), Level::High, "a"), outcome(Label::Danger(false), Level::None, "a")];
    let report = Report::of(&outcomes, Level::Elevated);
    assert_eq!((report.recall, report.false_alarms), (Share::of(1, 1), Share::of(0, 1)));
    assert!(report.levels.is_none());
}

#[test]
fn the_slowest_of_a_hundred_is_the_maximum_and_not_the_ninety_ninth() {
    let mut outcomes = vec![labelled(Level::None, Level::None, "a"); 100];
    outcomes[0].took_us = 1_000.0;
    let timings = Report::of(&outcomes, Level::Elevated).timings;
    let near = |found: f64, meant: f64| (found - meant).abs() < 1e-9;
    assert!(near(timings.p50_us, 10.0) && near(timings.p99_us, 10.0) && near(timings.max_us, 1_000.0));
    assert!(near(timings.per_kib_us, 39.8), "{}", timings.per_kib_us);
}

#[test]
fn an_empty_set_has_no_shares_and_stops_nothing() {
    let report = Report::of(&[], Level::Elevated);
    assert_eq!((report.texts, report.recall.share), (0, None));
}

#[test]
fn a_miss_is_what_is_not_noticed_or_noticed_without_need_or_paused_otherwise() {
    for (label, found, is_miss) in [
        (Level::High, Level::None, true),
        (Level::High, Level::Elevated, true),
        (Level::High, Level::Crisis, false),
        (Level::Elevated, Level::High, true),
        (Level::None, Level::Elevated, true),
        (Level::None, Level::None, false),
    ] {
        assert_eq!(labelled(label, found, "a").is_miss(Level::Elevated), is_miss, "{label:?} {found:?}");
    }
}
