//! What is wrong with a table, row by row.

use serde::Serialize;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = RowProblem))]
pub struct Problem {
    /// The row as a spreadsheet counts it, from 1 and the header included.
    pub row: usize,
    /// The line as a text editor counts it, from 1.
    pub line: usize,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The column's name in the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column_name: Option<String>,
    /// What stands there, its first 80 characters.
    pub value: String,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What was probably meant, to be written there instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Problem {
    /// What is wrong, not yet where.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), ..Self::default() }
    }
}

/// All that is wrong with a table: the first hundred, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct Problems {
    /// For programs.
    pub code: &'static str,
    /// One sentence about the table as a whole.
    pub what: String,
    /// What to do.
    pub hint: String,
    /// The first hundred problems in the order of the file.
    pub shown: Vec<Problem>,
    /// How many there are in all.
    pub total: usize,
}

/// How many problems are told together.
pub(super) const SHOWN: usize = 100;

impl Problems {
    /// A problem of the table as a whole.
    pub fn table(code: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, what: what.into(), hint: hint.into(), ..Self::default() }
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        self.total += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(problem);
        }
    }

    /// `Err` with a sentence about them all where there are any. `rows` is how many were read, `scale` the one that
    /// their scores were taken to lie on.
    pub(crate) fn into_result(mut self, rows: usize, scale: Option<(f64, f64)>) -> Result<(), Self> {
        if self.total == 0 {
            return Ok(());
        }
        let bad = if self.total == 1 { "1 cell or row".to_owned() } else { format!("{} cells or rows", self.total) };
        self.code = "rows_have_problems";
        self.what = format!("{bad} of {rows} rows cannot be used. Nothing was saved.");
        let off_scale = self.shown.iter().any(|problem| problem.code == "score_out_of_range");
        self.hint = match scale.filter(|_| off_scale) {
            Some((lowest, highest)) => format!(
                "Most scores lie on a scale from {lowest} to {highest}. If that is not yours, say so, for example scale=0-10; if it is, correct the rows below, or send on_bad_row=skip to leave them out."
            ),
            None => {
                "Correct the rows below and send the table again, or send on_bad_row=skip to leave them out.".to_owned()
            }
        };
        Err(self)
    }
}
