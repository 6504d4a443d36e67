//! The two tables that detection needs: which top-level domains exist, and which characters are punctuation.
//!
//! Both are data files with their source named in the first lines; they are read once.

use std::{collections::HashSet, sync::LazyLock};

static TLDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("../../data/tlds.txt")).collect());

static PUNCTUATION: LazyLock<Vec<(u32, u32)>> = LazyLock::new(|| {
    words(include_str!("../../data/punctuation.txt"))
        .filter_map(|range| {
            let (first, last) = range.split_once('-')?;
            Some((
                u32::from_str_radix(first, 16).ok()?,
                u32::from_str_radix(last, 16).ok()?,
            ))
        })
        .collect()
});

fn words(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_ascii_whitespace)
}

/// Whether the last label of `domain` is a top-level domain that exists. Case does not matter.
pub(super) fn has_real_tld(domain: &str) -> bool {
    domain.rsplit_once('.').is_some_and(|(rest, tld)| {
        !rest.is_empty() && TLDS.contains(tld.to_ascii_lowercase().as_str())
    })
}

/// Whether Unicode calls `c` punctuation (general category P).
pub(super) fn is_punctuation(c: char) -> bool {
    let code = u32::from(c);
    let after = PUNCTUATION.partition_point(|(first, _)| *first <= code);
    after > 0 && code <= PUNCTUATION[after - 1].1
}

/// White space as the official library's patterns see it (ECMAScript `\s`).
pub(super) fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_read_whole() {
        assert!(TLDS.len() > 1_500, "{}", TLDS.len());
        assert_eq!(PUNCTUATION.len(), 189);
        assert!(PUNCTUATION.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn real_domains_are_told_from_file_names() {
        assert!(has_real_tld("example.com") && has_real_tld("EXAMPLE.Social"));
        assert!(!has_real_tld("node.js") && !has_real_tld("com") && !has_real_tld(".com"));
    }

    #[test]
    fn punctuation_is_not_symbols() {
        assert!(
            ['.', '!', '_', '…', '。', '»']
                .into_iter()
                .all(is_punctuation)
        );
        assert!(
            !['$', '+', '<', 'a', '7', ' ', '🎉']
                .into_iter()
                .any(is_punctuation)
        );
    }
}
