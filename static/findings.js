// What is worth knowing about a table's pairs, and what can be done about it at once.

import { h, tx } from "./dom.js";
import { has, lang, t } from "./i18n.js";

/** Fixes that answer the same question. */
const RIVALS = [
  ["average_contradictions", "keep_first_contradiction", "drop_contradictions"],
  ["raise_identical", "drop_identical"],
];

/** The applied fixes with one more. */
export const withFix = (applied, fix) => {
  const rivals = RIVALS.find((group) => group.includes(fix)) ?? [];
  return [...applied.filter((other) => other !== fix && !rivals.includes(other)), fix];
};

/** A fact as it is written; languages come as their codes. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain).join(lang() === "ja" ? "、" : ", ");
  if (value?.code) return new Intl.DisplayNames(lang(), { type: "language" }).of(value.code);
  return value;
}

/** A finding's sentence in the page's language; the server's English where the page has none. A level, or a fact that
    is simply true, may have a sentence of its own. */
function words({ code, level, count, rows, facts, message, hint }, suffix) {
  const values = { count, rows };
  for (const [name, value] of Object.entries(facts ?? {})) values[name] = plain(value);
  const cases = [...Object.keys(values).filter((name) => values[name] === true), level].map((name) => `${code}.${name}`);
  const key = [...cases, code].map((name) => `finding.${name}${suffix}`).find(has);
  return { text: key ? t(key, values) : suffix ? hint : message, english: !key };
}

const sentence = (finding, suffix, props) => h("p", {
  ...props, lang: () => (words(finding, suffix).english ? "en" : null),
}, () => words(finding, suffix).text);

export const fixName = (fix) => (has(`fix.${fix}`) ? t(`fix.${fix}`) : fix.replaceAll("_", " "));

/** `onfix(fix, wanted)` applies a fix or takes it back; without it the findings are told alone. */
export function findingsView(findings, applied = [], onfix) {
  if (!findings.length) return h("p", { class: "quiet" }, tx("finding.none"));
  return h("ul", { class: "findings" }, findings.map((finding) => h("li", { class: finding.level },
    h("div", { class: "level" }, tx(`level.${finding.level}`)),
    h("div", { class: "told" },
      sentence(finding, "", { class: "what" }),
      finding.hint && sentence(finding, ".hint", { class: "quiet" }),
      onfix && finding.fixes?.length > 0 && h("p", { class: "buttons" }, finding.fixes.map((fix) => {
        const on = applied.includes(fix);
        return h("button", {
          type: "button", class: "small", "aria-pressed": String(on), "data-key": `fix-${fix}`,
          onclick: () => onfix(fix, !on),
        }, () => (on ? t("fix.on", { fix: fixName(fix) }) : fixName(fix)));
      })),
      finding.examples?.length > 0 && h("details", { "data-key": `examples-${finding.code}` },
        h("summary", null, tx("finding.examples", { n: finding.examples.length })), pairTable(finding.examples))))));
}

const cell = (key, props, ...children) => h("td", { "data-label": tx(key), ...props }, h("span", null, ...children));
export const number = (value, digits = 4) =>
  (Number.isFinite(value) ? String(Number(value.toFixed(digits))).replace("-", "−") : "–");

/** Pairs with their places in the user's file. `more` are further columns: `[key, row => text]`. */
export function pairTable(rows, more = []) {
  const lines = rows.some((row) => row.line && row.line !== row.row);
  const scores = rows.some((row) => Number.isFinite(row.score));
  const head = (key, hint, numeric) => h("th", { scope: "col", class: numeric ? "number" : null, title: hint ? tx(hint) : null }, tx(key));
  return h("table", { class: "stack pairs" },
    h("thead", null, h("tr", null,
      head("problem.row", "problem.row.hint"), lines && head("problem.line", "problem.line.hint"), head("pair.texts"),
      scores && head("pair.score", null, true), more.map(([key]) => head(key, null, true)))),
    h("tbody", null, rows.map((row) => h("tr", null,
      cell("problem.row", null, row.row?.toLocaleString() ?? "–"),
      lines && cell("problem.line", null, row.line?.toLocaleString() ?? "–"),
      h("td", { class: "texts", "data-label": tx("pair.texts") }, h("span", null,
        h("span", null, row.left), h("span", null, row.right),
        row.negative && h("span", { class: "quiet" }, tx("pair.negative", { text: row.negative })))),
      scores && cell("pair.score", { class: "number" }, number(row.score)),
      more.map(([key, of]) => cell(key, { class: "number" }, () => of(row)))))));
}
