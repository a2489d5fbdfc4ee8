//! Columns for people.

use std::fmt::{self, Display};

/// Rows of cells under titles. All but the first column stand on the right.
pub(super) struct Table<const COLUMNS: usize> {
    pub(super) titles: [&'static str; COLUMNS],
    pub(super) rows: Vec<[String; COLUMNS]>,
}

/// Between two columns.
const GAP: &str = "  ";

impl<const COLUMNS: usize> Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = self.titles.map(str::to_owned);
        let rows = || std::iter::once(&titles).chain(&self.rows);
        let mut widths = [0; COLUMNS];
        for row in rows() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in rows() {
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                match column {
                    0 => write!(f, "{cell:<width$}")?,
                    _ => write!(f, "{GAP}{cell:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let table = Table {
            titles: ["A", "LONG"],
            rows: vec![["säule".to_owned(), "1".to_owned()]],
        };
        assert_eq!(table.to_string(), "A      LONG\nsäule     1\n");
    }
}
