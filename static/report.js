// What the tuning changed, in numbers and in words.

import { fixed, h, signed, tx } from "./dom.js";
import { t } from "./i18n.js";

/** How far a correlation of `n` pairs would move with other pairs of the same kind. */
export const samplingError = (r, n) => (n > 0 ? (1 - r * r) / Math.sqrt(n) : Infinity);

function errorWords(before, after) {
  if (!(before > 0)) return "";
  const change = (after - before) / before;
  const n = fixed(Math.abs(change) * 100, Math.abs(change) < 0.1 ? 1 : 0);
  if (Math.abs(change) < 0.01) return t("sum.same");
  return t(change < 0 ? "sum.smaller" : "sum.larger", { n });
}

function correlationWords(before, after, n) {
  const error = samplingError(before, n);
  const difference = after - before;
  const se = fixed(error, 3);
  if (Math.abs(difference) <= error) return t("sum.within", { se });
  const side = difference > 0 ? "up" : "down";
  return t(`sum.${Math.abs(difference) <= 2 * error ? "maybe" : "clear"}.${side}`, { se });
}

const known = (value) => value !== null && value !== undefined;

/** The summary table of two evaluations. */
export function summary(before, after) {
  const validation = before.validation;
  const rows = [
    error("sum.mse", tx("sum.mse.about", { n: validation.pairs }), "mse"),
    error("sum.mae", tx("sum.mae.about"), "mae"),
    correlation("sum.pearson", tx("sum.pearson.about"), (evaluation) => evaluation.validation, "sum.null"),
  ];
  for (const part of ["benchmark", "retention"]) {
    if (!before[part]) continue;
    const { name, pairs } = before[part];
    rows.push(correlation(`sum.${part}`, tx(`sum.${part}.about`, { name, n: pairs }), (evaluation) => evaluation[part], "sum.missing"));
  }

  function error(key, about, name) {
    return row(key, about, before.validation[name], after.validation[name], 4, errorWords, "sum.missing");
  }

  function correlation(key, about, part, missing) {
    const words = (from, to) => correlationWords(from, to, part(before).pairs);
    return row(key, about, part(before).pearson, part(after)?.pearson, 3, words, missing);
  }

  function row(key, about, from, to, digits, words, missing) {
    const none = !known(from) || !known(to);
    const number = (label, text) => h("td", { class: "number", "data-label": tx(label) }, h("span", null, text));
    const show = (value) => () => (known(value) ? fixed(value, digits) : t("none"));
    return h("tr", null,
      h("th", { scope: "row" }, tx(key), h("span", { class: "quiet" }, about)),
      number("sum.before", show(from)), number("sum.after", show(to)),
      number("sum.diff", () => (none ? t("none") : signed(to - from, digits))),
      h("td", { class: "words", "data-label": tx("sum.words") }, h("span", null, () => (none ? t(missing) : words(from, to)))));
  }

  return h("section", { class: "block" },
    h("h2", null, tx("sum.title")),
    h("table", { class: "summary stack" },
      h("thead", null, h("tr", null,
        ["measure", "before", "after", "diff", "words"].map((key, index) =>
          h("th", { scope: "col", class: index > 0 && index < 4 ? "number" : null }, tx(`sum.${key}`))))),
      h("tbody", null, rows)),
    validation.pairs < 30 && h("p", { class: "quiet" }, tx("sum.few", { n: validation.pairs })),
    h("p", { class: "quiet" }, tx("sum.explain")));
}
