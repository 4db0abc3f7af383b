//! "Did you mean": the accepted word closest to the one found.

/// The candidate that `word` is most likely a slip of, if any is close enough to be worth saying.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let allowed = (folded.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `words` as a sentence lists them: "`a`, `b` and `c`".
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Case and the choice of separator are the commonest slips and cost nothing. Long words are cut: nobody mistypes
/// those, and the table is quadratic.
fn fold(word: &str) -> Vec<char> {
    word.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut left = None;
    for (row, from) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut above = None;
        for (column, to) in b.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&last, column) + usize::from(from != to);
            let mut least = changed.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            if row > 0 && column > 0 && left == Some(to) && above == Some(from) {
                least = least.min(at(&before, column - 1) + 1);
            }
            current.push(least);
            above = Some(to);
        }
        before = std::mem::replace(&mut last, current);
        left = Some(from);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_no_suggestion() {
        assert_eq!(closest("kubernetes", ["store", "secrets"]), None);
        assert_eq!(closest("x", ["y"]), None);
    }

    #[test]
    fn slips_of_the_finger_are_recognised() {
        for slip in ["freshnes", "freshness_", "frehsness", "Freshness", "fershness"] {
            assert_eq!(closest(slip, ["framework", "freshness"]), Some("freshness"), "{slip}");
        }
    }

    #[test]
    fn the_nearest_wins() {
        assert_eq!(closest("rack", ["rails", "rack", "gorilla"]), Some("rack"));
    }
}
