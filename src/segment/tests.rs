use proptest::prelude::*;

use super::*;
use crate::text::Lang;

fn depts() -> Vec<Dept> {
    [
        ("1", None, "石榴巷精密"),
        ("10", Some("1"), "研发中心"),
        ("11", Some("10"), "嵌入式"),
        ("12", Some("11"), "测试组"),
        ("20", Some("1"), "市场部"),
        ("21", Some("20"), "测试组"),
    ]
    .into_iter()
    .map(|(id, parent, name)| Dept {
        id: id.to_owned(),
        place: "a",
        parent: parent.map(str::to_owned),
        name: name.to_owned(),
    })
    .collect()
}

fn ask(condition: &str, facts: &Facts<'_>) -> Answer {
    parse(condition)
        .unwrap_or_else(|e| panic!("{condition}: {e}"))
        .bind(&depts())
        .unwrap_or_else(|e| panic!("{condition}: {e}"))
        .of(facts)
}

#[test]
fn the_documented_conditions_mean_what_they_say() {
    let mcu = Facts {
        departments: &["20"],
        tags: &["MCU"],
        tenure_days: Some(89),
        ..Facts::default()
    };
    let tester = Facts {
        departments: &["12"],
        title: Some("高级ＱＡ工程师"),
        tenure_days: Some(90),
        activity: Some(Activity::Interactive),
        contractor: Some(false),
        ..Facts::default()
    };
    for (condition, for_mcu, for_tester) in [
        ("tenure_days < 90", Answer::Yes, Answer::No),
        ("dept under '嵌入式' or tag 'mcu'", Answer::Yes, Answer::Yes),
        ("dept is '嵌入式'", Answer::No, Answer::No),
        ("dept under ('市场部', '嵌入式')", Answer::Yes, Answer::Yes),
        ("dept is '市场部/测试组'", Answer::No, Answer::No),
        ("dept is '嵌入式/测试组'", Answer::No, Answer::Yes),
        ("title contains 'qa'", Answer::Unknown, Answer::Yes),
        ("title is not '经理'", Answer::Unknown, Answer::Yes),
        ("not (title contains 'qa')", Answer::Unknown, Answer::No),
        ("activity >= interactive", Answer::Unknown, Answer::Yes),
        ("activity = none or tenure_days ≥ 90", Answer::Unknown, Answer::Yes),
        ("contractor and tag 'nobody has it'", Answer::No, Answer::No),
        ("not contractor", Answer::Unknown, Answer::Yes),
        ("not not not contractor", Answer::Unknown, Answer::Yes),
        ("tag in (“mcu”，「fpga」)", Answer::Yes, Answer::No),
        ("TENURE_DAYS<90 AND DEPT UNDER '市场部'", Answer::Yes, Answer::No),
        // `and` binds closer than `or`.
        ("tag 'mcu' or tag 'a' and tag 'b'", Answer::Yes, Answer::No),
        ("(tag 'mcu' or tag 'a') and tag 'b'", Answer::No, Answer::No),
    ] {
        assert_eq!(ask(condition, &mcu), for_mcu, "{condition}");
        assert_eq!(ask(condition, &tester), for_tester, "{condition}");
    }
}

