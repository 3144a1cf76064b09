//! "Did you mean": which of the known names is like one that is unknown.

/// A name that is typed wrongly differs in one character of so many.
const CHARACTERS_PER_MISTAKE: usize = 3;

/// The name that is most like `wanted`, if one is like it.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    all_near(wanted, known, 1).pop()
}

/// The names that are like `wanted`, the most alike first, at most so many.
pub fn all_near<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> =
        known.into_iter().filter_map(|name| Some((mistakes(wanted, name)?, name))).collect();
    near.sort();
    near.dedup();
    near.truncate(most);
    near.into_iter().map(|(_, name)| name).collect()
}

/// In how many characters two names differ, if they are alike: few do, or one begins with the other.
fn mistakes(wanted: &str, name: &str) -> Option<usize> {
    let (wanted, name) = (plain(wanted), plain(name));
    let (short, long) = if wanted.len() < name.len() { (&wanted, &name) } else { (&name, &wanted) };
    if short.is_empty() {
        return None;
    }
    let distance = strsim::damerau_levenshtein(&wanted, &name);
    let most = long.chars().count().div_ceil(CHARACTERS_PER_MISTAKE).min(short.chars().count().saturating_sub(1));
    let is_beginning = short.chars().count() >= CHARACTERS_PER_MISTAKE && long.starts_with(short.as_str());
    (distance <= most || is_beginning).then_some(distance)
}

/// As names are compared: neither case nor the kind of dash matters. What is long is no name that somebody mistyped.
fn plain(name: &str) -> String {
    const COMPARED_MAX_CHARS: usize = 100;
    let one = |char: char| if matches!(char, '_' | ' ' | '.') { '-' } else { char };
    name.chars().take(COMPARED_MAX_CHARS).flat_map(char::to_lowercase).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_mistake_are_found_and_others_are_not() {
        let known = ["FANCYHWD_DURATION", "FANCYHWD_DURABILITY", "FANCYHWD_TOPIC"];
        assert_eq!(nearest("FANCYHWD_DURATON", known), Some("FANCYHWD_DURATION"));
        assert_eq!(nearest("fancyhwd-topic", known), Some("FANCYHWD_TOPIC"));
        let labels = ["bench_run", "pump", "a"];
        assert_eq!(nearest("bench-rnu", labels), Some("bench_run"));
        assert_eq!(nearest("bench", labels), Some("bench_run"));
        assert_eq!(nearest("pumps", labels), Some("pump"));
        for unknown in ["engine", "b", "", "pu"] {
            assert_eq!(nearest(unknown, labels), None, "{unknown}");
        }
        assert_eq!(all_near("run1", ["run2", "run11", "run1b", "x"], 2), ["run11", "run1b"]);
    }
}
