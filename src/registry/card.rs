//! A model's card: what it is, what it learned from, what was measured and what was not.
//!
//! Mitchell et al. 2019, "Model Cards for Model Reporting", for the sections. The report is read as it
//! stands in the folder, so that whatever a job measures is told.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::TRAINING;
use super::markdown::{block, cell, code, escaped, shell_word, table, wide_table};
use crate::ml::Result;
use crate::ml::encoder::{self, ModelCard, ModelFiles, Place};
use crate::ml::train::Recipe;

/// The card of the model in a folder, in Markdown.
pub fn card(folder: &Path) -> Result<String> {
    let model = encoder::read_card(folder)?;
    let training: Option<Value> = ModelFiles::open(folder, Place::File)?.json_if_there(TRAINING)?;
    let mut sections = vec![what(&model, training.as_ref())];
    if let Some(training) = &training {
        sections.extend([data(training), recipe(training), measurements(training), epochs(training)]);
    }
    sections.push(limits(&model, training.as_ref()));
    sections.extend(training.as_ref().map(reproduction));
    sections.push(usage(&model));
    Ok(sections.join("\n"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn what(model: &ModelCard, training: Option<&Value>) -> String {
    let mut facts = vec![["fingerprint".to_owned(), format!("`{}`", model.fingerprint)]];
    let lead = if let Some(training) = training {
        let base = &training["base"];
        let name = cell(&base["name"]);
        facts.push(["tuned from".to_owned(), format!("{name}, fingerprint {}", span(&base["fingerprint"]))]);
        if training["fingerprint"] != model.fingerprint.as_str() {
            facts
                .push(["before it was exported".to_owned(), format!("fingerprint {}", span(&training["fingerprint"]))]);
        }
        format!("A sentence encoder, tuned from {name} by Shamisen {}.", cell(&training["shamisen"]))
    } else if model.base_fingerprint.is_some() {
        "A tuned sentence encoder. Its folder does not tell how it was tuned.".to_owned()
    } else {
        "A sentence encoder as it was imported: a base model.".to_owned()
    };
    facts.push(["dimensions".to_owned(), model.dimensions.to_string()]);
    facts.push(["tokens read of a text".to_owned(), model.max_tokens.to_string()]);
    format!("# {}\n\n{lead}\n\n{}", escaped(&model.name), table(&["what", "value"], facts))
}

/// A hash or word of our own as code.
fn span(value: &Value) -> String {
    format!("`{}`", text(value))
}

fn data(training: &Value) -> String {
    let rows = &training["report"]["rows"];
    let row = |role: &str, data: &Value, rows: [&Value; 3]| {
        let [trained, validated, leaking] = rows.map(cell);
        [role.to_owned(), cell(&data["name"]), span(&data["sha256"]), trained, validated, leaking]
    };
    let dataset = &training["dataset"];
    let (none, unknown) = (&json!(0), &Value::Null);
    let judged = [&rows["validation"], &rows["leaking"]];
    let validation = training.get("validation").filter(|table| table.is_object());
    let [validated, leaking] = if validation.is_some() { [none, none] } else { judged };
    let mut lines = vec![row("training", dataset, [&rows["training"], validated, leaking])];
    lines.extend(validation.map(|table| row("validation", table, [none, judged[0], judged[1]])));
    for (role, rows) in [("replay", [unknown, none, unknown]), ("benchmark", [none, unknown, unknown])] {
        if training[role].is_object() {
            lines.push(row(role, &training[role], rows));
        }
    }
    let heads = ["for", "table", "SHA-256 of its bytes", "rows trained", "rows validated", "of these leaking"];
    format!("## Data\n\n{}\nA leaking row validates and shares a text with a row that trained.\n", table(&heads, lines))
}

fn recipe(training: &Value) -> String {
    let (name, config) = (&training["recipe"], &training["config"]);
    let facts = serde_json::from_value(training["table"].clone()).unwrap_or_default();
    let standard = serde_json::from_value::<Recipe>(name.clone()).ok();
    let standard = standard.and_then(|recipe| serde_json::to_value(recipe.config(facts)).ok()).unwrap_or_default();
    let settings = config.as_object().into_iter().flatten();
    let changed: Vec<[String; 3]> = settings
        .filter(|(setting, value)| standard[setting.as_str()] != **value)
        .map(|(setting, value)| [format!("`{setting}`"), code(value), code(&standard[setting.as_str()])])
        .collect();
    let changed = if changed.is_empty() {
        "No setting differs from the recipe.\n".to_owned()
    } else {
        format!("Settings that differ from the recipe:\n\n{}", table(&["setting", "here", "recipe"], changed))
    };
    let all = block("json", &format!("{config:#}"));
    format!("## Recipe {}\n\n{changed}\nAll settings:\n\n{all}", span(name))
}

fn measurements(training: &Value) -> String {
    let report = &training["report"];
    let after = figures(&report["after"]);
    let rows = figures(&report["before"]).into_iter().map(|before| {
        let after = after.iter().find(|after| after.is_beside(&before)).map_or(&Value::Null, |after| after.value);
        let change = before.value.as_f64().zip(after.as_f64()).map(|(before, after)| after - before);
        let change = change.map_or("–".to_owned(), |change| format!("{change:+.4}"));
        [escaped(&before.on), cell(before.pairs), escaped(&before.metric), cell(before.value), cell(after), change]
    });
    let heads = ["on", "pairs", "metric", "before", "after", "change"];
    let mut told = format!("## Measurements\n\n{}", table(&heads, rows));
    for part in ["verdict", "pearson", "spread"] {
        told += &records(part, &report[part]);
    }
    told
}

/// One number of an evaluation.
struct Figure<'a> {
    /// The data, as `benchmark sts.csv`.
    on: String,
    pairs: &'a Value,
    metric: String,
    /// `null` where it could not be measured.
    value: &'a Value,
}

impl Figure<'_> {
    fn is_beside(&self, other: &Figure<'_>) -> bool {
        self.on == other.on && self.metric == other.metric
    }
}

/// All numbers of an evaluation: an object of what was measured on, each an object of metrics. What was
/// not measured at all is left to the limits.
fn figures(evaluation: &Value) -> Vec<Figure<'_>> {
    let mut found = Vec::new();
    for (on, metrics) in evaluation.as_object().into_iter().flatten() {
        let Some(metrics) = metrics.as_object() else { continue };
        let word = |field: &str| metrics.get(field).and_then(Value::as_str);
        let on = word("name").or_else(|| word("measure")).map_or_else(|| on.clone(), |word| format!("{on} {word}"));
        let pairs = metrics.get("pairs").unwrap_or(&Value::Null);
        collect(&on, pairs, "", metrics, &mut found);
    }
    found
}

