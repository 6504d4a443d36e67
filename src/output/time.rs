//! Instants for people: absolute in UTC, and relative to a now that is passed in.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// `2026-11-21 03:22:10Z (3 min ago)`
pub(crate) fn when(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ({})", absolute(at), relative(at, now))
}

/// The same on two lines, for a column.
pub(crate) fn since(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{}\n{}", absolute(at), relative(at, now))
}

/// As on the wire: `2026-11-21T03:22:10.123Z`.
pub(crate) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `3 min ago`, `in 5 s`
pub(crate) fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let distance = at - now;
    let amount = amount(distance.abs());
    match amount.as_str() {
        "0 s" => "now".to_owned(),
        _ if distance > TimeDelta::zero() => format!("in {amount}"),
        _ => format!("{amount} ago"),
    }
}

fn absolute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn amount(distance: TimeDelta) -> String {
    let seconds = distance.num_seconds();
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_relative_and_absolute() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let at = |seconds| now + TimeDelta::seconds(seconds);
        let told = [
            (0, "now"),
            (-59, "59 s ago"),
            (5, "in 5 s"),
            (-3_599, "59 min ago"),
            (7_200, "in 2 h"),
            (-172_800, "2 d ago"),
        ];
        for (seconds, words) in told {
            assert_eq!(relative(at(seconds), now), words);
        }
        assert_eq!(when(at(-180), now), "2027-01-15 07:57:00Z (3 min ago)");
        assert_eq!(stamp(now), "2027-01-15T08:00:00.000Z");
    }
}
