//! What operators type for a length of time. The budget itself is tested in `src/noise/tests.rs`, mute and
//! digests through the platforms in `tests/it/rehearse.rs`.

use super::days;

#[test]
fn lengths_as_people_type_them() {
    let cases = [
        ("3天", Some(3)),
        ("3", Some(3)),
        (" 1周 ", Some(7)),
        ("2w", Some(14)),
        ("30d", Some(30)),
        ("31天", None),
        ("0天", None),
        ("三天", None),
        ("", None),
        ("99999999999999999999天", None),
        ("5周", None),
    ];
    for (typed, expected) in cases {
        assert_eq!(days(typed), expected, "{typed}");
    }
}
