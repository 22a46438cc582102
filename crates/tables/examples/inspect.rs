//! What would become of tables: `cargo run -p shamisen-tables --example inspect -- FILE..` prints a line for each, and
//! what is worth knowing below it.
#![expect(clippy::print_stdout, reason = "what it is for")]

use tables::inspect::{InspectContext, Inspection, inspect};
use tables::source::Input;

fn main() {
    for path in std::env::args().skip(1) {
        let name = path.rsplit('/').next().unwrap_or_default();
        match inspect(&Input::file(path.clone().into()), &Default::default(), &InspectContext::default()) {
            Err(refused) => println!("{name}: refused, {}: {} {}", refused.code, refused.what, refused.hint),
            Ok(seen) => tell(name, &seen),
        }
    }
}

fn tell(name: &str, seen: &Inspection) {
    let column = |column: &tables::inspect::ColumnFacts| {
        let name = column.name.clone().unwrap_or_else(|| column.number.to_string());
        Some(format!("{}={name}", column.becomes?))
    };
    let columns: Vec<String> = seen.columns.iter().filter_map(column).collect();
    let kind = seen.kind.map_or_else(|| "unclear".to_owned(), |kind| tables::choices::name_of(&kind));
    let dialect = &seen.dialect;
    let encoding = dialect.encoding.map(|encoding| tables::choices::name_of(&encoding));
    let read = [Some(tables::choices::name_of(&dialect.format)), encoding, dialect.sheet.clone()];
    let read: Vec<String> = read.into_iter().flatten().collect();
    let scale =
        seen.scale.as_ref().map_or_else(String::new, |scale| format!(", {} to {}", scale.lowest, scale.highest));
    let blocked = if seen.blocked_by.is_empty() { "taken".to_owned() } else { seen.blocked_by.join(" ") };
    println!(
        "{name}: {blocked}; {kind}, {} of {} rows; {}{scale}; {}",
        seen.rows.usable,
        seen.rows.read,
        columns.join(" "),
        read.join(" ")
    );
    for finding in &seen.findings {
        println!("    {}: {} {}", finding.code, finding.message, finding.hint);
    }
    for problem in seen.problems.iter().take(2) {
        println!("    row {}: {}: {}", problem.row, problem.code, problem.message);
    }
}
