//! Tables for people: aligned by the width that characters have on a terminal, and cut to it.

use std::io::{self, Write};

use console::{measure_text_width, pad_str, truncate_str};

use crate::say::line;

/// A column.
pub(crate) struct Column {
    pub title: &'static str,
    /// Whether it may be cut to make the table fit; an id that is cut is of no use.
    pub cut: bool,
}

/// A column that is never cut.
pub(crate) const fn whole(title: &'static str) -> Column {
    Column { title, cut: false }
}

/// A column that gives way on a narrow terminal.
pub(crate) const fn cut(title: &'static str) -> Column {
    Column { title, cut: true }
}

const GAP: usize = 2;
/// A column is not cut below this.
const LEAST: usize = 6;

/// Writes a table; `width` is the terminal's, if there is one.
pub(crate) fn write(out: &mut dyn Write, columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| line(cell)).collect()).collect();
    let mut widths: Vec<usize> = columns.iter().map(|column| measure_text_width(column.title)).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(measure_text_width(cell));
        }
    }
    if let Some(most) = width {
        fit(&mut widths, columns, most);
    }
    let titles = columns.iter().map(|column| column.title.to_uppercase()).collect();
    for row in std::iter::once(&titles).chain(&rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| pad_str(&truncate_str(cell, *width, "…"), *width, console::Alignment::Left, None).into_owned())
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Takes from the widest column that may be cut, until the table fits or nothing more can be taken.
fn fit(widths: &mut [usize], columns: &[Column], most: usize) {
    loop {
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let over = total.saturating_sub(most);
        let widest = widths
            .iter_mut()
            .zip(columns)
            .filter(|(width, column)| column.cut && **width > LEAST)
            .max_by_key(|(width, _)| **width);
        match widest {
            Some((width, _)) if over > 0 => *width -= 1,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 2]], width: Option<usize>) -> String {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        let mut out = Vec::new();
        write(&mut out, &[cut("name"), whole("id")], &rows, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wide_characters_take_two_places() {
        assert_eq!(table(&[["山田", "1"], ["Anna", "2"]], None), "NAME  ID\n山田  1\nAnna  2\n");
    }

    #[test]
    fn a_narrow_terminal_cuts_names_and_never_ids() {
        assert_eq!(table(&[["Anna Petrova", "0123456789"]], Some(20)), "NAME      ID\nAnna Pe…  0123456789\n");
        assert_eq!(table(&[["Anna Petrova", "0123456789"]], Some(5)), "NAME    ID\nAnna …  0123456789\n");
    }
}
