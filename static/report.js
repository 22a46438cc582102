// What the tuning changed, in numbers and in words.

import { fixed, h, signed, tx } from "./dom.js";
import { t } from "./i18n.js";
import { interval } from "./verdict.js";

function errorWords(before, after) {
  if (!(before > 0)) return "";
  const change = (after - before) / before;
  const n = fixed(Math.abs(change) * 100, Math.abs(change) < 0.1 ? 1 : 0);
  if (Math.abs(change) < 0.01) return t("sum.same");
  return t(change < 0 ? "sum.smaller" : "sum.larger", { n });
}

/** The report knows the difference's interval; before it is there, nothing is said of the difference. */
function correlationWords(difference) {
  if (!difference) return t("none");
  if (!known(difference.low)) return t("sum.nointerval");
  const side = difference.low > 0 ? "up" : difference.high < 0 ? "down" : "level";
  return t(`sum.${side}`, interval(difference, 3));
}

const known = (value) => value !== null && value !== undefined;

/** The summary table of two evaluations; a finished job's report knows more of them. */
export function summary(before, after, report) {
  const validation = before.validation;
  const rows = [
    error("sum.mse", tx("sum.mse.about", { n: validation.pairs }), "mse"),
    error("sum.mae", tx("sum.mae.about"), "mae"),
    correlation("validation", "sum.pearson", tx("sum.pearson.about"), "sum.null"),
  ];
  for (const part of ["validation", "benchmark"]) labels(part);
  for (const part of ["benchmark", "retention"]) {
    if (!before[part] || before[part].labels) continue;
    const { name, pairs } = before[part];
    rows.push(correlation(part, `sum.${part}`, tx(`sum.${part}.about`, { name, n: pairs }), "sum.missing"));
  }
  if (validation.retrieval) {
    const [from, to] = [validation.retrieval, after.validation.retrieval];
    const words = (was, is) => t(is > was ? "sum.finds.more" : is < was ? "sum.finds.less" : "sum.same");
    const about = tx("sum.mrr.about", { n: from.queries, m: from.candidates });
    rows.push(row("sum.mrr", about, from.mrr, to?.mrr, 3, words, "sum.missing"));
  }
  if (report?.spread) {
    const { before: from, after: to, collapsed } = report.spread;
    const words = () => t(collapsed ? "sum.spread.collapsed" : "sum.spread.fine");
    rows.push(row("sum.spread", tx("sum.spread.about", { n: from.texts }), from.cosine_mean, to.cosine_mean, 3, words, "sum.missing"));
  }

  /** Labelled texts: three measures, each with its interval once the report is there. */
  function labels(part) {
    const from = before[part]?.labels;
    if (!from) return;
    const name = part === "validation" ? tx("sum.labels.validation") : () => before[part].name;
    for (const measure of ["nearest_neighbour", "nearest_centre", "mean_average_precision"]) {
      const about = () => t("sum.labels.about", { name: name(), n: from.texts, labels: from.labels });
      const words = () => correlationWords(report?.labels?.[part]?.[measure]);
      rows.push(row(`sum.${measure}`, about, from[measure], after[part]?.labels?.[measure], 3, words, "sum.missing"));
    }
  }

  function error(key, about, name) {
    return row(key, about, before.validation[name], after.validation[name], 4, errorWords, "sum.missing");
  }

  function correlation(part, key, about, missing) {
    const difference = report?.pearson?.[part];
    const [from, to] = [difference?.before ?? before[part].pearson, difference?.after ?? after[part]?.pearson];
    return row(key, about, from, to, 3, () => correlationWords(difference), missing);
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
    report?.sweep?.length > 0 && sweep(report),
    validation.pairs < 30 && h("p", { class: "quiet" }, tx("sum.few", { n: validation.pairs })),
    h("p", { class: "quiet" }, tx("sum.explain")));
}

/** What each mix of base and tuned weights was worth; the chosen one stands out. */
function sweep({ sweep, alpha }) {
  const number = (value) => h("td", { class: "number" }, () => (known(value) ? fixed(value, 3) : t("none")));
  return h("details", null, h("summary", null, tx("sweep.title")),
    h("p", { class: "quiet" }, tx("sweep.about")),
    h("table", { class: "plain" },
      h("thead", null, h("tr", null, ["alpha", "domain", "general"].map((key) => h("th", { scope: "col", class: "number" }, tx(`sweep.${key}`))))),
      h("tbody", null, sweep.map((point) => h("tr", { class: point.alpha === alpha ? "chosen" : null },
        h("td", { class: "number" }, () => `${fixed(point.alpha * 100, 0)} %${point.alpha === alpha ? ` ${t("sweep.chosen")}` : ""}`),
        number(point.val_spearman), number(point.general))))));
}
