//! Search text: what is indexed of a record, and how a query is asked.
//!
//! SQLite's own folding knows Latin marks only (`елкин` does not find `Ёлкин`), so text is folded here: lower case,
//! compatibility decomposition (UAX #15, NFKD), all marks dropped, a small table for letters that do not decompose.
//! A second column holds the Latin spelling, so that `elkin` finds him too. Phone digits have an index of their own.
//!
//! What a word is, is decided here for the index and for queries alike: a word of a query that SQLite's tokenizer took
//! for two would be a phrase, and the index keeps no places of words that a phrase could be looked up by.

use rusqlite::{Connection, params};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::error::Result;
use crate::fault::{Plant, planted};
use crate::record::Values;
use crate::value::digits;

/// So many words of a query count.
const MAX_WORDS: usize = 8;

/// What search knows of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchText {
    words: String,
    digits: String,
}

impl SearchText {
    /// The search text of a record.
    pub fn of(values: &Values) -> Self {
        let mut text = Self::default();
        for (field, value) in values.iter().filter(|(field, _)| field.searched) {
            for (entry, scalar) in value.parts() {
                (field.ty.index)(entry, &scalar, &mut text);
            }
        }
        text
    }

    /// Adds words.
    pub fn words(&mut self, text: &str) {
        for word in words_of(&fold(text)) {
            if !self.words.is_empty() {
                self.words.push(' ');
            }
            self.words.push_str(word);
        }
    }

    /// Adds a number's digits.
    pub fn number(&mut self, text: &str) {
        let digits = digits(text);
        if digits.len() >= 3 && !self.digits.split(' ').any(|known| known == digits) {
            if !self.digits.is_empty() {
                self.digits.push(' ');
            }
            self.digits.push_str(&digits);
        }
    }

    /// The columns of the indexes: folded words, their Latin spelling where it differs, digits.
    pub fn columns(&self) -> (&str, String, &str) {
        (&self.words, latin(&self.words), &self.digits)
    }

    /// Whether the indexes find the row `n` by the first words and the first number of the text. What else they may hold for
    /// the row cannot be told without reading all of them.
    pub(crate) fn finds(&self, conn: &Connection, n: i64) -> Result<bool> {
        let words: Vec<String> = self.words.split_whitespace().take(MAX_WORDS).map(|word| format!("\"{word}\"")).collect();
        let number = self.digits.split_whitespace().next().map(|digits| format!("\"{digits}\""));
        for (index, query) in [("search", words.join(" ")), ("phone", number.unwrap_or_default())] {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {index} WHERE {index} MATCH ?1 AND rowid = ?2)");
            if !query.is_empty() && !conn.prepare_cached(&sql)?.query_row(params![query, n], |row| row.get::<_, bool>(0))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets the text of the row `n`.
    pub(crate) fn forget(conn: &Connection, n: i64) -> Result<()> {
        conn.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([n])?;
        conn.prepare_cached("DELETE FROM phone WHERE rowid = ?1")?.execute([n])?;
        Ok(())
    }

    /// Indexes the text for the row `n`, instead of `old`.
    pub(crate) fn store(&self, conn: &Connection, n: i64, old: Option<&Self>) -> Result<()> {
        if old == Some(self) {
            return Ok(());
        }
        let existed = old.is_some();
        let stale = existed && planted(Plant::StaleWords);
        if !stale && old.is_none_or(|old| old.words != self.words) {
            if existed {
                conn.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([n])?;
            }
            let latin = latin(&self.words);
            conn.prepare_cached("INSERT INTO search(rowid, words, latin) VALUES (?1, ?2, ?3)")?
                .execute(params![n, self.words, latin])?;
        }
        if old.is_none_or(|old| old.digits != self.digits) {
            if old.is_some_and(|old| !old.digits.is_empty()) {
                conn.prepare_cached("DELETE FROM phone WHERE rowid = ?1")?.execute([n])?;
            }
            if !self.digits.is_empty() {
                conn.prepare_cached("INSERT INTO phone(rowid, digits) VALUES (?1, ?2)")?.execute(params![n, self.digits])?;
            }
        }
        Ok(())
    }
}

/// The folded form of a text: equal for texts that people take for the same.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ł' => folded.push('l'),
            'ß' => folded.push_str("ss"),
            'ø' => folded.push('o'),
            'đ' => folded.push('d'),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ı' => folded.push('i'),
            other => folded.push(other),
        }
    }
    folded
}

