// The pairs that tell most about a tuned model, and where to cut its similarities.

import { fixed, h, tx } from "./dom.js";
import { t } from "./i18n.js";

/** A score as the user wrote it, but for digits that nobody reads. */
const score = (value) => String(Number(value.toFixed(4))).replace("-", "−");
const percent = (part) => () => t("percent", { n: Math.round(part * 100) });
const cell = (label, text) => h("td", { class: "number", "data-label": tx(label) }, h("span", null, text));
const head = (labels) => h("thead", null, h("tr", null,
  labels.map(([key, number]) => h("th", { scope: "col", class: number ? "number" : null }, tx(key)))));

/** The pairs that are farthest from their scores, and those that moved most. */
export function moversView({ worst, away, toward }) {
  const list = (key, movers, open) => h("details", { open }, h("summary", null, tx(`movers.${key}`, { n: movers.length })),
    movers.length === 0 ? h("p", { class: "quiet" }, tx("movers.none")) : h("table", { class: "stack movers" },
      head([["movers.row"], ["movers.texts"], ["movers.score", true], ["sum.before", true], ["sum.after", true]]),
      h("tbody", null, movers.map((mover) => h("tr", null,
        h("th", { scope: "row", "data-label": tx("movers.row") }, String(mover.row)),
        h("td", { class: "texts", "data-label": tx("movers.texts") }, h("span", null, h("span", null, mover.left), h("span", null, mover.right))),
        cell("movers.score", score(mover.score)),
        cell("sum.before", () => fixed(mover.before, 3)),
        cell("sum.after", () => fixed(mover.after, 3)))))));
  return h("section", { class: "block" },
    h("h2", null, tx("movers.title")), h("p", { class: "quiet" }, tx("movers.about")),
    list("worst", worst, true), list("away", away, false), list("toward", toward, false));
}

/** Thresholds in the user's own scale, or why there are none. */
export function thresholdsView({ calibration, uncalibrated }) {
  const title = h("h2", null, tx("cut.title"));
  if (!calibration) return h("section", { class: "block" }, title, h("p", null, tx(`cut.none.${uncalibrated}`)));
  const { cuts, pairs, measure } = calibration;
  const row = (cut, key, found) => h("tr", null,
    h("th", { scope: "row" }, tx(`cut.${key}`), h("span", { class: "quiet" }, tx("cut.score", { score: score(cut.score), alike: cut.alike, n: pairs }))),
    ...(found ? [
      cell("cut.similarity", () => fixed(found.similarity, 3)),
      cell("cut.yours", () => fixed(found.score, 3)),
      cell("cut.precision", percent(found.precision)),
      cell("cut.recall", percent(found.recall)),
      cell("cut.n", () => found.n.toLocaleString()),
    ] : [h("td", { colspan: 5, "data-label": "" }, h("span", null, tx("cut.missing")))]));
  return h("section", { class: "block" }, title,
    h("p", { class: "quiet" }, () => t("cut.about", { measure: t(`cut.${measure}`) })),
    h("table", { class: "stack" },
      head([["cut.what"], ["cut.similarity", true], ["cut.yours", true], ["cut.precision", true], ["cut.recall", true], ["cut.n", true]]),
      h("tbody", null, cuts.flatMap((cut) => [row(cut, "best", cut.best_f1), row(cut, "precise", cut.precise)]))),
    h("p", { class: "quiet" }, tx("cut.file", { n: pairs })));
}