fn collect<'a>(
    on: &str,
    pairs: &'a Value,
    group: &str,
    metrics: &'a serde_json::Map<String, Value>,
    found: &mut Vec<Figure<'a>>,
) {
    for (name, value) in metrics.iter().filter(|(name, _)| *name != "pairs") {
        let metric = if group.is_empty() { name.clone() } else { format!("{group} {name}") };
        match value {
            Value::Object(inner) => collect(on, pairs, &metric, inner, found),
            Value::Number(_) | Value::Null => found.push(Figure { on: on.to_owned(), pairs, metric, value }),
            _ => {}
        }
    }
}

/// A part of the report that holds records, in a list or each under a name, as a table of whatever fields
/// they have; empty where the report has no such part. A single word or number beside them goes ahead.
fn records(title: &str, part: &Value) -> String {
    const FIRST: [&str; 11] =
        ["axis", "name", "metric", "pairs", "n", "before", "after", "delta", "low", "high", "verdict"];
    let (mut words, mut rows) = (Vec::new(), Vec::new());
    for (name, value) in part.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) => {
                let mut fields = fields.clone();
                fields.insert("axis".to_owned(), json!(name));
                rows.push(fields);
            }
            Value::Null | Value::Array(_) => {}
            word => words.push(format!("{}: **{}**\n\n", escaped(name), cell(word))),
        }
    }
    rows.extend(part.as_array().into_iter().flatten().filter_map(|record| record.as_object().cloned()));
    if rows.is_empty() {
        return String::new();
    }
    let known = |head: &&str| rows.iter().any(|row| row.contains_key(*head));
    let others: BTreeSet<&str> = rows.iter().flat_map(|row| row.keys().map(String::as_str)).collect();
    let others = others.into_iter().filter(|head| !FIRST.contains(head));
    let heads: Vec<&str> = FIRST.into_iter().filter(known).chain(others).collect();
    let cells = rows.iter().map(|row| heads.iter().map(|head| cell(row.get(*head).unwrap_or(&Value::Null))).collect());
    let shown: Vec<String> = heads.iter().map(|head| escaped(head)).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    format!("\n### {}\n\n{}{}", escaped(title), words.concat(), wide_table(&shown, cells))
}

