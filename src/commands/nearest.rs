//! How far two names are apart, to say which command was probably meant.

/// Insertions, deletions, substitutions and swaps of neighbours between two texts (optimal string
/// alignment form of the Damerau-Levenshtein distance), counted in characters.
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

/// The known text nearest to what was typed, if it is near enough to be meant: at most a third of
/// its characters may differ, one in a name of two or three.
pub fn nearest<'n, T>(typed: &str, known: impl IntoIterator<Item = (&'n str, T)>) -> Option<T> {
    let length = typed.chars().count();
    // Long texts are no slips of the finger, and the comparison is quadratic.
    if length == 0 || length > 40 {
        return None;
    }
    known
        .into_iter()
        .filter_map(|(name, value)| {
            let size = name.chars().count();
            let limit = (size.max(length) / 3).max(1);
            if size.abs_diff(length) > limit {
                return None;
            }
            let d = distance(typed, name);
            (d <= limit && d < size).then_some((d, value))
        })
        .min_by_key(|(d, _)| *d)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slips() {
        assert_eq!(distance("感谢", "感谢"), 0);
        assert_eq!(distance("感射", "感谢"), 1);
        assert_eq!(distance("hlep", "help"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("helth", "health"), 1);
    }

    #[test]
    fn says_nothing_when_nothing_is_near() {
        let known = [("help", 1), ("health", 2), ("感谢", 3)];
        assert_eq!(nearest("hlep", known), Some(1));
        assert_eq!(nearest("感射", known), Some(3));
        assert_eq!(nearest("weather", known), None);
        assert_eq!(nearest("你好", known), None);
        assert_eq!(nearest(&"x".repeat(5000), known), None);
    }
}
