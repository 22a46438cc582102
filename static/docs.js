// Five calls, in four languages, with this server's own address and models.

import { api, modelNames, problemView } from "./api.js";
import { ROOT, head } from "./docpage.js";
import { announce, copyButton, h, refresh, tx } from "./dom.js";
import { snippet } from "./snippets.js";
import { field } from "./tune.js";

const main = document.getElementById("main");
const CALLS = [
  {
    name: "embed", operation: "Embeddings/embed",
    request: (model) => ({ method: "POST", path: "embed", json: { model, texts: ["Data Scientist", "看護師"] } }),
  },
  {
    name: "compare", operation: "Embeddings/similarity",
    request: (model) => ({ method: "POST", path: "similarity", json: { model, pairs: [["Data Scientist", "データ分析担当"]] } }),
  },
  {
    name: "rank", operation: "Embeddings/similarity",
    request: (model) => ({
      method: "POST", path: "similarity",
      json: { model, source_sentence: "Data Scientist", sentences: ["Registered Nurse", "Data Analyst", "データ分析担当"] },
    }),
  },
  { name: "train", operation: "Training/create_job" },
  { name: "switch", operation: "Models/set_alias" },
];
const LANGUAGES = { curl: "curl", requests: "Python (requests)", fetch: "JavaScript (fetch)", openai: "Python (openai)" };

const model = h("select", null, h("option", { value: "default" }, "default"));
const language = h("select", null, ["curl", "requests", "fetch"].map((value) => h("option", { value }, LANGUAGES[value])));
/** The routes that this server has. */
let routes = new Set();

/** A reply as it fits a page: of long lists of numbers the first five. */
function short(value) {
  if (!Array.isArray(value)) {
    return value && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, short(inner)]))
      : value;
  }
  const numbers = value.length > 8 && value.every((item) => typeof item === "number");
  return numbers ? [...value.slice(0, 5), `… ${value.length - 5}`] : value.map(short);
}

/** JSON with each list of plain values on one line. */
const written = (value) =>
  JSON.stringify(value, null, 2).replace(/\[[^[\]{}]*\]/g, (list) => list.replace(/\s*\n\s*/g, " "));

function callView({ name, operation, request }, index) {
  const code = h("code");
  const outcome = h("div", { class: "told" });
  const label = h("span", null, tx("docs.run"));
  const run = request && h("button", { type: "button", class: "small", onclick: go }, label);
  let busy = false;

  async function go() {
    if (busy) return;
    busy = true;
    label.replaceChildren(h("span", null, tx("docs.running")));
    const { path, method, json } = request(model.value);
    const began = performance.now();
    try {
      const reply = await api(ROOT + path, { method, json });
      const took = Math.max(1, Math.round(performance.now() - began));
      outcome.replaceChildren(
        h("p", { class: "quiet" }, tx("docs.reply", { n: took })),
        h("pre", { tabindex: "0" }, h("code", null, written(short(reply)))));
      announce(outcome.firstChild.textContent);
    } catch (error) {
      outcome.replaceChildren(problemView(error));
    } finally {
      busy = false;
      label.replaceChildren(h("span", null, tx("docs.run")));
    }
  }

  const view = h("section", { class: "block call", id: name },
    h("div", { class: "words" },
      h("h2", null, `${index + 1}. `, tx(`docs.${name}`)),
      h("p", null, tx(`docs.${name}.when`)),
      h("p", { class: "quiet" }, h("a", { href: `${ROOT}docs/reference#/${operation}` }, tx("docs.more")))),
    h("div", { class: "code" },
      h("div", { class: "buttons" }, copyButton(() => code.textContent, LANGUAGES[language.value]), run),
      h("pre", { tabindex: "0" }, code), outcome));
  const show = () => {
    code.textContent = snippet(name, language.value, { root: ROOT, model: model.value, routes, request: request?.(model.value) });
  };
  return { view, show };
}

const calls = CALLS.map(callView);
const show = () => calls.forEach((call) => call.show());
model.addEventListener("change", show);
language.addEventListener("change", show);

main.append(
  h("h1", { tabindex: "-1" }, tx("docs.title")),
  h("p", { class: "lead" }, tx("docs.lead")),
  h("div", { class: "pair choices" }, field("docs.model", model), field("docs.language", language)),
  ...calls.map((call) => call.view),
  h("p", { class: "block" }, h("a", { href: `${ROOT}openapi.json` }, tx("docs.openapi"))));
head("calls");
show();

/** OpenAI's client is offered where this server speaks its language. */
async function describe() {
  routes = new Set(Object.keys((await api(`${ROOT}openapi.json`)).paths));
  if (routes.has("/v1/embeddings")) language.append(h("option", { value: "openai" }, LANGUAGES.openai));
  show();
}

async function nameModels() {
  const { models } = await api(`${ROOT}models`);
  const names = modelNames(models);
  const aliases = models.flatMap((one) => one.aliases).filter((alias) => alias !== "default").sort();
  model.append(
    ...aliases.map((value) => h("option", { value }, value)),
    ...models.map(({ id }) => h("option", { value: id }, names.get(id))));
}

for (const part of [describe(), nameModels()]) {
  // Without them the page still shows its calls.
  part.catch((error) => main.append(problemView(error))).finally(() => refresh(main));
}