#[test]
fn errors_point_at_the_character() {
    for (condition, at, part, hint) in [
        ("", 0, "ends here", "field"),
        ("tenure_day < 90", 0, "no field tenure_day", "tenure_days"),
        ("dept under '研发中心' 和 tag 'x'", 18, "和 cannot stand", "`and`, `or`"),
        ("tag 'x' and", 11, "ends here", "field"),
        ("(tag 'x' or tag 'y'", 0, "never closed", ")"),
        ("tag ('x'", 4, "( cannot", "quotes"),
        ("tag in ('x' 'y')", 12, "'y' cannot", "comma"),
        ("tag in ('x'", 7, "never closed", ")"),
        ("tag 'x", 4, "never closed", "'"),
        ("tag ''", 4, "nothing between", "name"),
        ("tenure_days < '90'", 14, "'90' cannot", "whole number"),
        ("tenure_days < 9.5", 14, "9.5 is not", "digits"),
        ("tenure_days 90", 12, "90 cannot", "one of <"),
        ("activity > busy", 11, "no activity 'busy'", "contributing"),
        ("platform 'qq'", 9, "no platform 'qq'", "wecom"),
        ("dept '研发中心'", 5, "cannot stand", "under"),
        ("tag 'x' ; drop", 8, "no meaning", "fields"),
        ("tag 'a\u{7}b'", 6, "control", "remove"),
        ("tag 'x')", 7, ") cannot", "end"),
    ] {
        let error = parse(condition).expect_err(condition);
        assert_eq!(error.at, at, "{condition}: {error:?}");
        assert!(error.mistake.what(Lang::En).contains(part), "{condition}: {error:?}");
        assert!(error.mistake.hint(Lang::En).contains(hint), "{condition}: {error:?}");
        // Chinese people read Chinese.
        for zh in [error.mistake.what(Lang::Zh), error.mistake.hint(Lang::Zh)] {
            assert!(zh.chars().any(|c| ('一'..='龥').contains(&c)), "{condition}: {zh}");
        }
    }
    let deep = format!("{}contractor{}", "(".repeat(40), ")".repeat(40));
    assert!(
        parse(&deep)
            .expect_err("deep")
            .mistake
            .what(Lang::En)
            .contains("deeply")
    );
    let long = vec!["leader"; 300].join(" or ");
    assert!(
        parse(&long)
            .expect_err("long")
            .mistake
            .what(Lang::En)
            .contains("too many")
    );
    assert!(
        parse(&"x".repeat(5000))
            .expect_err("size")
            .mistake
            .what(Lang::En)
            .contains("bytes")
    );
}

#[test]
fn a_department_must_be_there_and_be_the_only_one() {
    let error = parse("tag 'x' or dept under '研发中兴'")
        .unwrap()
        .bind(&depts())
        .unwrap_err();
    assert_eq!(
        (error.at, error.mistake.hint(Lang::En).as_str()),
        (22, "did you mean '研发中心'?")
    );
    let error = parse("tag '摄影' or dept is '研发中兴'")
        .unwrap()
        .bind(&depts())
        .unwrap_err();
    assert_eq!(error.at, 20, "characters, not bytes");
    let error = parse("dept is '测试组'").unwrap().bind(&depts()).unwrap_err();
    assert!(
        error.mistake.what(Lang::En).starts_with("2 departments")
            && error.mistake.hint(Lang::En).contains("市场部/测试组"),
        "{error:?}"
    );
}

#[test]
fn a_department_that_two_platforms_know_is_one() {
    let mut twice = depts();
    twice.push(Dept {
        id: "b7".to_owned(),
        place: "b",
        parent: None,
        name: "嵌入式".to_owned(),
    });
    let bound = parse("dept is '嵌入式'").unwrap().bind(&twice).unwrap();
    for (dept, answer) in [("11", Answer::Yes), ("b7", Answer::Yes), ("12", Answer::No)] {
        let facts = Facts {
            departments: &[dept],
            ..Facts::default()
        };
        assert_eq!(bound.of(&facts), answer, "{dept}");
    }
}

#[test]
fn a_cycle_of_departments_ends() {
    let mut cycle = depts();
    cycle[1].parent = Some("12".to_owned());
    let bound = parse("dept under '嵌入式'").unwrap().bind(&cycle).unwrap();
    for (dept, answer) in [("12", Answer::Yes), ("10", Answer::Yes), ("20", Answer::No)] {
        let facts = Facts {
            departments: &[dept],
            ..Facts::default()
        };
        assert_eq!(bound.of(&facts), answer, "{dept}");
    }
}

