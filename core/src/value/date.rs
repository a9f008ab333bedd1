//! Three kinds of time, kept apart: a local date never moves with the zone, an instant is when something happened,
//! a zoned plan is a local time whose instant is computed when it is read, since zone rules change.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, TimeZone as _};

use super::scalar::register_as_text;

/// A text that is no date or time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a date (write 2026-12-31, or 2026-12-31T09:00[Europe/Berlin])")]
pub struct NotADate(pub String);

fn not_a_date(text: &str) -> NotADate {
    NotADate(text.chars().take(60).collect())
}

/// A day of the calendar, `2026-12-31`; the same day in every time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDate(pub NaiveDate);

impl fmt::Display for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl FromStr for LocalDate {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Self).map_err(|_| not_a_date(text))?;
        // The parser also takes a sign, years of five digits and days of one: one form only, so that equal dates are equal
        // texts and sort as they follow.
        if text.len() == 10 && date.to_string() == text { Ok(date) } else { Err(not_a_date(text)) }
    }
}

/// When something happened: milliseconds since 1970 in UTC, with the offset of the clock that saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub ms: i64,
    /// Minutes that local time was ahead of UTC.
    pub offset_minutes: i32,
}

impl Instant {
    /// RFC 3339 in the local time of the clock that saw it; a moment outside the calendar is shown as its number.
    pub fn to_rfc3339(self) -> String {
        let offset = chrono::FixedOffset::east_opt(self.offset_minutes.clamp(-1439, 1439) * 60);
        match (offset, chrono::DateTime::from_timestamp_millis(self.ms)) {
            (Some(offset), Some(utc)) => utc.with_timezone(&offset).to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            _ => format!("{} ms", self.ms),
        }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:+}", self.ms, self.offset_minutes)
    }
}

impl FromStr for Instant {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let at = text.rfind(['+', '-']).filter(|at| *at > 0).ok_or_else(|| not_a_date(text))?;
        let (ms, offset) = text.split_at_checked(at).ok_or_else(|| not_a_date(text))?;
        match (ms.parse(), offset.parse()) {
            (Ok(ms), Ok(offset_minutes)) => Ok(Self { ms, offset_minutes }),
            _ => Err(not_a_date(text)),
        }
    }
}

/// A local date and time in a named IANA zone, `2026-12-31T09:00[Europe/Berlin]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ZonedPlan {
    /// The wall clock's date and time.
    pub local: NaiveDateTime,
    /// The IANA name of the zone, kept even where this release does not know it.
    pub zone: String,
}

impl ZonedPlan {
    /// The instant by this release's zone rules. A time that the clocks skip moves to the first one after the gap;
    /// one that they pass twice is the first. An unknown zone is read as UTC, and the flag says so.
    pub fn instant(&self) -> (Instant, bool) {
        let Ok(zone) = self.zone.parse::<chrono_tz::Tz>() else {
            return (Instant { ms: self.local.and_utc().timestamp_millis(), offset_minutes: 0 }, true);
        };
        let mut local = self.local;
        for _ in 0..=24 {
            if let Some(found) = zone.from_local_datetime(&local).earliest() {
                use chrono::Offset as _;
                let offset_minutes = found.offset().fix().local_minus_utc() / 60;
                return (Instant { ms: found.timestamp_millis(), offset_minutes }, false);
            }
            let Some(later) = local.checked_add_signed(chrono::Duration::minutes(15)) else { break };
            local = later;
        }
        (Instant { ms: self.local.and_utc().timestamp_millis(), offset_minutes: 0 }, true)
    }
}

impl fmt::Display for ZonedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.local.format("%Y-%m-%dT%H:%M"), self.zone)
    }
}

impl FromStr for ZonedPlan {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let (local, zone) = text.strip_suffix(']').and_then(|t| t.split_once('[')).ok_or_else(|| not_a_date(text))?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "/_+-:".contains(c);
        if zone.is_empty() || zone.len() > 64 || !zone.chars().all(legal) {
            return Err(not_a_date(text));
        }
        let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M").map_err(|_| not_a_date(text))?;
        // The parser also takes years that do not sort as they follow.
        if !(0..=9999).contains(&local.year()) {
            return Err(not_a_date(text));
        }
        Ok(Self { local, zone: zone.to_owned() })
    }
}

/// When a task is due: on a day, or at a planned time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Due {
    /// By the end of a day, wherever the reader is.
    Date {
        /// The day.
        date: LocalDate,
    },
    /// At a local time in a zone.
    Plan {
        /// The time and its zone.
        plan: ZonedPlan,
    },
}

impl Due {
    /// The day on which it is due, by its own wall clock.
    pub fn date(&self) -> LocalDate {
        match self {
            Self::Date { date } => *date,
            Self::Plan { plan } => LocalDate(plan.local.date()),
        }
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date { date } => date.fmt(f),
            Self::Plan { plan } => plan.fmt(f),
        }
    }
}

impl FromStr for Due {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        if text.contains('[') {
            text.parse().map(|plan| Self::Plan { plan })
        } else {
            text.parse().map(|date| Self::Date { date })
        }
    }
}

register_as_text!(LocalDate, ZonedPlan, Due);

impl super::Register for Instant {
    fn to_scalar(&self) -> super::Scalar {
        super::Scalar::Str(self.to_string())
    }

    fn from_scalar(scalar: &super::Scalar) -> Option<Self> {
        scalar.as_str().and_then(|text| text.parse().ok())
    }

    fn display(&self) -> String {
        self.to_rfc3339()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_time_is_read_back_as_written() {
        for text in ["2026-12-31", "2026-12-31T09:00[Europe/Berlin]", "2026-01-01T00:00[GMT+03:00]"] {
            assert_eq!(text.parse::<Due>().map(|due| due.to_string()), Ok(text.to_owned()));
        }
        for text in ["1700000000000+120", "-5-300", "0+0"] {
            assert_eq!(text.parse::<Instant>().map(|at| at.to_string()), Ok(text.to_owned()));
        }
        let years = ["+12345-1-1", "-999-01-01", "+262142-12-31T23:59[America/New_York]", "-0001-12-31T09:00[UTC]"];
        for text in ["", "-", "2026-13-01", "2026-1-1", "12é", "2026-12-31T09:00[]"].into_iter().chain(years) {
            assert!(text.parse::<Due>().is_err() && text.parse::<Instant>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_plan_keeps_its_wall_clock_across_a_change_of_clocks() {
        let at = |text: &str| text.parse::<ZonedPlan>().map(|plan| plan.instant()).unwrap();
        let before = at("2026-10-24T09:00[Europe/Berlin]").0;
        let after = at("2026-10-26T09:00[Europe/Berlin]").0;
        assert_eq!(after.ms - before.ms, 49 * 3_600_000);
        // 02:30 does not exist on this day: the plan moves to 03:00, the first time after the gap.
        assert_eq!(at("2026-03-29T02:30[Europe/Berlin]").0.to_rfc3339(), "2026-03-29T03:00:00+02:00");
        assert!(at("2026-03-29T02:30[GMT+03:00]").1, "an unknown zone is flagged");
        let last = ZonedPlan { local: NaiveDateTime::MAX, zone: "America/New_York".into() };
        assert!(last.instant().1, "beyond the end of the calendar there is no zone");
    }
}
