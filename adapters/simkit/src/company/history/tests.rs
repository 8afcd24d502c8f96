use super::super::dates::monday_to_friday;
use super::*;

/// 2026-11-24 18:00 in Shanghai, a Tuesday.
const END: Timestamp = Timestamp::from_secs(1_795_514_400);

fn script() -> Vec<HistoryStep> {
    history(4, END, 7, monday_to_friday).collect()
}

fn said(steps: &[HistoryStep]) -> Vec<(&HistoryStep, &str)> {
    steps
        .iter()
        .filter_map(|s| match &s.verb {
            Verb::Say { text, .. } => Some((s, text.as_str())),
            _ => None,
        })
        .collect()
}

#[test]
fn four_weeks_of_talk() {
    let steps = script();
    let said = said(&steps);
    assert!((2000..=2500).contains(&said.len()), "{} messages", said.len());
    assert_eq!(steps, script(), "the same every time");
    assert_ne!(
        steps,
        history(4, END, 8, monday_to_friday).collect::<Vec<_>>(),
        "but not for every seed"
    );
    assert!(steps.is_sorted_by_key(|s| s.at));
    assert!(steps.iter().all(|s| s.at < END));
    for step in &steps {
        let day = Date::of(step.at);
        assert!(monday_to_friday(day), "{step:?}");
        let minute = minute_of_day(step.at);
        let begin = if step.makes.as_deref().is_some_and(|m| m.starts_with("$#")) {
            7 * 60
        } else {
            6 * 60
        };
        assert!((begin..22 * 60).contains(&minute), "{step:?}");
        assert!(day.until(Date::of(END)) <= 28);
    }
    for platform in Platform::ALL {
        let share = said.iter().filter(|(s, _)| s.platform == platform).count();
        assert!(share > 250, "{platform}: {share}");
    }
    let unique: HashSet<&str> = said.iter().map(|(_, t)| *t).collect();
    assert!(unique.len() > 1100, "{} different texts", unique.len());
}

#[test]
fn nothing_is_repeated_where_a_viewer_would_notice() {
    let steps = script();
    let mut last: HashMap<(String, &str), Timestamp> = HashMap::new();
    for (step, text) in said(&steps) {
        let Verb::Say {
            chat: ChatSel::Chat(chat),
            ..
        } = &step.verb
        else {
            continue;
        };
        // "收到" and commands are said again and again, as in life.
        if text.chars().count() < 14 || text.starts_with("<@bot> /") {
            continue;
        }
        if let Some(before) = last.insert((chat.clone(), text), step.at) {
            let days = Date::of(before).until(Date::of(step.at));
            assert!(days >= 7, "after {days} days in {chat}: {text}");
        }
    }
}

#[test]
fn workdays_are_the_callers() {
    let saturday = |d: Date| d.weekday() == 6;
    let steps: Vec<_> = history(2, END, 7, saturday).collect();
    assert!(!steps.is_empty() && steps.iter().all(|s| Date::of(s.at).weekday() == 6));
    let none: Vec<_> = history(0, Timestamp(END.0 - 40_000_000), 7, |_| false).collect();
    assert!(said(&none).is_empty());
}

#[test]
fn thanks_keep_the_rules_and_name_real_people() {
    let steps = script();
    let all = employees();
    let groups = plans(&all);
    let mut pairs = HashSet::new();
    let mut per_week: HashMap<(String, Date), u32> = HashMap::new();
    let mut count = 0;
    for (step, text) in said(&steps) {
        let Some(rest) = text.strip_prefix("<@bot> 感谢 <@") else {
            continue;
        };
        count += 1;
        let (receiver, reason) = rest.split_once("> ").unwrap();
        let Verb::Say {
            person,
            chat: ChatSel::Chat(chat),
            ..
        } = &step.verb
        else {
            panic!("thanks in private: {step:?}");
        };
        let group = groups.iter().find(|g| format!("${}", g.key) == *chat).unwrap();
        assert!(group.members.iter().any(|m| m == receiver) && group.members.contains(person));
        assert!(receiver != person && reason.chars().count() >= 6, "{text}");
        assert!(pairs.insert((chat.clone(), person.clone(), receiver.to_owned(), Date::of(step.at))));
        let week = per_week
            .entry((format!("{chat}{person}"), Date::of(step.at).monday()))
            .or_default();
        *week += 1;
        assert!(*week <= THANKS_PER_WEEK);
    }
    assert!((80..=260).contains(&count), "{count} thanks");
}

#[test]
fn the_reading_circle_cools_down() {
    let steps = script();
    let mut weeks = [0usize; 4];
    for (step, _) in said(&steps) {
        if matches!(&step.verb, Verb::Say { chat: ChatSel::Chat(chat), .. } if chat == "$book") {
            let ago = Date::of(step.at).until(Date::of(END)) / 7;
            weeks[(ago as usize).min(3)] += 1;
        }
    }
    assert!(
        weeks[3] > weeks[2] && weeks[2] > weeks[1] && weeks[3] > 3 * weeks[0] && weeks[3] > 30,
        "oldest last: {weeks:?}"
    );
}

#[test]
fn handles_are_made_before_they_are_used() {
    let steps = script();
    let mut player = Player::new(
        Platform::ALL
            .into_iter()
            .map(|p| {
                let apps = PlatformApps {
                    direct: format!("app_{p}"),
                    groups: vec![format!("app_{p}")],
                };
                (p, apps)
            })
            .collect(),
    );
    let mut recalls = 0;
    for (n, step) in steps.iter().enumerate() {
        let verb = player.verb(step).unwrap_or_else(|| panic!("{step:?}"));
        let text = serde_json::to_string(&verb).unwrap();
        assert!(!text.contains("\"$"), "{text}");
        recalls += usize::from(matches!(verb, Verb::Recall { .. }));
        player.done(
            step,
            &Done {
                message: Some(format!("om{n}")),
                chat: Some(format!("oc{n}")),
                ..Done::default()
            },
        );
    }
    assert!((3..60).contains(&recalls), "{recalls} recalls");
    assert_eq!(player.group("rd_all"), Some("oc0"));
    let nobody = Player::default();
    assert!(steps.iter().all(|s| nobody.verb(s).is_none()));
}