fn value() -> BoxedStrategy<String> {
    "[a-z0-9 研发嵌入/'\"「」]{0,6}[a-z研]"
        .prop_map(|v| v.trim().to_owned())
        .boxed()
}

fn a_test() -> impl Strategy<Value = Test> {
    let compare = prop_oneof![
        Just(Compare::Less),
        Just(Compare::AtMost),
        Just(Compare::Equal),
        Just(Compare::NotEqual),
        Just(Compare::AtLeast),
        Just(Compare::More),
    ]
    .boxed();
    let texts = prop_oneof![
        Just(TextField::Title),
        Just(TextField::Office),
        Just(TextField::EmployeeNo)
    ]
    .boxed();
    let sets = prop_oneof![Just(SetField::Tag), Just(SetField::Interest)];
    let numbers = prop_oneof![
        Just(NumberField::TenureDays),
        Just(NumberField::Score),
        Just(NumberField::Level)
    ];
    let list = proptest::collection::vec(value(), 1..4).boxed();
    prop_oneof![
        (list.clone(), any::<bool>()).prop_map(|(names, below)| Test::Dept {
            names: names.into_iter().map(|text| Name { text, at: 0 }).collect(),
            below
        }),
        (texts.clone(), list.clone()).prop_map(|(field, values)| Test::Text {
            field,
            how: How::Is,
            values
        }),
        (texts, prop_oneof![Just(How::IsNot), Just(How::Contains)], value()).prop_map(|(field, how, v)| Test::Text {
            field,
            how,
            values: vec![v]
        }),
        (sets, list).prop_map(|(field, values)| Test::Has { field, values }),
        (numbers, compare.clone(), any::<i64>()).prop_map(|(field, is, value)| Test::Number { field, is, value }),
        (compare, 0usize..4).prop_map(|(is, n)| Test::Activity {
            is,
            value: Activity::ALL[n]
        }),
        Just(Test::Flag(Flag::Contractor)),
        Just(Test::Flag(Flag::Leader)),
    ]
}

fn an_expr() -> impl Strategy<Value = Expr> {
    a_test().prop_map(Expr::Test).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expr::All),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expr::Any),
            inner.prop_map(|e| Expr::Not(Box::new(e))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_shown_is_read_back(expr in an_expr()) {
        let shown = expr.to_string();
        prop_assume!(shown.len() <= MAX_BYTES);
        let quotes_fit = !shown.contains('‘');
        prop_assume!(quotes_fit);
        let back = parse(&shown);
        prop_assert_eq!(back.as_ref(), Ok(&expr), "{}", shown);
    }

    #[test]
    fn nothing_that_is_typed_breaks_it(text in "\\PC{0,60}|[a-z_ ()'<>=!0-9,]{0,60}|(dept|under|tag|not|and|or|in|is|title|'x'|\\(|\\)| |,|<|9){0,30}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.at <= text.chars().count(), "{:?}", error);
            prop_assert!(!error.mistake.hint(Lang::En).is_empty());
        }
    }

    /// Knowing more never turns a yes into a no: `Unknown` hides exactly what is not known.
    #[test]
    fn unknown_is_honest(expr in an_expr(), days in 0i64..200, title in "[a-z]{1,3}", leader in any::<bool>()) {
        let Ok(bound) = expr.bind(&[]) else { return Ok(()) };
        let little = Facts::default();
        let more = Facts {
            tenure_days: Some(days), title: Some(&title), leader: Some(leader), contractor: Some(false),
            activity: Some(Activity::Reached), score: Some(days), level: Some(1), office: Some("sz"), employee_no: Some("E1"),
            ..Facts::default()
        };
        let (before, after) = (bound.of(&little), bound.of(&more));
        prop_assert_ne!(after, Answer::Unknown);
        if before != Answer::Unknown {
            prop_assert_eq!(before, after);
        }
    }
}
