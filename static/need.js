// "Do you need to train at all?": what the model says of a table's pairs before it has learned from them.

import { api, part, problemView } from "./api.js";
import { announce, fixed, h, tx } from "./dom.js";
import { pairTable } from "./findings.js";
import { has, lang, t } from "./i18n.js";

export function needView(id) {
  const body = h("div", null, h("p", { class: "quiet" }, tx("need.asking")));
  const element = h("section", { class: "block need" }, h("h2", null, tx("need.title")), body);
  let gone = false;

  async function load() {
    try {
      const verdict = await api(`datasets/${part(id)}/verdict`);
      if (gone) return;
      body.replaceChildren(...answer(verdict));
      announce(body.querySelector(".lead").textContent);
    } catch (error) {
      if (!gone) body.replaceChildren(problemView(error, { retry: load }));
    }
  }
  load();
  return { element, dispose: () => { gone = true; } };
}

function answer({ verdict, reason, measured_by: by, message, hint, agreement, separation, gaps = [], pairs, sampled }) {
  const word = (suffix, original) => {
    const key = `need.${reason}${suffix}`;
    return { lang: () => (has(key) ? null : "en"), text: () => (has(key) ? t(key) : original) };
  };
  const [says, then] = [word("", message), word(".hint", hint)];
  const known = (value) => Number.isFinite(value);
  const parts = [
    known(agreement?.pearson) && (() => t("need.agreement", { r: fixed(agreement.pearson, 2) })),
    separation && (() => t("need.separation", { right: separation.right, of: separation.of, cut: fixed(separation.cut, 2) })),
    sampled && tx("need.sampled", { n: pairs }),
  ].filter(Boolean);
  return [
    h("p", { class: "lead", lang: says.lang }, h("span", { class: `badge ${verdict}` }, tx(`need.${verdict}.badge`)), " ", says.text),
    h("p", null, parts.map((one, index) => [index > 0 && (() => (lang() === "ja" ? "" : " ")), one])),
    then.text() && h("p", { class: "quiet", lang: then.lang }, then.text),
    by === "straight_line" && h("p", { class: "quiet" }, tx("need.fitted")),
    gaps.length > 0 && h("h3", null, tx("need.gaps.title")),
    gaps.length > 0 && h("p", { class: "quiet" }, tx("need.gaps.about")),
    gaps.length > 0 && pairTable(gaps, [
      ["need.wanted", (gap) => fixed(gap.wanted, 2)], ["need.base", (gap) => fixed(gap.base, 2)], ["need.gap", (gap) => fixed(gap.gap, 2)]]),
  ].filter(Boolean);
}
