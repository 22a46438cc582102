//! A taxonomy as a table: a row a concept, or several rows about the same one.

use super::gather::{Gathering, Piece};
use super::names::{Role, code_above, role};
use crate::problems::Problems;
use crate::source::{Fault, Row};

/// Which column holds what.
#[derive(Debug, Default, PartialEq)]
struct Layout {
    id: Option<usize>,
    parents: Vec<usize>,
    /// From the widest group to the narrowest.
    levels: Vec<usize>,
    label: Option<usize>,
    alternatives: Vec<usize>,
    /// The first that is filled counts.
    descriptions: Vec<usize>,
}

impl Layout {
    fn of(header: &[String]) -> Self {
        let mut known: Vec<(usize, Role, usize)> = (header.iter().enumerate())
            .filter_map(|(column, name)| role(name).map(|(order, role)| (order, role, column)))
            .collect();
        known.sort();
        let mut layout = Self::default();
        for (_, role, column) in known {
            match role {
                Role::Id => layout.id = layout.id.or(Some(column)),
                Role::Parent => layout.parents.push(column),
                Role::Level(_) => layout.levels.push(column),
                Role::Label => layout.label = layout.label.or(Some(column)),
                Role::Alternatives => layout.alternatives.push(column),
                Role::Description => layout.descriptions.push(column),
            }
        }
        // 小分類 with no label beside it is the concept itself.
        if layout.label.is_none() && layout.id.is_none() && layout.levels.len() > 1 {
            layout.label = layout.levels.pop();
        }
        layout
    }
}

/// Reads rows into a gathering. A table without an id goes by its labels.
pub(super) fn read(
    header: Option<&[String]>,
    rows: impl Iterator<Item = Result<Row, Fault>>,
    into: &mut Gathering,
) -> Result<(), Problems> {
    let header =
        header.ok_or_else(|| unclear("The table has no header, so it is not known which column is what.", &[]))?;
    let layout = Layout::of(header);
    if layout.label.is_none() && layout.id.is_none() {
        return Err(unclear("None of the columns is known to hold labels or ids of concepts.", header));
    }
    into.looked_at.extend(header.iter().cloned());
    for row in rows {
        match row {
            Ok(row) => add(&row, &layout, into)?,
            Err(Fault::Row(problem)) => into.problems.push(problem),
            Err(Fault::Table(problems)) => return Err(problems),
        }
    }
    Ok(())
}

fn unclear(what: &str, header: &[String]) -> Problems {
    let seen = if header.is_empty() { String::new() } else { format!(" The columns are {}.", header.join(", ")) };
    Problems::table(
        "taxonomy_columns_unclear",
        what,
        format!(
            "Name the columns in the first row: id, parent, label, alt_labels, description (or ID, 上位, 名称, 別名, \
             説明). Label alone is needed.{seen}"
        ),
    )
}

fn add(row: &Row, layout: &Layout, into: &mut Gathering) -> Result<(), Problems> {
    let cell = |column: &usize| row.cells.get(*column).and_then(|cell| filled(cell));
    let label = layout.label.as_ref().and_then(cell);
    let Some(id) = layout.id.as_ref().and_then(cell).or(label) else {
        // A blank row, or one about nothing.
        return Ok(());
    };
    let parents = layout.parents.iter().filter_map(cell).flat_map(|cell| cell.split(['|', '\n', '\r', ';']));
    let mut parents: Vec<String> = parents.filter_map(filled).map(str::to_owned).collect();
    parents.extend(levels(layout.levels.iter().filter_map(cell), into)?);
    if layout.parents.is_empty() && layout.levels.is_empty() {
        parents.extend(code_above(id));
    }
    into.add(Piece {
        id: id.to_owned(),
        parents,
        label: label.map(str::to_owned),
        alternatives: layout.alternatives.iter().filter_map(cell).flat_map(several).collect(),
        description: layout.descriptions.iter().find_map(cell).map(str::to_owned),
        row: row.row,
        line: row.line,
    })
}

/// A text without the blanks around it, where anything is left.
fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The groups of a row from the widest to the narrowest, each under the one before: the narrowest is the parent.
fn levels<'a>(names: impl Iterator<Item = &'a str>, into: &mut Gathering) -> Result<Option<String>, Problems> {
    let mut above: Option<String> = None;
    for name in names {
        // Two groups of one name in different places are two groups.
        let group = above.as_ref().map_or_else(|| name.to_owned(), |above| format!("{above} / {name}"));
        into.group(&group, above.as_deref())?;
        above = Some(group);
    }
    Ok(above)
}

