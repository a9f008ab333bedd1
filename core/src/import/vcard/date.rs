//! Birthdays, with and without a year.

use chrono::{Datelike, NaiveDate};
use std::fmt;

/// Any leap year: without a year, 29 February is a birthday too.
const LEAP_YEAR: i32 = 2000;

/// A birthday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CardDate {
    /// Day, month and year, as written: a time behind it, and with it any time zone, is left out.
    Full(NaiveDate),
    /// A day that comes every year.
    MonthDay {
        /// 1 to 12.
        month: u32,
        /// 1 to 31, and a day that the month can have.
        day: u32,
    },
}

impl CardDate {
    /// Reads `1985-04-12`, `19850412`, `--04-12` or `--0412`, with or without a time behind it.
    ///
    /// The year is left out if it is 0 or `no_year`: writers that must give one use a year to mean none.
    pub(crate) fn parse(text: &str, no_year: Option<&str>) -> Option<Self> {
        let date = text.split(['T', 't', ' ']).next()?;
        let (year, day) = match date.strip_prefix("--") {
            Some(day) => (None, day),
            None => {
                let year = date.get(..4)?;
                (Some(year), date.get(4..)?)
            }
        };
        let day = day.strip_prefix('-').unwrap_or(day);
        let (month, day) = match day.split_once('-') {
            Some(parts) => parts,
            None => (day.get(..2)?, day.get(2..)?),
        };
        let (month, day) = (number(month, 2)?, number(day, 2)?);
        match year {
            Some(text) if Some(text) != no_year && number(text, 4)? != 0 => {
                NaiveDate::from_ymd_opt(number(text, 4)?.try_into().ok()?, month, day).map(Self::Full)
            }
            _ => NaiveDate::from_ymd_opt(LEAP_YEAR, month, day).map(|_| Self::MonthDay { month, day }),
        }
    }

    /// The date in the basic form of vCard 4.0: `19850412` or `--0412`. Nothing for a year that has not four digits.
    pub(super) fn to_basic(self) -> Option<String> {
        match self {
            Self::Full(date) if (1..=9999).contains(&date.year()) => Some(date.format("%Y%m%d").to_string()),
            Self::Full(_) => None,
            Self::MonthDay { month, day } => Some(format!("--{month:02}{day:02}")),
        }
    }
}

/// `1985-04-12` or `--04-12`.
impl fmt::Display for CardDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(date) => write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
            Self::MonthDay { month, day } => write!(f, "--{month:02}-{day:02}"),
        }
    }
}

fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}
