// One dataset: whether a model needs it, its pairs, what is worth knowing, and how it came to be.

import { NoContact, api, failure, modelNames, part, problemView } from "./api.js";
import { copyable, date, h, tx } from "./dom.js";
import { kindName } from "./datasets.js";
import { findingsView, number, pairTable } from "./findings.js";
import { fileField } from "./file.js";
import { lang, t } from "./i18n.js";
import { download } from "./key.js";
import { needView } from "./need.js";
import { rowsView } from "./rows.js";
import { madeView } from "./taxonomy.js";
import { field } from "./tune.js";
import { asWishes } from "./wishes.js";

/** Pairs whose similarities a file may carry. */
const MOST_MEASURED = 20_000;

/** `ontable(file, of)` is told of a corrected file, with the dataset that it is a new version of. */
export function datasetView(id, ontable) {
  const title = h("h1", { tabindex: "-1" }, id);
  const head = h("header", { class: "head" }, h("p", null, h("a", { href: "#/data" }, "← ", tx("data.back"))), title);
  const element = h("section", { class: "dataset" }, head, h("p", { class: "quiet" }, tx("loading")));
  const parts = [];
  let gone = false;

  async function load() {
    try {
      const dataset = await api(`datasets/${part(id)}`);
      if (!gone) draw(dataset);
    } catch (error) {
      if (!gone) element.replaceChildren(head, problemView(error, { retry: load }));
    }
  }

  function draw(dataset) {
    title.textContent = dataset.name;
    const { kind, purpose, findings = [] } = dataset;
    const learning = purpose !== "benchmark";
    const scored = ["pair_score", "pair_class"].includes(kind);
    const need = learning && kind !== "triplet" ? needView(id) : null;
    const rows = rowsView(id, scored);
    parts.push(rows, ...(need ? [need] : []));
    const told = h("p", { role: "status", class: "told" });
    element.replaceChildren(head,
      h("p", { class: "quiet" }, () => t("data.facts", { n: dataset.rows, kind: kindName(kind)(), date: date(dataset.created_at) }), " ", copyable(id)),
      aboutScores(dataset, scored && learning),
      actions(dataset, learning, told), told,
      h("nav", { class: "jumps", "aria-label": tx("data.sections") }, jumps(element, [need && "need.title", "finding.title", "browse.title", "history.title"])),
      madeView(id),
      need?.element ?? "",
      h("section", { class: "block" }, h("h2", null, tx("finding.title")), findingsView(findings)),
      rows.element,
      h("section", { class: "block" }, h("h2", null, tx("history.title")), historyView(dataset), newVersion(dataset)),
      learning && kind !== "triplet" ? hardNegatives(dataset) : "");
  }

  function actions(dataset, learning, told) {
    const fetched = (event) => download(event, async (response) => {
      told.replaceChildren(problemView(response ? failure(response, await response.text()) : new NoContact()));
    });
    const file = (query, key) => h("a", { class: "button", href: () => `datasets/${part(id)}/file${query()}`, download: true, onclick: fetched }, tx(key));
    return h("p", { class: "actions" },
      learning && h("a", { class: "button main", href: `#/?dataset=${part(id)}` }, tx("data.train")),
      file(() => "", "data.file"),
      learning && file(() => `?annotated=1&language=${lang()}${dataset.rows <= MOST_MEASURED ? "&base=default" : ""}`, "data.annotated"),
      learning && h("span", { class: "quiet" }, tx("data.annotated.about")));
  }

  function newVersion(dataset) {
    const of = { id, name: dataset.name, wishes: { ...again(dataset), name: dataset.name } };
    return fileField({ label: "version.new", prompt: "version.drop", hint: "version.hint", small: true, ontake: (file) => ontable(file, of) }).element;
  }

  load();
  return {
    element, takesTables: false,
    dispose() {
      gone = true;
      for (const one of parts) one.dispose();
    },
  };
}

/** What was said of a table's meaning is said of its next version too; how it is written may have changed. */
function again({ choices }) {
  const { mapping, words, scale, lowest_means: means, apply } = asWishes(choices ?? {});
  return { mapping, words, scale, lowest_means: means, apply };
}

