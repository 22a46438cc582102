// Pairs whose answer would teach a tuned model most.

import { api, part, problemView } from "./api.js";
import { announce, copyButton, fixed, h, tx } from "./dom.js";
import { pairTable } from "./findings.js";
import { has, t } from "./i18n.js";

const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text);
/** A table to fill in: the scores are still empty. */
const table = (rows) => ["base,ref,similarity", ...rows.map(({ left, right }) => `${quoted(left)},${quoted(right)},`)].join("\r\n");

export function suggestionsView(job) {
  const body = h("div");
  const ask = h("button", { type: "button", onclick: load }, tx("suggest.go"));
  const start = h("p", null, ask);

  async function load() {
    body.replaceChildren(h("p", { class: "quiet" }, tx("suggest.busy")));
    try {
      const { suggestions } = await api(`jobs/${part(job)}/suggestions?limit=20`);
      start.hidden = true;
      announce(t("suggest.found", { n: suggestions.length }));
      body.replaceChildren(...(suggestions.length ? shown(suggestions) : [h("p", { class: "quiet" }, tx("suggest.none"))]));
    } catch (error) {
      body.replaceChildren(problemView(error));
    }
  }

  const why = ({ why, message }) => (has(`suggest.why.${why}`) ? t(`suggest.why.${why}`) : message);
  const shown = (rows) => [
    h("div", { class: "line" }, h("p", { class: "quiet" }, tx("suggest.fill")), copyButton(() => table(rows), "CSV")),
    pairTable(rows, [
      ["suggest.why", why],
      ["sum.before", (row) => fixed(row.base_similarity, 2)], ["sum.after", (row) => fixed(row.similarity, 2)]]),
  ];
  return h("section", { class: "block suggest" }, h("h2", null, tx("suggest.title")), h("p", { class: "quiet" }, tx("suggest.about")), start, body);
}
