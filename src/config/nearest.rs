//! What somebody may have meant who wrote a name that nobody knows.

/// Less alike is no suggestion.
const ALIKE: f64 = 0.7;

/// The candidate that a name resembles most, if one does. Behind its last dot, an equal name resembles enough.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let last = |name: &'a str| name.rsplit_once('.').map_or(name, |(_, last)| last);
    let own_last = name.rsplit_once('.').map_or(name, |(_, last)| last);
    let alike = |candidate: &'a str| {
        let whole = strsim::normalized_damerau_levenshtein(name, candidate);
        let end = strsim::normalized_damerau_levenshtein(own_last, last(candidate));
        whole.max(end)
    };
    candidates
        .map(|candidate| (alike(candidate), candidate))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_and_a_wrong_section_are_recognised() {
        let known = ["api.listen", "worker.slots", "worker.lease_ms"];
        let near = |name| nearest(name, known.into_iter());
        assert_eq!(near("worker.slot"), Some("worker.slots"));
        assert_eq!(near("lease_ms"), Some("worker.lease_ms"));
        assert_eq!(near("api.slots"), Some("worker.slots"));
        assert_eq!(near("colour"), None);
    }
}
