// The first page: a table in, a job out.

import { Notice, api, modelNames, problemView } from "./api.js";
import { announce, bytes, composing, duration, h, newId, tx } from "./dom.js";
import { noteWords } from "./events.js";
import { downloadTemplate, fileField } from "./file.js";
import { t } from "./i18n.js";
import { formOf } from "./wishes.js";

const RECIPES = ["recommended", "gentle", "thorough", "tutorial"];

/** `ontable(file)` is told of a table that was dropped: it is looked at first. `waiting()` shows one that is not saved yet. */
export function tuneView({ ontable, waiting }) {
  const problem = h("div", { class: "problems" });
  const forget = () => {
    problem.replaceChildren();
    plan.replaceChildren();
  };
  const table = fileField({ label: "tune.table", prompt: "tune.drop", hint: "tune.drop.hint", ontake: (file) => ontable(file) });
  const stored = h("select", { onchange: forget }, h("option", { value: "" }, tx("tune.stored.none")));
  const lying = h("div");
  const storedField = field("tune.stored", stored);
  const benchmark = fileField({
    label: "tune.benchmark", prompt: "tune.benchmark.drop", hint: "tune.benchmark.hint", optional: true, small: true, onchange: forget,
  });
  const name = h("input", { type: "text", maxlength: 100, autocomplete: "off", placeholder: tx("tune.name.hint") });
  const start = h("select", null, h("option", { value: "default" }, tx("tune.start.default")));
  const recipe = h("select", null, RECIPES.map((name) => h("option", { value: name }, tx(`recipe.${name}`))));
  const plan = h("div", { class: "plan", role: "status" });
  const epochs = h("input", { type: "number", min: 1, max: 1000, step: 1, inputmode: "numeric" });
  const titles = h("textarea", { rows: 5 });
  const label = h("span", null, tx("tune.go"));
  const go = h("button", { type: "submit", class: "main" }, label);
  const ask = h("button", { type: "button", onclick: () => busy || send(true) }, tx("tune.plan"));
  let busy = false;

  const form = h("form", {
    class: "panel", novalidate: true,
    onsubmit: (event) => {
      event.preventDefault();
      if (!busy) send(false);
    },
    onkeydown: (event) => {
      if (event.key === "Enter" && composing(event)) event.preventDefault();
    },
  },
    table.element,
    lying,
    storedField,
    h("div", { class: "pair" }, field("tune.name", name, null, true), field("tune.start", start)),
    field("tune.recipe", recipe, "tune.recipe.hint"),
    benchmark.element,
    h("details", null, h("summary", null, tx("tune.more")),
      field("tune.epochs", epochs, "tune.epochs.hint", true), field("tune.titles", titles, "tune.titles.hint", true)),
    problem,
    plan,
    h("p", { class: "actions" }, go, ask));

  const element = h("section", { class: "tune" },
    h("div", { class: "intro" }, h("h1", { tabindex: "-1" }, tx("tune.title")), h("p", { class: "lead" }, tx("tune.lead"))),
    form,
    h("aside", { class: "sample" },
      h("h2", null, tx("tune.how")),
      sample(),
      h("p", null, tx("tune.how.score")),
      h("p", null, tx("tune.how.held")),
      h("p", null, h("button", { type: "button", onclick: downloadTemplate }, tx("tune.template"))),
      h("h2", null, tx("tune.taxonomy")),
      h("p", null, tx("tune.taxonomy.about")),
      h("p", null, h("a", { href: "#/data/taxonomy" }, tx("tune.taxonomy.go")))));

  function working(key) {
    busy = Boolean(key);
    for (const button of [go, ask]) button.setAttribute("aria-disabled", String(busy));
    label.replaceChildren(h("span", null, tx(key ?? "tune.go")));
    if (key) announce(t(key));
  }

  /** Posts the job, or asks what it would take. */
  async function send(dryRun) {
    forget();
    let about = null;
    try {
      if (!stored.value) {
        table.input.focus();
        throw new Notice(tx("tune.nofile"));
      }
      const request = { dataset_id: stored.value, model: start.value, recipe: recipe.value };
      if (benchmark.file) {
        about = benchmark.file.name;
        working("tune.checking");
        const form = formOf(await benchmark.read(), { benchmark: true });
        request.benchmark_id = (await api("datasets", { method: "POST", form })).id;
      }
      about = null;
      working(dryRun ? "tune.planning" : "tune.creating");
      const lines = titles.value.split("\n").map((line) => line.trim()).filter(Boolean);
      request.name = name.value.trim() || await freeName(stored.selectedOptions[0]?.dataset.name ?? "", dryRun);
      if (epochs.value) request.config = { epochs: Number(epochs.value) };
      if (lines.length) request.titles = lines;
      if (dryRun) {
        plan.replaceChildren(planView(await api("jobs?dry_run=true", { method: "POST", json: request })));
        return;
      }
      const job = await api("jobs", { method: "POST", json: request });
      location.hash = `#/jobs/${job.id}`;
    } catch (error) {
      const view = problemView(error, { name: about });
      problem.replaceChildren(view);
      if (stored.value) view.focus();
    } finally {
      working(null);
    }
  }

  /** The models to start from and the tables that are there; without contact what is there stays. */
  async function show(query) {
    lying.replaceChildren(waiting());
    const [{ models }, { datasets }] = await Promise.all([
      api("models").catch(() => ({ models: [] })), api("datasets").catch(() => ({ datasets: [] }))]);
    tables(datasets, query?.get("dataset"));
    if (!models.length) return;
    const names = modelNames(models);
    const standard = models.find((model) => model.aliases.includes("default"));
    const rest = models.filter((model) => model !== standard);
    options(start, [
      h("option", { value: "default" }, () => (standard ? `${names.get(standard.id)} [default]` : t("tune.start.default"))),
      ...rest.map((model) => h("option", { value: model.id }, names.get(model.id)))]);
  }

  function tables(datasets, wanted) {
    const learning = datasets.filter((one) => one.purpose !== "benchmark");
    if (learning.length) {
      options(stored, [h("option", { value: "" }, tx("tune.stored.none")), ...learning.map((one) =>
        h("option", { value: one.id, "data-name": one.name }, () => t("tune.stored.one", { name: one.name, n: one.rows, version: one.version ?? 1 })))]);
    }
    storedField.hidden = stored.options.length < 2;
    if (wanted) stored.value = wanted;
  }

  /** Trains on a dataset with what the form says. */
  async function train({ id, name: called, rows }) {
    if (![...stored.options].some((option) => option.value === id)) {
      stored.append(h("option", { value: id, "data-name": called }, () => t("tune.stored.one", { name: called, n: rows, version: 1 })));
    }
    storedField.hidden = false;
    stored.value = id;
    await send(false);
  }

  return { element, show, train };
}

