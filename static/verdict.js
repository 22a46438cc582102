// Whether the tuned model is better, in words.

import { fixed, h, signed, tx } from "./dom.js";
import { lang, t } from "./i18n.js";

const badge = (verdict) => h("span", { class: `badge ${verdict}` }, tx(`verdict.${verdict}`));

/** `after - before` and its interval, each with its sign. */
export const interval = ({ delta, low, high }, digits) => ({
  delta: signed(delta, digits), low: signed(low, digits), high: signed(high, digits) });

function axisWords({ metric, doubt, n, before, after, ...difference }) {
  const known = difference.delta !== null;
  const digits = metric === "mse" ? 4 : 3;
  const told = known && difference.low !== null ? "verdict.told" : "verdict.told.alone";
  return [
    known && t(told, { metric: t(`verdict.${metric}`), n, before: fixed(before, digits), after: fixed(after, digits), ...interval(difference, digits) }),
    doubt && t(`verdict.doubt.${doubt}`, { n }),
  ].filter(Boolean).join(lang() === "ja" ? "" : " ");
}

/** The verdict of a finished job's report, with what it rests on. */
export function verdictView({ verdict, spread, rows }) {
  const { overall, domain, general, labels } = verdict;
  const builtIn = general.name === "shamisen-retention";
  // What judges was half trained on: better is not said of it without that.
  const known = overall === "win" && 2 * rows.leaking > rows.validation;
  const axis = (answer, about) => h("li", null,
    h("div", { class: "line" }, h("strong", null, about), badge(answer.verdict)),
    h("p", null, () => axisWords(answer)));
  return h("section", { class: "block verdict" },
    h("h2", null, tx("verdict.title")),
    h("p", { class: "lead" }, badge(known ? "known" : overall), " ", tx(`verdict.${overall}${known ? ".known" : ""}.says`)),
    spread.collapsed && h("p", { class: "problem" }, () => t(`collapse.${spread.collapsed}`, {
      before: fixed(spread.before.cosine_mean, 2), after: fixed(spread.after.cosine_mean, 2),
      wide: fixed(spread.before.effective_rank, 0), narrow: fixed(spread.after.effective_rank, 0) })),
    h("ul", { class: "axes" },
      axis(domain, tx("verdict.domain", { name: domain.name })),
      labels && axis(labels, tx("verdict.labels", { name: labels.name })),
      axis(general, builtIn ? tx("verdict.general.retention") : tx("verdict.general", { name: general.name }))),
    rows.leaking > 0 && h("p", { class: known ? "note" : "quiet" }, tx("verdict.leaks", { leaking: rows.leaking, n: rows.validation })),
    h("details", null, h("summary", null, tx("verdict.rule")), h("p", { class: "quiet" }, tx("verdict.rule.text"))));
}
