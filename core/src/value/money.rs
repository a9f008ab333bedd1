//! Money: whole minor units and an ISO 4217 code, never a floating-point number.

use std::fmt;
use std::str::FromStr;

use iso_currency::Currency;

/// An amount in the currency's smallest unit (cents; yen have none). Amount and currency are one value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Money {
    /// The amount in minor units: 100050 for 1000.50 EUR.
    pub minor: i64,
    /// ISO 4217 code, three capital letters.
    pub currency: String,
}

/// Why a text is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The currency is missing or not in ISO 4217.
    #[error("“{0}” is not a currency code (write an amount like 1000.50 EUR)")]
    Currency(String),
    /// The number cannot be read.
    #[error("“{0}” is not an amount (write one like 1000.50 EUR)")]
    Amount(String),
    /// More decimals than the currency has.
    #[error("{currency} has {decimals} decimals")]
    Decimals {
        /// The currency's code.
        currency: String,
        /// How many decimals it has.
        decimals: u16,
    },
}

impl Money {
    /// Decimals of an ISO 4217 currency (EUR 2, JPY 0, KWD 3); `None` for an unknown code.
    pub fn decimals(code: &str) -> Option<u16> {
        Currency::from_code(code).map(|currency| currency.exponent().unwrap_or(0))
    }

    /// Reads what a person types: `1000.50 EUR`, `1000,5 eur`, `1 000 JPY`.
    ///
    /// # Errors
    /// [`MoneyError`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let text = text.trim();
        let split = text
            .rfind(|c: char| !c.is_alphabetic())
            .map_or(0, |at| at + text.chars().rev().find(|c| !c.is_alphabetic()).map_or(1, char::len_utf8));
        let (number, code) = text.split_at_checked(split).unwrap_or((text, ""));
        let currency = code.trim().to_uppercase();
        let decimals = Self::decimals(&currency).ok_or_else(|| MoneyError::Currency(currency.clone()))?;
        let bad = || MoneyError::Amount(number.trim().to_owned());
        let compact: String = number.chars().filter(|c| !c.is_whitespace() && *c != '\u{a0}' && *c != '\'').collect();
        let (negative, digits) = compact.strip_prefix('-').map_or((false, compact.as_str()), |rest| (true, rest));
        let (whole, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        if fraction.len() > usize::from(decimals) {
            return Err(MoneyError::Decimals { currency, decimals });
        }
        let padded = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
        let minor: i64 = padded.parse().map_err(|_| bad())?;
        Ok(Self { minor: if negative { -minor } else { minor }, currency })
    }

    /// What a person reads: `1000.50 EUR`.
    pub fn to_text(&self) -> String {
        let decimals = usize::from(Self::decimals(&self.currency).unwrap_or(0));
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at_checked(digits.len() - decimals).unwrap_or((&digits, ""));
        if fraction.is_empty() {
            format!("{sign}{whole} {}", self.currency)
        } else {
            format!("{sign}{whole}.{fraction} {}", self.currency)
        }
    }
}

/// The canonical encoding: `100050 EUR`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.minor, self.currency)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (minor, currency) = text.split_once(' ').ok_or_else(|| MoneyError::Amount(text.to_owned()))?;
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(MoneyError::Currency(currency.to_owned()));
        }
        Ok(Self { minor: minor.parse().map_err(|_| MoneyError::Amount(minor.to_owned()))?, currency: currency.to_owned() })
    }
}

impl super::Register for Money {
    fn to_scalar(&self) -> super::Scalar {
        super::Scalar::Str(self.to_string())
    }

    fn from_scalar(scalar: &super::Scalar) -> Option<Self> {
        scalar.as_str().and_then(|text| text.parse().ok())
    }

    fn display(&self) -> String {
        self.to_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, minor, currency) in [
            ("1000.50 EUR", 100_050, "EUR"),
            ("1000,5 eur", 100_050, "EUR"),
            ("1 000 JPY", 1000, "JPY"),
            ("1'000.125 KWD", 1_000_125, "KWD"),
            ("-3 RUB", -300, "RUB"),
            ("7USD", 700, "USD"),
        ] {
            assert_eq!(Money::parse(text), Ok(Money { minor, currency: currency.into() }), "{text}");
        }
    }

    #[test]
    fn a_wrong_amount_says_what_is_wrong() {
        assert!(matches!(Money::parse("12"), Err(MoneyError::Currency(_))));
        assert!(matches!(Money::parse("12 ZZZ"), Err(MoneyError::Currency(_))));
        assert!(matches!(Money::parse("1.2.3 EUR"), Err(MoneyError::Amount(_))));
        assert!(matches!(Money::parse("1.234 EUR"), Err(MoneyError::Decimals { decimals: 2, .. })));
        assert!(matches!(Money::parse("99999999999999999999 EUR"), Err(MoneyError::Amount(_))));
        assert!(Money::parse("é").is_err() && Money::parse("").is_err());
    }

    #[test]
    fn an_amount_is_shown_with_its_decimals() {
        let shown = |minor, currency: &str| Money { minor, currency: currency.into() }.to_text();
        assert_eq!([shown(5, "EUR"), shown(-100_050, "EUR"), shown(7, "JPY")], ["0.05 EUR", "-1000.50 EUR", "7 JPY"]);
    }
}
