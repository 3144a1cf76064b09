//! The table: one line for each figure, with its spread, its ratio to another one, and its target.

use std::fmt;

use crate::common::series::Series;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(formatter, ">= {}", figure(*least)),
            Self::AtMost(most) => write!(formatter, "<= {}", figure(*most)),
        }
    }
}

/// Names and cells.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Heading(String),
    Cells([String; CELLS]),
}

const CELLS: usize = 7;

const COLUMNS: [&str; CELLS] = ["", "median", "min .. max", "n", "ratio", "target", ""];

impl Table {
    /// Begin a group of rows that share a unit.
    pub fn heading(&mut self, what: &str, unit: &str) {
        self.lines.push(Line::Heading(format!("{what} [{unit}]")));
    }

    /// A figure.
    pub fn row(&mut self, name: &str, series: &Series) {
        let cells = match series.spread() {
            Some((median, least, most)) => {
                let spread = format!("{} .. {}", figure(least), figure(most));
                [name.to_owned(), figure(median), spread, series.len().to_string(), none(), none(), none()]
            }
            None => [name.to_owned(), "not measured".to_owned(), none(), "0".to_owned(), none(), none(), none()],
        };
        self.lines.push(Line::Cells(cells));
    }

    /// A figure with a target.
    pub fn row_with_target(&mut self, name: &str, series: &Series, target: Target) {
        self.row(name, series);
        self.judge(series, target);
    }

    /// What the last figure is of another one.
    pub fn ratio(&mut self, ratio: &Series, to: &str, target: Option<Target>) {
        let text = match ratio.spread() {
            Some((median, least, most)) if ratio.len() > 1 => format!("{median:.3} x {to} ({least:.2} .. {most:.2})"),
            Some((median, ..)) => format!("{median:.3} x {to}"),
            None => "-".to_owned(),
        };
        match self.lines.last_mut() {
            // A line has one target.
            Some(Line::Cells(cells)) if cells[4].is_empty() && (cells[5].is_empty() || target.is_none()) => {
                cells[4] = text
            }
            _ => self.lines.push(Line::Cells([none(), none(), none(), none(), text, none(), none()])),
        }
        if let Some(target) = target {
            self.judge(ratio, target);
        }
    }

    fn judge(&mut self, series: &Series, target: Target) {
        let Some(Line::Cells(cells)) = self.lines.last_mut() else { return };
        cells[5] = target.to_string();
        cells[6] = match series.spread() {
            Some((median, ..)) if target.is_met_by(median) => "ok".to_owned(),
            Some(_) => "MISSED".to_owned(),
            None => "not measured".to_owned(),
        };
    }
}

fn none() -> String {
    String::new()
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = COLUMNS.map(str::len);
        for line in &self.lines {
            if let Line::Cells(cells) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = cell.len().max(*width);
                }
            }
        }
        write_cells(formatter, &COLUMNS.map(str::to_owned), &widths)?;
        for line in &self.lines {
            match line {
                Line::Heading(text) => writeln!(formatter, "\n{text}")?,
                Line::Cells(cells) => write_cells(formatter, cells, &widths)?,
            }
        }
        Ok(())
    }
}

/// Numbers stand at the right of their columns, words at the left.
fn write_cells(formatter: &mut fmt::Formatter<'_>, cells: &[String; CELLS], widths: &[usize; CELLS]) -> fmt::Result {
    let mut line = String::from(" ");
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        line += &match column {
            1..=3 => format!(" {cell:>width$} "),
            _ => format!(" {cell:<width$} "),
        };
    }
    writeln!(formatter, "{}", line.trim_end())
}

/// A number with about three digits, or with all digits before the point in groups of three.
pub fn figure(value: f64) -> String {
    if value.abs() < 99.95 {
        return match value.abs() {
            whole if whole.fract() == 0.0 => format!("{value:.0}"),
            small if small < 9.995 => format!("{value:.2}"),
            _ => format!("{value:.1}"),
        };
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digit != '-' && (digits.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
