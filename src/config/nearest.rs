//! "Did you mean ...?": the nearest of the known names.

/// Edit distance with insert, remove, replace and swap of neighbours (restricted
/// Damerau-Levenshtein), on characters. Gives up and returns `limit + 1` above `limit`.
pub(super) fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut best = i + 1;
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            best = best.min(cost);
            row.push(cost);
        }
        if best > limit {
            return limit + 1;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()].min(limit + 1)
}

/// The known name that was probably meant, if one is near enough: a third of its length, at most
/// three changes. Case and `-` for `_` do not count.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let flat = |text: &str| text.to_lowercase().replace('-', "_");
    let name = flat(name);
    let limit = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(&name, &flat(candidate), limit), candidate))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_changes() {
        for (a, b, d) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("周报", "周刊", 1),
        ] {
            assert_eq!(distance(a, b, 5), d, "{a} {b}");
            assert_eq!(distance(b, a, 5), d, "{b} {a}");
        }
        assert_eq!(distance("short", "a much longer text", 2), 3);
    }

    #[test]
    fn finds_what_was_meant_and_nothing_far() {
        let known = ["weekly_allowance", "max_per_act", "lateness"];
        assert_eq!(nearest("weekly_alowance", known), Some("weekly_allowance"));
        assert_eq!(nearest("Weekly-Allowance", known), Some("weekly_allowance"));
        assert_eq!(nearest("latenes", known), Some("lateness"));
        assert_eq!(nearest("zone", known), None);
        assert_eq!(nearest("", known), None);
    }
}