/** Links that go to a heading and leave the address as it is. */
function jumps(element, keys) {
  return keys.filter(Boolean).map((key) => h("a", {
    href: "#", onclick: (event) => {
      event.preventDefault();
      const heading = [...element.querySelectorAll("h2")].find((one) => one.textContent === t(key));
      heading?.setAttribute("tabindex", "-1");
      heading?.focus({ preventScroll: true });
      heading?.scrollIntoView();
    },
  }, tx(key)));
}

function aboutScores({ lowest_means: means, skipped, fixed_out: fixedOut, choices, scores }, scored) {
  const scale = choices?.scale;
  const lines = [
    scored && scale && tx("data.scale", { lowest: number(scale.lowest), highest: number(scale.highest) }),
    scored && means && tx(`data.means.${means}`),
    scored && !means && tx("data.means.unknown"),
    scored && scores && tx("data.scores", { mean: number(scores.mean, 2), n: scores.distinct }),
    skipped > 0 && tx("data.skipped", { n: skipped }),
    fixedOut > 0 && tx("data.fixed", { n: fixedOut }),
  ].filter(Boolean);
  return lines.length ? h("p", { class: "quiet" }, () => lines.map((line) => line()).join(lang() === "ja" ? "" : " ")) : "";
}

function historyView({ id, version }) {
  const body = h("div", null, h("p", { class: "quiet" }, tx("history.one")));
  if (!(version > 1)) {
    // A newer version may be there all the same.
    api(`datasets/${part(id)}/versions`).then(({ versions }) => { if (versions.length > 1) fill(versions); }).catch(() => {});
    return body;
  }
  const fill = (versions) => body.replaceChildren(h("ol", { class: "versions" }, versions.map((one, index) => {
    const before = versions[index + 1];
    const diff = h("div");
    const show = before && h("button", {
      type: "button", class: "small", onclick: async () => {
        try {
          diff.replaceChildren(diffView(await api(`datasets/${part(one.id)}/diff?against=${part(before.id)}`)));
        } catch (error) {
          diff.replaceChildren(problemView(error));
        }
      },
    }, tx("history.diff"));
    return h("li", null, h("div", { class: "line" },
      h("span", null, one.id === id ? h("strong", null, tx("data.version", { n: one.version })) : h("a", { href: `#/data/${part(one.id)}` }, tx("data.version", { n: one.version })),
        h("span", { class: "quiet" }, () => ` ${t("history.facts", { n: one.rows, date: date(one.created_at) })}`)), show || ""), diff);
  })));
  api(`datasets/${part(id)}/versions`).then(({ versions }) => fill(versions))
    .catch((error) => body.replaceChildren(problemView(error)));
  return body;
}

function diffView({ added, removed, changed, unchanged, examples }) {
  const list = (key, rows, more) => rows?.length > 0 && h("details", null,
    h("summary", null, tx(`history.${key}`, { n: rows.length })), pairTable(rows, more));
  return h("div", { class: "note", role: "status" },
    h("p", null, tx("history.says", { added, removed, changed, unchanged })),
    list("changed", examples.changed, [["history.before", (row) => number(row.before)], ["history.after", (row) => number(row.after)]]),
    list("added", examples.added), list("removed", examples.removed));
}

/** Makes triplets: for each text one that a model takes for near, and that does not belong to it. */
function hardNegatives({ id }) {
  const model = h("select", null, h("option", { value: "default" }, tx("tune.start.default")));
  const count = h("input", { type: "number", min: 1, max: 10, step: 1, value: "1", inputmode: "numeric" });
  const told = h("div", { role: "status" });
  api("models").then(({ models }) => {
    const names = modelNames(models);
    model.append(...models.map((one) => h("option", { value: one.id }, names.get(one.id))));
  }).catch(() => {});
  const go = async (event) => {
    event.preventDefault();
    told.replaceChildren(h("p", { class: "quiet" }, tx("hard.busy")));
    try {
      const made = await api(`datasets/${part(id)}/hard-negatives`, { method: "POST", json: { model: model.value, per_text: Number(count.value) || 1 } });
      location.hash = `#/data/${part(made.id)}`;
    } catch (error) {
      told.replaceChildren(problemView(error));
    }
  };
  return h("details", { class: "block" }, h("summary", null, tx("hard.title")),
    h("p", { class: "quiet" }, tx("hard.about")),
    h("form", { onsubmit: go }, h("div", { class: "pair" }, field("hard.model", model), field("hard.per", count)),
      h("p", { class: "actions" }, h("button", { type: "submit" }, tx("hard.go")))), told);
}