fn epochs(training: &Value) -> String {
    let report = &training["report"];
    let epochs = report["epochs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(fields) = epochs.first().and_then(Value::as_object) else { return String::new() };
    // One number each, and what was measured at all.
    let measured = |field: &str| epochs.iter().any(|epoch| epoch[field].is_number());
    let others = fields.keys().map(String::as_str).filter(|field| *field != "epoch" && measured(field));
    let heads: Vec<&str> = ["epoch"].into_iter().chain(others).collect();
    let rows = epochs.iter().map(|epoch| {
        let kept = epoch["epoch"] == report["kept_epoch"];
        let told = |head: &&str| if kept { format!("**{}**", cell(&epoch[*head])) } else { cell(&epoch[*head]) };
        heads.iter().map(told).collect()
    });
    format!(
        "## Epochs\n\nThe model has the weights of the epoch in bold. Training ended by {}, after {} s.\n\n{}",
        span(&report["stopped"]),
        cell(&report["seconds"]),
        wide_table(&heads, rows)
    )
}

fn limits(model: &ModelCard, training: Option<&Value>) -> String {
    let mut limits = vec![format!(
        "Of a text, {} tokens are read, its two markers included. What is beyond is cut and has no effect on the vector.",
        model.max_tokens
    )];
    if let Some(training) = training {
        let report = &training["report"];
        limits.extend(report["notes"].as_array().into_iter().flatten().map(|note| cell(&note["message"])));
        for figure in figures(&report["after"]).iter().filter(|figure| figure.value.is_null()) {
            limits.push(format!("{} could not be measured on {}.", escaped(&figure.metric), escaped(&figure.on)));
        }
        limits.push("The figures are on the languages and the kind of text that the tables above are in. What became of the base's other languages was not measured.".to_owned());
        limits.push("Similarities of pairs were measured. Search, clustering and classification with the vectors were not, unless a measurement above says so.".to_owned());
    } else {
        limits.push(
            "Shamisen measured nothing of this model here. A job's report measures its base beside the tuned model."
                .to_owned(),
        );
    }
    limits.push("Near vectors mean near texts as far as the training scores say so. The model does not know what is true, and repeats the bias of what it learned from.".to_owned());
    format!("## Limits\n\n{}\n", limits.iter().map(|limit| format!("- {limit}")).collect::<Vec<_>>().join("\n"))
}

/// The requests that make the same model.
fn reproduction(training: &Value) -> String {
    let mut request = json!({
        "model": training["base"]["name"],
        "recipe": training["recipe"],
        "config": training["config"],
        "titles": training["titles"],
    });
    // A model that was given no name has its id as one, which cannot be asked for.
    if !text(&training["name"]).starts_with("ft_") {
        request["name"] = training["name"].clone();
    }
    let mut commands = upload("DATASET", "table", &training["dataset"], "");
    // The ids are the shell's to fill in; everything else means itself.
    let request = request.to_string();
    let request = request.strip_suffix('}').unwrap_or(&request);
    let mut body = shell_word(&format!(r#"{request},"dataset_id":""#)) + r#""$DATASET""#;
    let others =
        [("VALIDATION", "validation", ""), ("BENCHMARK", "benchmark", "?benchmark=true"), ("REPLAY", "replay", "")];
    for (variable, role, query) in others {
        if training[role].is_object() {
            commands += &upload(variable, role, &training[role], query);
            body += &(shell_word(&format!(r#"","{role}_id":""#)) + &format!(r#""${variable}""#));
        }
    }
    commands += &format!(
        "curl -s http://127.0.0.1:8080/jobs -H 'Content-Type: application/json' \\\n  -d {body}{}",
        shell_word("\"}")
    );
    format!(
        "## Reproduction\n\nThe same weights come of the same table, a base with the same fingerprint, the seed {}, Shamisen {}, libtorch {} and {} threads on the same kind of processor; another one sums in another order.\n\n{}",
        cell(&training["config"]["seed"]),
        cell(&training["shamisen"]),
        cell(&training["libtorch"]),
        cell(&training["threads"]),
        block("sh", &commands)
    )
}

/// The command that uploads a table and keeps its id in a variable.
fn upload(variable: &str, file: &str, table: &Value, query: &str) -> String {
    let meaning = table["lowest_means"].as_str().map(|meaning| format!("lowest_means={meaning}"));
    let query = match (query, meaning) {
        (query, None) => query.to_owned(),
        ("", Some(meaning)) => format!("?{meaning}"),
        (query, Some(meaning)) => format!("{query}&{meaning}"),
    };
    let url = format!("'http://127.0.0.1:8080/datasets{query}'");
    let id = r#"sed -E 's/^\{"id":"([^"]+)".*/\1/'"#;
    let sha256 = text(&table["sha256"]);
    if table["format"] == "json" {
        format!(
            "# {file}.json: the pairs, as bytes with the SHA-256 {sha256}\n{variable}=$((printf '{{\"pairs\":'; cat {file}.json; printf '}}') | curl -s {url} \\\n  -H 'Content-Type: application/json' --data-binary @- | {id})\n"
        )
    } else {
        let ending =
            table["format"].as_str().filter(|ending| ["jsonl", "xlsx", "parquet"].contains(ending)).unwrap_or("csv");
        format!(
            "# {file}.{ending}: the bytes with the SHA-256 {sha256}\n{variable}=$(curl -s {url} -F file=@{file}.{ending} | {id})\n"
        )
    }
}

fn usage(model: &ModelCard) -> String {
    let curl = |route: &str, body: Value| {
        let body = shell_word(&body.to_string());
        format!("curl -s http://127.0.0.1:8080/{route} -H 'Content-Type: application/json' \\\n  -d {body}")
    };
    let embed = curl("embed", json!({ "model": model.name, "texts": ["Data Scientist", "看護師"] }));
    let question =
        json!({ "model": model.name, "source_sentence": "Data Scientist", "sentences": ["Data Analyst", "看護師"] });
    let commands = block("sh", &format!("{embed}\n{}", curl("similarity", question)));
    format!("## Use\n\nFrom a Shamisen that serves it:\n\n{commands}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_report_measures_is_told() {
        let report = json!({
            "before": { "validation": { "pairs": 4, "measure": "angular", "mse": 0.5, "pearson": null }, "benchmark": null,
                        "retrieval": { "pairs": 9, "hits": { "at_1": 0.25 } } },
            "after": { "validation": { "pairs": 4, "measure": "angular", "mse": 0.25, "pearson": null }, "benchmark": null,
                       "retrieval": { "pairs": 9, "hits": { "at_1": 0.5 } } },
            "verdict": { "overall": "win",
                         "domain": { "metric": "mse", "low": -0.3, "high": -0.1, "verdict": "win", "doubt": null },
                         "general": { "metric": "pearson", "verdict": "marginal" } },
            "pearson": [{ "axis": "validation", "low": 0.5 }],
        });
        let told = measurements(&json!({ "report": report }));
        for line in [
            "| validation angular | 4 | mse | 0.5000 | 0.2500 | -0.2500 |",
            r"| validation angular | 4 | pearson | – | – | – |",
            r"| retrieval | 9 | hits at\_1 | 0.2500 | 0.5000 | +0.2500 |",
            "### verdict\n\noverall: **win**\n\n| axis | metric | low | high | verdict | doubt |\n",
            "| domain | mse | -0.3000 | -0.1000 | win | – |",
            "| general | pearson | – | – | marginal | – |",
            "### pearson\n\n| axis | low |\n",
        ] {
            assert!(told.contains(line), "no {line:?} in\n{told}");
        }
        let model = ModelCard {
            name: "a".to_owned(),
            fingerprint: String::new(),
            dimensions: 512,
            max_tokens: 512,
            base_fingerprint: None,
        };
        assert!(
            limits(&model, Some(&json!({ "report": report })))
                .contains("- pearson could not be measured on validation angular.")
        );
    }
}
