use chrono::{NaiveDate, NaiveTime};
use hutong_model::UserId;
use proptest::prelude::*;

use super::*;
use crate::access::Role;
use crate::commands::{AnswerPlace, example_segments};
use crate::text::Lang;

const fn arg(name: &'static str, names: &'static [&'static str], kind: ArgKind) -> ArgSpec {
    ArgSpec {
        name,
        names,
        kind,
        positional: true,
        required: false,
    }
}

const RULE: ArgSpec = ArgSpec {
    required: true,
    ..arg("rule", &["rule", "规则"], ArgKind::Text)
};
const LANGUAGE: ArgSpec = ArgSpec {
    required: true,
    ..arg("lang", &["lang", "语言"], ArgKind::Choice(&["zh", "en"]))
};
const COUNT: ArgSpec = ArgSpec {
    positional: false,
    ..arg("count", &["count", "数量"], ArgKind::Integer { min: 1, max: 100 })
};
const DAY: ArgSpec = ArgSpec {
    positional: false,
    ..arg("day", &["day", "日期"], ArgKind::Date)
};
const AT: ArgSpec = ArgSpec {
    positional: false,
    ..arg("at", &["at", "时间"], ArgKind::Time)
};
const WHO: ArgSpec = ArgSpec {
    required: true,
    ..arg("who", &["who", "谁"], ArgKind::Person)
};
const WHY: ArgSpec = ArgSpec {
    required: true,
    ..arg("why", &["why", "原因"], ArgKind::Rest)
};

const fn spec(id: &'static str, bare: bool, args: &'static [ArgSpec]) -> CommandSpec {
    CommandSpec {
        id,
        bare,
        args,
        roles: &[Role::Member],
        place: AnswerPlace::Private,
    }
}

// The texts are those of real commands; the arguments are the test's own.
const SPECS: &[CommandSpec] = &[
    spec("service.me", true, &[WHO, COUNT, WHY]),
    spec("service.lang", false, &[LANGUAGE]),
    spec(
        "service.help",
        false,
        &[arg("topic", &["topic", "主题"], ArgKind::Rest)],
    ),
    spec("groups.preview", false, &[RULE, DAY, AT]),
    spec("groups.apply", false, &[RULE]),
];

fn registry() -> Registry {
    Registry::build([("test", SPECS)]).unwrap()
}

fn read(text: &str) -> Parsed {
    parse(&registry(), &example_segments(text), true)
}

fn call(text: &str) -> (&'static str, BTreeMap<&'static str, ArgValue>) {
    match read(text) {
        Parsed::Call { spec, args } => (spec.id, args),
        other => panic!("{text}: {other:?}"),
    }
}

fn problems(text: &str) -> Vec<ArgProblem> {
    match read(text) {
        Parsed::BadArgs { problems, .. } => problems,
        other => panic!("{text}: {other:?}"),
    }
}

fn text(value: &str) -> ArgValue {
    ArgValue::Text(value.to_owned())
}

#[test]
fn names_are_found_however_they_are_typed() {
    for typed in [
        "/建群 预览 dept-rd",
        "／建群 预览 规则=dept-rd",
        " /建群预览 规则：dept-rd",
        "/group plan rule=dept-rd",
        "/GROUP  Plan RULE=dept-rd",
        "/ｇｒｏｕｐ plan rule＝dept-rd",
        "/建群 预览 规则 = \"dept-rd\"",
        "/建群 预览 “dept-rd”",
    ] {
        let (id, args) = call(typed);
        assert_eq!(
            (id, args.get("rule")),
            ("groups.preview", Some(&text("dept-rd"))),
            "{typed}"
        );
    }
    assert_eq!(call("/建群 执行 a").0, "groups.apply");
}

#[test]
fn keys_come_in_any_order_and_with_any_separator() {
    let (_, args) = call("/建群 预览 时间：９:30 日期=2026/11/24 规则=r");
    assert_eq!(args["at"], ArgValue::Time(NaiveTime::from_hms_opt(9, 30, 0).unwrap()));
    assert_eq!(
        args["day"],
        ArgValue::Date(NaiveDate::from_ymd_opt(2026, 11, 24).unwrap())
    );
    let (_, args) = call("/建群 预览 日期=2026年11月24日 r at=21:05");
    assert_eq!(
        args["day"],
        ArgValue::Date(NaiveDate::from_ymd_opt(2026, 11, 24).unwrap())
    );
    assert_eq!(args["rule"], text("r"));
}

#[test]
fn people_are_mentions_and_the_rest_is_a_sentence() {
    for typed in [
        "/我 @陈晨 帮我定位了 驱动问题",
        "/我 帮我定位了 驱动问题 @陈晨",
        "我 @陈晨 原因=帮我定位了 驱动问题",
        "/我 原因=\"帮我定位了 驱动问题\" @陈晨",
        "/我 谁=@陈晨 原因：帮我定位了 驱动问题",
    ] {
        let (id, args) = call(typed);
        assert_eq!(
            (id, &args["why"]),
            ("service.me", &text("帮我定位了 驱动问题")),
            "{typed}"
        );
        let ArgValue::People(people) = &args["who"] else {
            panic!()
        };
        assert_eq!(people[0].name.as_deref(), Some("陈晨"), "{typed}");
    }
    let (_, args) = call("/我 @a @b 一起查 数量=３");
    assert!(matches!(&args["who"], ArgValue::People(p) if p.len() == 2));
    assert_eq!(
        (&args["count"], &args["why"]),
        (&ArgValue::Integer(3), &text("一起查")),
        "a key ends the sentence"
    );
    let (_, args) = call("/我 @a 你和 @b 比较:他 a=b");
    assert_eq!(args["why"], text("你和 @b 比较:他 a=b"));
}

#[test]
fn what_does_not_fit_is_named() {
    assert_eq!(problems("/建群 预览"), [ArgProblem::Missing(&RULE)]);
    assert!(matches!(
        &problems("/语言 fr")[..],
        [ArgProblem::NotChoice {
            choices: ["zh", "en"],
            ..
        }]
    ));
    assert!(matches!(
        &problems("/我 @a 数量=101 x")[..],
        [ArgProblem::NotInteger { min: 1, max: 100, .. }, ..]
    ));
    assert!(matches!(
        &problems("/建群 预览 r 日期=2026-02-30")[..],
        [ArgProblem::NotDate { .. }]
    ));
    assert!(matches!(
        &problems("/建群 预览 r 时间=25:00")[..],
        [ArgProblem::NotTime { .. }]
    ));
    assert!(matches!(&problems("/建群 预览 r 规则=s")[..], [ArgProblem::Twice(_)]));
    assert_eq!(problems("/建群 预览 规则= 日期=2026-01-01"), [ArgProblem::Empty(&RULE)]);
    assert!(matches!(&problems("/建群 预览 r 多余")[..], [ArgProblem::Extra { .. }]));
    assert!(matches!(
        &problems("/语言 语信=zh")[..],
        [
            ArgProblem::UnknownKey {
                closest: Some("语言"),
                ..
            },
            ..
        ]
    ));
    assert!(matches!(&problems("/语言 zh @张三")[..], [ArgProblem::Extra { .. }]));
    let plain = [Segment::Text("/我 @张三 谢谢".into())];
    let Parsed::BadArgs { problems, .. } = parse(&registry(), &plain, true) else {
        panic!()
    };
    assert!(
        matches!(&problems[..], [ArgProblem::NeedsMention { .. }, ..]),
        "{problems:?}"
    );
    for lang in [Lang::Zh, Lang::En] {
        for problem in &problems {
            assert!(!crate::text::commands::problem(problem, lang).is_empty());
        }
    }
    let long = format!("/我 @a {}", "长".repeat(MAX_VALUE_CHARS + 1));
    assert!(matches!(&self::problems(&long)[..], [ArgProblem::TooLong(_)]));
}

#[test]
fn a_question_mark_asks_for_help() {
    for typed in ["/语言 ?", "/语言？", "/语言 帮助", "/lang HELP", "/建群 预览 ？"] {
        assert!(matches!(read(typed), Parsed::Help { .. }), "{typed}: {:?}", read(typed));
    }
    assert_eq!(call("/帮助 语言").1["topic"], text("语言"));
}

#[test]
fn nothing_is_run_on_a_guess() {
    let Parsed::Unknown { closest, .. } = read("/语颜 zh") else {
        panic!()
    };
    assert_eq!(closest.unwrap().id, "service.lang");
    let Parsed::Unknown { closest, .. } = read("/group aply r") else {
        panic!("{:?}", read("/group aply r"))
    };
    assert_eq!(closest.unwrap().id, "groups.apply");
    assert!(matches!(read("/建群 随便"), Parsed::Incomplete { .. }));
    assert!(matches!(read("/天气怎么样"), Parsed::Unknown { closest: None, .. }));
    let Parsed::Incomplete { next, .. } = read("/建群") else {
        panic!()
    };
    assert_eq!(
        next.iter().map(|s| s.id).collect::<Vec<_>>(),
        ["groups.preview", "groups.apply"]
    );
}

#[test]
fn what_is_no_command_stays_quiet() {
    for typed in ["", "你好", "/", "/ 语言", "//comment", "语言 zh", "看 /语言 zh"] {
        assert!(matches!(read(typed), Parsed::NotACommand), "{typed}");
    }
    let quiet = |t: &str| parse(&registry(), &example_segments(t), false);
    assert!(matches!(quiet("/etc/hosts"), Parsed::NotACommand));
    assert!(matches!(quiet("/建群"), Parsed::NotACommand));
    assert!(matches!(quiet("我 @a 谢谢"), Parsed::NotACommand));
    assert!(matches!(quiet("/语言 zh"), Parsed::Call { .. }));
    let code = [Segment::Code("/语言 zh".into())];
    assert!(matches!(parse(&registry(), &code, true), Parsed::NotACommand));
    let other_bot = [
        Segment::Mention(Mention {
            user: None,
            name: Some("别的机器人".into()),
            bot: true,
        }),
        Segment::Text(" /语言 zh".into()),
    ];
    assert!(matches!(parse(&registry(), &other_bot, true), Parsed::NotACommand));
}

fn segment() -> impl Strategy<Value = Segment> {
    let piece = prop_oneof![
        Just("/我 ".to_owned()),
        Just("／建群 预览 ".to_owned()),
        Just("规则=".to_owned()),
        Just("日期：".to_owned()),
        Just("“".to_owned()),
        Just("\"".to_owned()),
        Just("?".to_owned()),
        ".{0,12}",
    ];
    prop_oneof![
        6 => piece.prop_map(Segment::Text),
        1 => ".{0,4}".prop_map(Segment::Code),
        1 => Just(Segment::Break),
        1 => (".{0,4}", ".{0,4}").prop_map(|(label, url)| Segment::Link { label, url }),
        1 => Just(Segment::Emoji("赞".into())),
        2 => (any::<bool>(), proptest::option::of(".{0,4}")).prop_map(|(bot, name)| Segment::Mention(Mention {
            user: UserId::new("u1").ok(),
            name,
            bot,
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_message_makes_it_panic(segments in proptest::collection::vec(segment(), 0..8), addressed: bool) {
        let registry = registry();
        match parse(&registry, &segments, addressed) {
            Parsed::Call { spec, args } => {
                for arg in spec.args.iter().filter(|a| a.required) {
                    prop_assert!(args.contains_key(arg.name), "{} without {}", spec.id, arg.name);
                }
            }
            Parsed::BadArgs { problems, .. } => prop_assert!(!problems.is_empty()),
            Parsed::Unknown { .. } | Parsed::Incomplete { .. } => prop_assert!(addressed),
            Parsed::NotACommand | Parsed::Help { .. } => {}
        }
    }

    #[test]
    fn a_quoted_value_comes_back_as_it_was(value in "[^\"]{1,30}") {
        prop_assume!(!value.trim().is_empty() && !value.chars().any(super::invisible));
        let line = [Segment::Text(format!("/建群 预览 时间=09:30 规则=\"{value}\" 日期=2026-01-02"))];
        match parse(&registry(), &line, true) {
            Parsed::Call { args, .. } => prop_assert_eq!(&args["rule"], &ArgValue::Text(value)),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
