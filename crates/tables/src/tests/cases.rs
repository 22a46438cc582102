//! Tables as people have them, which this project may not hold: what becomes of each, a line a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::choices::TableOptions;
use crate::inspect::{InspectContext, inspect};
use crate::source::Input;

/// What is right for each: what it is taken for, how many of its rows, how it is written, the scale of its scores; or why
/// its owner is asked, or why it is refused.
const RIGHT: &str = "\
csv_backslash_quotes_nocomma.csv: PairScore, 32 of 32 rows, utf-8, 0-1
csv_hash_comments.csv: PairScore, 32 of 32 rows, utf-8, 0-1
csv_noheader_keyword_base.csv: PairScore, 34 of 34 rows, utf-8, 0-1
csv_ntuple_negatives.csv: Triplet, 80 of 80 rows, utf-8
csv_title_rows.csv: PairScore, 32 of 32 rows, utf-8, 0-1
csv_trailing_delim_rows.csv: PairScore, 32 of 32 rows, utf-8, 0-1
csv_two_score_columns.csv: PairScore, 32 of 32 rows, utf-8, 0-5
enc_cp1250_polish.csv: PairScore, 24 of 24 rows, windows-1250, 0-1
enc_cp1252_english_apostrophe.csv: PairScore, 32 of 32 rows, windows-1252, 0-1
enc_cp1252_french.csv: PairScore, 24 of 24 rows, windows-1252, 0-1
enc_euckr.csv: PairScore, 24 of 24 rows, euc-kr, 0-1
enc_gb2312_sentences.csv: PairScore, 24 of 24 rows, gb18030, 0-1
ir_query_document_relevance_0_1.csv: PairClass, 32 of 32 rows, utf-8, 0-1
json_extra_metadata.jsonl: PairScore, 56 of 56 rows, utf-8, 0-1
json_first_row_no_negative.jsonl: Triplet, 33 of 34 rows, utf-8, asked: rows_have_problems
json_first_row_no_score_text12.jsonl: PairScore, 31 of 32 rows, utf-8, 0-1, asked: rows_have_problems
json_flag_empty_neg.jsonl: PairPositive, 17 of 17 rows, utf-8
json_flag_query_pos_neg.jsonl: Triplet, 34 of 34 rows, utf-8
json_nan_extra.jsonl: PairScore, 32 of 32 rows, utf-8, 0-1
json_pairs_with_prompt_field.jsonl: PairScore, 32 of 32 rows, utf-8, 0-1
json_qqp_set.jsonl: Triplet, 34 of 34 rows, utf-8
json_st_texts_label.jsonl: PairScore, 56 of 56 rows, utf-8, 0-1
label_1_2_3_few.csv: PairScore, 32 of 32 rows, utf-8, 1-3
label_1_2_3_many.csv: PairScore, 96 of 96 rows, utf-8, 1-3
label_de_words.csv: PairClass, 24 of 24 rows, utf-8, 0-1
label_ranks_distance.csv: no kind, 0 of 32 rows, utf-8, asked: columns_unclear
leak_bench.csv: PairScore, 40 of 40 rows, utf-8, 0-1
leak_train.csv: PairScore, 56 of 56 rows, utf-8, 0-1
libre.ods: PairScore, 56 of 56 rows, binary, 0-1
nli_int_labels.csv: PairScore, 64 of 64 rows, utf-8, 0-2, asked: scores_unclear
nli_string_labels.csv: PairScore, 32 of 32 rows, utf-8, 0-1
old.xls: PairScore, 32 of 32 rows, binary, 0-1
pq_extra_struct_meta.parquet: PairScore, 56 of 56 rows, binary, 0-1
pq_hf_nli_classlabel.parquet: PairScore, 56 of 56 rows, binary, 0-1
skos_bom.ttl: refused: is_taxonomy
skos_rdfxml.rdf: refused: is_taxonomy
tabiya_occupations.csv: no kind, 0 of 20 rows, utf-8, asked: is_taxonomy
train_default_42.csv: PairScore, 42 of 42 rows, utf-8, 0-1
tsv_glue_stsb_header_quotes.tsv: PairScore, 32 of 32 rows, utf-8, 0-5
tsv_three_col_quotes_closing.tsv: PairScore, 32 of 32 rows, utf-8, 0-1
two_numeric_mean_std.csv: PairScore, 32 of 32 rows, utf-8, 0-5
txt_19rows.csv: PairScore, 19 of 19 rows, utf-8, 0-1
xlsx_formula_nocache.xlsx: PairScore, 0 of 32 rows, binary, 0-1, asked: rows_have_problems
xlsx_merged_base_cells.xlsx: PairScore, 32 of 32 rows, binary, 0-1
xlsx_readme_first.xlsx: PairScore, 32 of 32 rows, binary, 0-1
xlsx_title_row_ja_5cols.xlsx: PairScore, 24 of 24 rows, binary, 0-1";

fn outcome(path: &Path) -> String {
    let table = match inspect(&Input::file(path.to_owned()), &TableOptions::default(), &InspectContext::default()) {
        Ok(table) => table,
        Err(problems) => return format!("refused: {}", problems.code),
    };
    let kind = table.kind.map_or("no kind".to_owned(), |kind| format!("{kind:?}"));
    let encoding = table.dialect.encoding.map(|encoding| serde_json::to_value(encoding).unwrap());
    let encoding = encoding.as_ref().and_then(|name| name.as_str()).unwrap_or("binary");
    let scale = table.scale.map_or(String::new(), |scale| format!(", {}-{}", scale.lowest, scale.highest));
    let asked = match table.blocked_by.as_slice() {
        [] => String::new(),
        codes => format!(", asked: {}", codes.join(" ")),
    };
    format!("{kind}, {} of {} rows, {encoding}{scale}{asked}", table.rows.usable, table.rows.read)
}

#[test]
fn each_table_of_the_cases_becomes_what_its_owner_means_or_is_asked_about() {
    let folder = std::env::var_os("SHAMISEN_TEST_DATA").map(|folder| PathBuf::from(folder).join("cases/tables"));
    let right: BTreeMap<&str, &str> = RIGHT.lines().filter_map(|line| line.split_once(": ")).collect();
    for (file, right) in &right {
        let Some(path) = folder.as_ref().map(|folder| folder.join(file)).filter(|path| path.exists()) else {
            eprintln!("SKIPPED: cases/tables/{file} is not there (SHAMISEN_TEST_DATA names its folder)");
            continue;
        };
        let outcome = outcome(&path);
        println!("{file}: {outcome}");
        assert_eq!(outcome, *right, "{file}");
    }
}
