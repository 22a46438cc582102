//! Workbooks in Office Open XML (.xlsx), by calamine.

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx};

use super::{Anywhere, Listed, Rows, Sheet, Tally, below, choose, unreadable};
use crate::problems::Problems;

pub(super) fn sheet(file: Box<dyn Anywhere>, wanted: Option<&str>, tally: &mut Tally) -> Result<Sheet, Problems> {
    let mut book = Xlsx::new(file).map_err(|error| unreadable(&error.to_string()))?;
    let sheets: Vec<Listed> = book
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| Listed { name: sheet.name.clone(), hidden: sheet.visible != SheetVisible::Visible })
        .collect();
    choose(&sheets, wanted, |place| rows(&mut book, &sheets[place].name, tally))
}

fn rows(book: &mut Xlsx<Box<dyn Anywhere>>, name: &str, tally: &mut Tally) -> Result<Rows, Problems> {
    let merged = book.merge_cells_by_sheet_name(name).map_err(|error| unreadable(&error.to_string()))?;
    let mut cells = book.worksheet_cells_reader(name).map_err(|error| unreadable(&error.to_string()))?;
    let mut rows = Rows { merged: below(&merged), ..Rows::default() };
    while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(|error| unreadable(&error.to_string()))? {
        let (row, column) = cell.pos;
        let never_computed = cell.formula.is_some() && matches!(cell.value, DataRef::Empty);
        rows.put((row.saturating_add(1), column as usize), &cell.value, never_computed, tally)?;
    }
    Ok(rows)
}
