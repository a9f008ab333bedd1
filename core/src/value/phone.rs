//! Phone numbers: as typed, and as E.164 where the number can be understood.

use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

/// The country whose national numbers are understood without a `+`: ISO 3166-1, two capital letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Region(String);

impl FromStr for Region {
    type Err = crate::error::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = text.trim().to_uppercase();
        if code.len() == 2 && code.parse::<rlibphonenumber::enums::Region>().is_ok() {
            Ok(Self(code))
        } else {
            Err(crate::error::Error::invalid("region", crate::error::ProblemCode::Format))
        }
    }
}

impl Region {
    /// The two letters; empty where no region is set.
    pub fn code(&self) -> &str {
        &self.0
    }
}

/// The most characters of a number in E.164: `+` and 15 digits.
const MAX_E164: usize = 16;

/// What a typed number means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PhoneNumber {
    /// `+` and digits, at most 15; `None` where the number cannot be understood.
    pub e164: Option<String>,
    /// The extension, which E.164 has no place for.
    pub extension: Option<String>,
}

impl PhoneNumber {
    /// Reads a number as a person in `region` would dial it.
    pub fn read(raw: &str, region: &Region) -> Self {
        // A number that is not dialled abroad needs a region; without one only `+` numbers are understood.
        let region = region.0.parse().ok();
        let Ok(number) = PHONE_NUMBER_UTIL.parse(raw, region) else { return Self::default() };
        let e164 = number.format_as(PhoneNumberFormat::E164).into_owned();
        // Some countries' plans hold longer numbers than E.164 has room for.
        if !PHONE_NUMBER_UTIL.is_possible_number(&number) || e164.len() > MAX_E164 {
            return Self::default();
        }
        Self { e164: Some(e164), extension: number.extension.clone().filter(|extension| !extension.is_empty()) }
    }
}

/// The digits of a text, in ASCII.
pub fn digits(text: &str) -> String {
    text.chars().filter_map(|c| c.to_digit(10)).filter_map(|d| char::from_digit(d, 10)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_understood_as_it_is_dialled_at_home() {
        let read = |raw: &str, region: &str| PhoneNumber::read(raw, &region.parse().unwrap());
        assert_eq!(read("8 (495) 123-45-67", "RU").e164.as_deref(), Some("+74951234567"));
        assert_eq!(read("+49 (0711) 123456", "RU").e164.as_deref(), Some("+49711123456"));
        let number = read("+1 202-555-0173 ext. 89", "DE");
        assert_eq!((number.e164.as_deref(), number.extension.as_deref()), (Some("+12025550173"), Some("89")));
        assert_eq!(read("call me", "DE"), PhoneNumber::default());
        assert_eq!(PhoneNumber::read("030 123456", &Region::default()), PhoneNumber::default());
        assert_eq!(read("+49 125057201734989", "DE"), PhoneNumber::default(), "E.164 has no room for it");
    }
}