/// The words of a folded text.
fn words_of(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !is_in_words(c)).filter(|word| !word.is_empty())
}

/// Whether words consist of the character. All that do are part of a word for SQLite, which goes by an older Unicode: what
/// was a mark there and is a letter now, and letters on dark discs and squares, divide words.
fn is_in_words(c: char) -> bool {
    let divides = matches!(
        c,
        '\u{19b0}'..='\u{19c0}'
            | '\u{19c8}'..='\u{19c9}'
            | '\u{1cf2}'..='\u{1cf3}'
            | '\u{1f150}'..='\u{1f169}'
            | '\u{1f170}'..='\u{1f189}'
    );
    c.is_alphanumeric() && !divides
}

/// The Latin spelling of a folded text; empty where that is the text itself.
fn latin(folded: &str) -> String {
    if folded.is_ascii() { String::new() } else { any_ascii::any_ascii(folded).to_lowercase() }
}

/// A text as a list sorts it: version 1 of the sort key, and the letter that an index of the list shows.
pub fn sort_key(text: &str) -> (String, String) {
    let folded = fold(text.trim());
    let letter = folded.chars().find(|c| c.is_alphanumeric()).map_or("#".to_owned(), |c| c.to_uppercase().collect());
    (folded, letter)
}

/// A query in the two forms that the indexes understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// For the index of words; `None` where nothing in the text is a word.
    pub words: Option<String>,
    /// For the index of digits; `None` below three digits or where the text is more than a number.
    pub digits: Option<String>,
}

impl Query {
    /// Reads what a person typed: every word is a prefix, all must match; a number matches anywhere in a number.
    pub fn parse(text: &str) -> Self {
        let words: Vec<String> = words_of(&fold(text)).take(MAX_WORDS).map(|word| format!("\"{word}\"*")).collect();
        let number = text.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || "+()-./".contains(c));
        let digits = digits(text);
        Self {
            words: (!words.is_empty()).then(|| words.join(" ")),
            digits: (number && digits.len() >= 3).then(|| format!("\"{digits}\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn texts_that_people_take_for_the_same_fold_to_one() {
        for (text, folded) in [
            ("Ёлкин", "елкин"),
            ("Łódź", "lodz"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("ﬁn", "fin"),
            ("Đorđe", "dorde"),
        ] {
            assert_eq!(fold(text), folded);
        }
        assert_eq!(latin(&fold("Ёлкин")), "elkin");
        assert_eq!(sort_key(" Ёлкин "), ("елкин".into(), "Е".into()));
        assert_eq!(sort_key("…").1, "#");
    }

    #[test]
    fn a_query_cannot_break_out_of_its_syntax() {
        let query = Query::parse("a\"b OR c* NEAR(d)");
        assert_eq!(query.words.as_deref(), Some("\"a\"* \"b\"* \"or\"* \"c\"* \"near\"* \"d\"*"));
        assert_eq!(Query::parse("+7 (495) 12").digits.as_deref(), Some("\"749512\""));
        assert_eq!(Query::parse("\"'*"), Query { words: None, digits: None });
    }

    #[test]
    fn what_holds_any_character_is_found_by_the_same_text() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("store/sql/001_init.sql")).unwrap();
        let mut search = conn.prepare("SELECT rowid FROM search WHERE search MATCH ?1").unwrap();
        let characters: Vec<char> = ('\u{80}'..='\u{3ffff}').collect();
        for some in characters.chunks(64) {
            let typed: Vec<String> = some.iter().map(|c| format!("a{c}b")).collect();
            let mut text = SearchText::default();
            text.words(&typed.join("\n"));
            text.store(&conn, 1, None).unwrap();
            // All of them must match, so that one query asks for all.
            let queries: Vec<String> = typed.iter().filter_map(|text| Query::parse(text).words).collect();
            let words: BTreeSet<&str> = queries.iter().flat_map(|query| query.split(' ')).collect();
            let query = words.into_iter().collect::<Vec<_>>().join(" ");
            let found: Result<Vec<i64>, _> = search.query_map([&query], |row| row.get(0)).unwrap().collect();
            assert!(found.as_ref().is_ok_and(|found| *found == [1]), "{found:?} by {query}");
            conn.execute_batch("INSERT INTO search(search) VALUES ('delete-all')").unwrap();
        }
        assert_eq!(Query::parse("a🅰b").words.as_deref(), Some("\"a\"* \"b\"*"));
    }
}
