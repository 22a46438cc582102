// Requests to the server, and its problems as something to look at.

import { h, tx } from "./dom.js";
import { errorWords, lang, rowWords, t } from "./i18n.js";
import { forgetKey, send } from "./key.js";

/** The server answered with a problem. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** The server did not answer. */
export class NoContact extends Error {}

/** The page itself found something; the message is already in words. `words` follows the language. */
export class Notice extends Error {
  constructor(words) {
    super(words());
    this.words = words;
  }
}

export async function api(path, { method = "GET", json, form, signal } = {}) {
  const headers = { accept: "application/json" };
  if (json) headers["content-type"] = "application/json";
  let response;
  let text;
  try {
    response = await send(path, { method, headers, body: json ? JSON.stringify(json) : form, signal });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new NoContact();
  }
  if (!response.ok) throw failure(response, text);
  return text ? JSON.parse(text) : null;
}

/** What a reply that is none says: a problem of the server's, or a proxy's page, whose status says enough. */
export function failure(response, text) {
  let body = null;
  try {
    body = JSON.parse(text);
  } catch { /* no document of the server's */ }
  if (!body && response.status >= 502 && response.status <= 504) return new NoContact();
  return new Problem(response.status, body ?? { title: `HTTP ${response.status} ${response.statusText}` });
}

export const part = encodeURIComponent;

/** A name for each model's id; where two models share one, the id tells them apart. */
export function modelNames(models) {
  const twice = (name) => models.filter((model) => model.name === name).length > 1;
  return new Map(models.map(({ id, name }) => [id, twice(name) && name !== id ? `${name} (${id})` : name]));
}

/** An error with what happened, what to do and, for a table, where. `name` is the table's file. */
export function problemView(error, { name, retry } = {}) {
  const box = h("div", { class: "problem", role: "alert", tabindex: "-1" });
  const title = (words) => box.append(h("h3", null, words));
  if (error instanceof Problem) {
    const body = error.body;
    title(name ? tx("problem.table", { name }) : tx("problem.title"));
    box.append(...sentences(body));
    if (body.errors?.length) box.append(rowTable(body));
    if (body.request_id) box.append(h("p", { class: "quiet" }, tx("problem.request", { id: body.request_id })));
  } else if (error instanceof NoContact) {
    title(tx("problem.title"));
    box.append(h("p", null, tx("problem.contact")));
  } else if (error instanceof Notice) {
    box.append(h("p", null, error.words));
  } else {
    console.error(error);
    title(tx("problem.title"));
    box.append(h("p", null, tx("problem.page", { message: error.message })));
  }
  if (retry) box.append(h("p", null, h("button", { type: "button", onclick: retry }, tx("retry"))));
  if (error instanceof Problem && error.body.code === "scope_missing") {
    const other = () => { forgetKey(); location.reload(); };
    box.append(h("p", null, h("button", { type: "button", onclick: other }, tx("key.other"))));
  }
  return box;
}

/** What happened and what to do. The server writes English; a known code is told in Japanese, with the original below. */
export function sentences({ code, detail, message, title, hint }) {
  const known = (what) => (lang() === "en" ? null : errorWords(code, what));
  const said = detail ?? message ?? title;
  const line = (what, original, props) =>
    original && h("p", { ...props, lang: () => (known(what) ? null : "en") }, () => known(what) ?? original);
  const original = Object.entries({ [detail ? "detail" : "message"]: said, hint }).filter(([, words]) => words);
  return [
    line("meaning", said),
    line("remedy", hint, { class: "hint" }),
    h("p", { class: "quiet", lang: "en", hidden: () => !known("meaning") }, original.map(([name, words]) => `${name}: ${words}`).join(" ")),
  ].filter(Boolean);
}

/** Rows of a table that cannot be used: where, what stands there, and what to do. */
export function rowTable(body) {
  const { errors } = body;
  const total = body.errors_total ?? errors.length;
  const head = (key, hint) => h("th", { scope: "col", title: hint ? tx(hint) : null }, tx(key));
  const cell = (key, props, ...children) => h("td", { "data-label": tx(key), ...props }, h("span", null, ...children));
  const column = (error) => {
    if (error.column_name) return error.column_name;
    return error.column ? tx("problem.column.number", { n: error.column }) : tx("none");
  };
  const message = (error) => () => (lang() === "en" ? null : rowWords(error.code, "meaning")) ?? error.message;
  const hint = (error) => {
    const words = () => rowWords(error.code, "remedy") ?? t("none");
    const suggest = error.suggestion && !words().includes(error.suggestion);
    return [words, suggest && [h("br"), tx("problem.suggest", { value: error.suggestion })]];
  };
  const table = h("table", { class: "stack rows" },
    h("thead", null, h("tr", null,
      head("problem.row", "problem.row.hint"), head("problem.line", "problem.line.hint"), head("problem.column"),
      head("problem.value"), head("problem.message"), head("problem.hint"))),
    h("tbody", null, errors.map((error) => h("tr", null,
      cell("problem.row", { class: "number" }, String(error.row)),
      cell("problem.line", { class: "number" }, String(error.line ?? "–")),
      cell("problem.column", null, column(error)),
      cell("problem.value", { class: "value" }, error.value ? h("code", null, error.value) : tx("problem.empty")),
      cell("problem.message", null, message(error)),
      cell("problem.hint", null, hint(error))))));
  return h("div", null,
    total > errors.length && h("p", null, tx("problem.shown", { shown: errors.length, total })),
    h("div", { class: "scroll" }, table));
}