/// Several labels in one cell: by lines (as ESCO has it), by `|`, by semicolons, by Japanese commas; the first of
/// these that is there divides.
fn several(cell: &str) -> Vec<String> {
    let divider: &[char] = match cell {
        cell if cell.contains(['\n', '\r']) => &['\n', '\r'],
        cell if cell.contains(['|', '｜']) => &['|', '｜'],
        cell if cell.contains([';', '；']) => &[';', '；'],
        _ => &['、'],
    };
    cell.split(divider).filter_map(filled).map(str::to_owned).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Concept, Taxonomy};
    use super::*;

    /// Reads a plain CSV.
    pub(crate) fn taxonomy(text: &str) -> Result<Taxonomy, Problems> {
        let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows = reader.records().enumerate().map(|(at, record)| {
            let cells = record.unwrap().iter().map(str::to_owned).collect();
            Ok(Row { row: at + 2, line: at + 2, cells, ..Row::default() })
        });
        let mut gathering = Gathering::default();
        read(Some(&header), rows, &mut gathering)?;
        gathering.finish()
    }

    fn names(concept: &Concept) -> String {
        concept.alternatives.join("+")
    }

    #[test]
    fn escos_own_table_is_read_without_help() {
        let read = taxonomy(concat!(
            "conceptType,conceptUri,iscoGroup,preferredLabel,altLabels,hiddenLabels,status,scopeNote,definition,description,code\n",
            "Occupation,http://data.europa.eu/esco/occupation/0022f466,2654,technical director,\"head of technical\nTechnical Director\ndirector of technical arts\",,released,,,They realise visions.,2654.1.7\n"
        ))
        .unwrap();
        let concept = &read.concepts[0];
        assert_eq!(concept.id, "http://data.europa.eu/esco/occupation/0022f466");
        assert_eq!(concept.parents, ["2654"]);
        assert_eq!(names(concept), "head of technical+director of technical arts", "the label is no other name");
        // The definition column comes first and is empty; the description is there.
        assert_eq!(concept.description.as_deref(), Some("They realise visions."));
        assert_eq!(read.groups["265"], ["26"]);
        assert_eq!(read.problems_total, 0);
    }

    #[test]
    fn onets_rows_about_one_occupation_come_together() {
        let read = taxonomy(concat!(
            "O*NET-SOC Code,Title,Alternate Title,Short Title,Source(s)\n",
            "15-1252.00,Software Developers,Application Developer,,8\n",
            "15-1252.00,Software Developers,Software Engineer,SWE,8\n",
            "15-1253.00,Software Quality Assurance Analysts,QA Analyst,,8\n"
        ))
        .unwrap();
        assert_eq!(read.concepts.len(), 2);
        assert_eq!(names(&read.concepts[0]), "Application Developer+Software Engineer+SWE");
        assert_eq!(read.concepts[0].parents, ["15-1252"]);
        assert_eq!(read.groups["15-1250"], ["15-0000"]);
    }

    #[test]
    fn a_japanese_spreadsheet_with_levels_is_read() {
        let read = taxonomy(
            "大分類,中分類,名称,別名,説明\n医療,医師,歯科医師,歯医者、デンティスト,歯を治す。\n事務,医師,秘書,,\n",
        )
        .unwrap();
        assert_eq!(names(&read.concepts[0]), "歯医者+デンティスト");
        assert_eq!(read.concepts[0].parents, ["医療 / 医師"]);
        assert_eq!(read.concepts[1].parents, ["事務 / 医師"], "the same name elsewhere is another group");
        assert_eq!(read.groups["医療 / 医師"], ["医療"]);
    }

    #[test]
    fn a_table_without_labels_is_refused_in_words() {
        let error = taxonomy("id,parent\n1,2\n2,3\n").unwrap_err();
        assert_eq!(error.code, "labels_missing");
        assert!(error.hint.contains("The columns are id, parent."), "{}", error.hint);
        let error = taxonomy("foo,bar\n1,2\n").unwrap_err();
        assert_eq!(error.code, "taxonomy_columns_unclear");
    }

    #[test]
    fn a_circle_is_cut_and_told() {
        let read = taxonomy("id,parent,label\na,b,A\nb,c,B\nc,a,C\nd,d,D\n").unwrap();
        let edges: usize = read.concepts.iter().map(|concept| concept.parents.len()).sum();
        assert_eq!(edges, 2);
        assert_eq!(read.problems_total, 1);
        assert_eq!(read.problems[0].code, "parents_in_a_circle");
    }

    #[test]
    fn what_has_no_label_is_told_and_still_ties_others() {
        let read = taxonomy("id,parent,label\na,g,A\ng,top,\nb,g,B\n").unwrap();
        assert_eq!(read.concepts.len(), 2);
        assert_eq!((read.problems[0].code, read.problems[0].row), ("concept_without_label", 3));
        assert_eq!(read.groups["g"], ["top"]);
    }

    #[test]
    fn a_databases_own_numbers_are_no_codes() {
        let read = taxonomy("id,parent,label\n1,17,A\n2,180,B\n").unwrap();
        assert_eq!(read.groups["17"], Vec::<String>::new());
    }
}
