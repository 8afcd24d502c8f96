//! What people type for a length of time. The rehearsal itself is tested in `tests/it/rehearse.rs`.

use super::days;

#[test]
fn lengths_as_people_type_them() {
    let cases = [
        ("14天", Some(14)),
        ("未来14天", Some(14)),
        ("14", Some(14)),
        ("2周", Some(14)),
        ("92d", Some(92)),
        ("93", None),
        ("0", None),
        ("明天", None),
        ("-3", None),
    ];
    for (typed, expected) in cases {
        assert_eq!(days(typed), expected, "{typed}");
    }
}
