// Asks one or two models how similar texts are.

import { Notice, api, modelNames, problemView } from "./api.js";
import { announce, composing, copyButton, fixed, h, newId, refresh, tx } from "./dom.js";
import { t } from "./i18n.js";
import { hasKey } from "./key.js";
import { field } from "./tune.js";

export function tryView() {
  let busy = false;
  let result = null;
  let order = null;
  let names = new Map();
  let touched = false;

  const group = newId("kind");
  const radio = (value, key) => {
    const input = h("input", { type: "radio", name: group, value, checked: value === "many" });
    return h("label", { class: "choice" }, input, h("span", null, tx(key)));
  };
  const kinds = h("fieldset", { class: "kinds" }, h("legend", { class: "label" }, tx("try.kind")), radio("many", "try.many"), radio("pair", "try.pair"));
  const kind = () => kinds.querySelector(":checked").value;
  const first = h("textarea", { rows: 2 });
  const second = h("textarea", { rows: 2 });
  const many = h("textarea", { rows: 6 });
  const model = h("select", null, h("option", { value: "default" }, "default"));
  const other = h("select", null, h("option", { value: "" }, tx("try.nomodel")));
  const measure = h("select", null, h("option", { value: "cosine" }, tx("try.cosine")), h("option", { value: "angular" }, tx("try.angular")));
  const label = h("span", null, tx("try.go"));
  const go = h("button", { type: "submit", class: "main" }, label);
  const firstField = field(() => t(kind() === "pair" ? "try.first" : "try.query"), first);
  const secondField = field("try.second", second);
  const manyField = field("try.lines", many);
  const output = h("div", { class: "output", role: "region", "aria-label": tx("try.result") }, h("p", { class: "quiet" }, tx("try.empty")));
  const code = h("code");
  const controls = [first, second, many, model, other, measure];

  const form = h("form", {
    class: "panel", novalidate: true,
    oninput: (event) => {
      if ([first, second, many].includes(event.target)) touched = true;
      sketch();
    },
    onchange: sketch,
    onsubmit: (event) => {
      event.preventDefault();
      if (!busy) compare();
    },
    onkeydown: (event) => {
      if (event.key !== "Enter") return;
      if (composing(event)) return;
      if (event.ctrlKey || event.metaKey) form.requestSubmit();
    },
  }, kinds, firstField, secondField, manyField,
    h("div", { class: "pair" }, field("try.model", model), field("try.second.model", other)),
    field("try.measure", measure),
    h("p", { class: "actions" }, go));

  const element = h("section", { class: "try" },
    h("h1", { tabindex: "-1" }, tx("try.title")), h("p", { class: "lead" }, tx("try.lead")),
    h("div", { class: "halves" }, form, output),
    h("section", { class: "block" },
      h("div", { class: "line" }, h("h2", null, tx("try.curl")), copyButton(() => code.textContent, "curl")),
      h("pre", { tabindex: "0" }, code)));

  const lines = () => many.value.split("\n").map((line) => line.trim()).filter(Boolean);
  const models = () => [...new Set([model.value, other.value].filter(Boolean))];

  /** Two models answer in one call. */
  function request(ids) {
    const texts = kind() === "pair"
      ? { pairs: [[first.value.trim(), second.value.trim()]] }
      : { queries: [first.value.trim()], documents: lines() };
    return { ...texts, ...(ids.length > 1 ? { models: ids } : { model: ids[0] }), measure: measure.value };
  }

  function sketch() {
    refresh(firstField);
    secondField.hidden = kind() !== "pair";
    manyField.hidden = kind() === "pair";
    const url = new URL("similarity", document.baseURI).href;
    const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const key = hasKey() ? `-H "Authorization: Bearer $SHAMISEN_KEY" \\\n  ` : "";
    code.textContent =
      `curl -s ${url} \\\n  ${key}-H 'content-type: application/json' \\\n  -d ${quote(JSON.stringify(request(models())))}`;
  }

  async function compare() {
    const pair = kind() === "pair";
    busy = true;
    go.setAttribute("aria-disabled", "true");
    label.replaceChildren(h("span", null, tx("try.busy")));
    try {
      if (!first.value.trim() || (pair && !second.value.trim())) throw new Notice(tx("try.missing"));
      if (!pair && !lines().length) throw new Notice(tx("try.missing.lines"));
      const ids = models();
      const texts = pair ? [second.value.trim()] : lines();
      const answer = await api("similarity", { method: "POST", json: request(ids) });
      const answers = answer.models ?? [answer];
      result = {
        ids, texts, measure: measure.value, query: first.value.trim(),
        scores: answers.map((answer) => (pair ? answer.scores : answer.scores[0])),
        truncated: answers.some((answer) => answer.truncated?.length),
      };
      order = ids.length - 1;
      draw();
      announce(t("try.result"));
    } catch (error) {
      output.replaceChildren(problemView(error));
    } finally {
      busy = false;
      go.removeAttribute("aria-disabled");
      label.replaceChildren(h("span", null, tx("try.go")));
    }
  }

  function draw() {
    const { ids, texts, scores, query } = result;
    const rows = texts.map((_, index) => index).sort((a, b) => scores[order][b] - scores[order][a]);
    const nameOf = (id) => names.get(id) ?? id;
    const head = (id, index) => {
      const sorted = index === order && texts.length > 1;
      return h("th", { scope: "col", "aria-sort": sorted ? "descending" : null },
        texts.length > 1
          ? h("button", {
            type: "button", class: "sort", "aria-label": () => t("try.sort", { name: nameOf(id) }),
            onclick: () => {
              order = index;
              draw();
              output.querySelectorAll(".sort")[index]?.focus();
            },
          }, nameOf(id), sorted ? " ↓" : "")
          : nameOf(id));
    };
    const score = (value) => {
      const bar = h("span", { class: "meter", "aria-hidden": "true" }, h("span"));
      bar.firstChild.style.width = `${Math.min(Math.max(value, 0), 1) * 100}%`;
      return h("td", { class: "number" }, fixed(value, 3), bar);
    };
    output.replaceChildren(
      h("h2", null, tx("try.result")), h("p", { class: "query" }, query),
      h("table", { class: "scores" },
        h("thead", null, h("tr", null, h("th", { scope: "col" }, tx("try.text")), ids.map(head))),
        h("tbody", null, rows.map((row) =>
          h("tr", null, h("th", { scope: "row" }, texts[row]), scores.map((column) => score(column[row])))))),
      result.truncated ? h("p", { class: "note" }, tx("try.truncated")) : "");
  }

  function example() {
    if (touched) return;
    first.value = t("try.example.a");
    second.value = t("try.example.b");
    many.value = t("try.example.lines");
    sketch();
  }

  /** Fills the lists of models; `a` and `b` come from a link. */
  async function show(query) {
    example();
    const list = await api("models").catch((error) => {
      output.replaceChildren(problemView(error, { retry: () => show(query) }));
      return null;
    });
    if (!list) return;
    if (output.querySelector(".problem")) output.replaceChildren(h("p", { class: "quiet" }, tx("try.empty")));
    const kept = controls.slice(3, 5).map((select) => (names.size ? select.value : null));
    names = modelNames(list.models);
    const options = () => list.models.map((one) =>
      h("option", { value: one.id }, [names.get(one.id), ...one.aliases.map((alias) => `[${alias}]`)].join(" ")));
    model.replaceChildren(...options());
    other.replaceChildren(h("option", { value: "" }, tx("try.nomodel")), ...options());
    const known = (id) => (names.has(id) ? id : null);
    const tuned = list.models.filter((one) => one.kind === "tuned")
      .sort((a, b) => b.created_at.localeCompare(a.created_at))[0];
    // Before and after: a tuned model stands beside the one that it was made from.
    const base = list.models.find((one) => one.id === tuned?.base_model)
      ?? list.models.find((one) => one.kind === "base") ?? list.models[0];
    const linked = query.has("a") || query.has("b");
    model.value = (linked ? known(query.get("a")) ?? known(query.get("b")) : known(kept[0])) ?? base?.id ?? "";
    other.value = (linked ? known(query.get("b")) : kept[1] ?? tuned?.id) ?? "";
    if (other.selectedIndex < 0 || other.value === model.value) other.value = "";
    sketch();
  }

  sketch();
  return { element, show, example };
}
