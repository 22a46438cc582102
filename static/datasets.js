// The tables that are there.

import { part } from "./api.js";
import { date, h, tx } from "./dom.js";
import { fileField } from "./file.js";
import { cell, heads, list, listed, nothing } from "./lists.js";

export const kindName = (kind) => tx(`kind.${kind}`);

/** `ontable(file)` is told of a table that was dropped; `waiting()` shows the one that is not saved yet. */
export function datasetsView(ontable, waiting) {
  const draw = (datasets) => {
    if (!datasets.length) return [nothing("data.empty")];
    // Of a table's versions the newest stands for all.
    const shown = datasets.filter((one) => one.latest !== false);
    return [h("table", { class: "stack list" },
      heads("jobs.name", "data.rows", "data.kind", "jobs.created", "models.actions"),
      h("tbody", null, shown.map((one) => h("tr", null,
        h("th", { scope: "row" }, h("a", { href: `#/data/${part(one.id)}` }, one.name),
          one.version > 1 && h("span", { class: "quiet" }, tx("data.version", { n: one.version }))),
        cell("data.rows", () => one.rows.toLocaleString()),
        cell("data.kind", one.purpose === "benchmark" ? tx("data.benchmark") : kindName(one.kind)),
        cell("jobs.created", () => date(one.created_at)),
        cell("models.actions", one.purpose === "benchmark" ? tx("none")
          : h("a", { href: `#/?dataset=${part(one.id)}`, "aria-label": tx("data.train.of", { name: one.name }) }, tx("data.train")))))))];
  };
  const view = list("data.title", "data.lead", () => listed("datasets"), draw);
  const drop = fileField({ label: "data.add", prompt: "tune.drop", hint: "tune.drop.hint", small: true, ontake: (file) => ontable(file) });
  view.element.querySelector(".lead").after(waiting());
  view.element.append(h("div", { class: "block" }, drop.element,
    h("p", { class: "quiet" }, h("a", { href: "#/data/taxonomy" }, tx("tune.taxonomy.go")))));
  return { ...view, takesTables: true };
}
