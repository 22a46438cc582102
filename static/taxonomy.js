// From a taxonomy to pairs.

import { Notice, api, part, problemView, rowTable } from "./api.js";
import { composing, h, tx } from "./dom.js";
import { TAXONOMIES, fileField } from "./file.js";
import { lang, t } from "./i18n.js";
import { field } from "./tune.js";
import { formOf } from "./wishes.js";

const KINDS = ["description", "alternative", "sibling", "cousin", "far", "hard_negative"];
/** What was made of taxonomies since the page was opened, by dataset. */
const made = new Map();

export function taxonomyView() {
  const problem = h("div", { class: "problems" });
  const file = fileField({ label: "taxonomy.file", prompt: "taxonomy.drop", hint: "taxonomy.hint", accept: TAXONOMIES, onchange: () => problem.replaceChildren() });
  const name = h("input", { type: "text", maxlength: 100, autocomplete: "off" });
  const share = h("select", null, ["0", "0.1", "0.2"].map((value) =>
    h("option", { value, selected: value === "0.1" }, tx(`taxonomy.share.${value.replace(".", "")}`))));
  const hard = h("input", { type: "checkbox" });
  const label = h("span", null, tx("taxonomy.go"));
  const go = h("button", { type: "submit", class: "main" }, label);
  let busy = false;

  async function send() {
    problem.replaceChildren();
    try {
      if (!file.file) {
        file.input.focus();
        throw new Notice(tx("taxonomy.nofile"));
      }
      busy = true;
      label.replaceChildren(h("span", null, tx("taxonomy.busy")));
      const wishes = { name: name.value.trim(), hard_negatives: hard.checked || null, held_out: share.value === "0" ? null : share.value };
      const dataset = await api("datasets/from-taxonomy", { method: "POST", form: formOf(await file.read(), wishes) });
      made.set(dataset.id, dataset);
      location.hash = `#/data/${part(dataset.id)}`;
    } catch (error) {
      problem.replaceChildren(problemView(error, { name: file.file?.name }));
    } finally {
      busy = false;
      label.replaceChildren(h("span", null, tx("taxonomy.go")));
    }
  }

  const element = h("section", { class: "taxonomy" },
    h("h1", { tabindex: "-1" }, tx("taxonomy.title")), h("p", { class: "lead" }, tx("taxonomy.lead")),
    h("form", {
      class: "panel", novalidate: true,
      onsubmit: (event) => { event.preventDefault(); busy || send(); },
      onkeydown: (event) => { if (event.key === "Enter" && composing(event)) event.preventDefault(); },
    },
      file.element,
      h("div", { class: "pair" }, field("taxonomy.name", name, null, true), field("taxonomy.share", share, "taxonomy.share.hint")),
      h("div", { class: "field" }, h("div", null, h("label", { class: "choice" }, hard, h("span", null, tx("taxonomy.hard")))), h("p", { class: "quiet" }, tx("taxonomy.hard.hint"))),
      problem, h("p", { class: "actions" }, go)));
  return { element };
}

/** What was made, where this page made it. */
export function madeView(id) {
  const dataset = made.get(id);
  if (!dataset) return "";
  const counts = dataset.made ?? {};
  return h("div", { class: "note" },
    h("p", null, () => t("taxonomy.made", {
      list: KINDS.filter((kind) => counts[kind]).map((kind) => t(`taxonomy.made.${kind}`, { n: counts[kind] })).join(lang() === "ja" ? "、" : ", ") })),
    (dataset.notes ?? []).map((note) => h("p", { class: "quiet", lang: "en" }, note)),
    dataset.held_out_id && h("p", null, h("a", { href: `#/data/${part(dataset.held_out_id)}` }, tx("taxonomy.held"))),
    dataset.problems_total > 0 && h("details", null, h("summary", null, tx("taxonomy.problems", { n: dataset.problems_total })),
      rowTable({ errors: dataset.problems, errors_total: dataset.problems_total })));
}