/** A name for a tuned model, after its table's and with the next free number; none for a mere plan. */
async function freeName(table, dryRun) {
  if (dryRun) return null;
  // As names may be: letters of any script, digits, `.`, `_` and `-`, 64 of them.
  const stem = table.replace(/\.(csv|tsv|txt|xlsx?|ods|fods|jsonl?|ndjson|parquet|gz|zst)$/giu, "").normalize("NFKC")
    .replace(/[^\p{Alphabetic}\p{N}._-]+/gu, "-").replace(/^[.-]+|-+$/gu, "").replace(/^(ft_|job_|ds_)/u, "").slice(0, 56);
  if (!stem) return null;
  const [models, jobs] = await Promise.all([api("models").catch(() => ({ models: [] })), api("jobs").catch(() => ({ jobs: [] }))]);
  const taken = new Set([...models.models, ...jobs.jobs].map((one) => one.name));
  let number = 1;
  while (taken.has(`${stem}-${number}`)) number += 1;
  return `${stem}-${number}`;
}

/** Other options, the same choice where it is still there. */
function options(select, next) {
  const before = select.value;
  select.replaceChildren(...next);
  select.value = before;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** What a job would take, in words. */
function planView({ rows, steps_per_epoch: steps, total_steps: total, seconds, bytes: size, config, notes }) {
  return h("div", { class: "note" },
    h("p", null, () => t("plan.rows", { training: rows.training, validation: rows.validation, leaking: rows.leaking })),
    h("p", null, () => t("plan.takes", { epochs: config.epochs, steps, total, time: duration(seconds.total), size: bytes(size) })),
    notes.map((note) => h("p", { class: "quiet" }, noteWords(note))));
}

export function field(key, control, hint, optional) {
  const id = newId("field");
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return h("div", { class: "field" },
    h("label", { for: id }, typeof key === "string" ? tx(key) : key, optional && h("span", { class: "quiet" }, " ", tx("optional"))),
    control,
    hint && h("p", { class: "quiet", id: `${id}-hint` }, tx(hint)));
}

function sample() {
  const rows = [["Data Engineer", "Analytics Engineer", "0.75"], ["Registered Nurse", "看護師", "1.0"], ["Marketing Strategist", "Electrician", "0.5"]];
  return h("table", { class: "sheet" },
    h("thead", null, h("tr", null, ["base", "ref", "similarity"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", null, rows.map(([left, right, score]) =>
      h("tr", null, h("td", null, left), h("td", null, right), h("td", { class: "number" }, score)))));
}
