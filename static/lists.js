// The jobs and the models.

import { NoContact, api, failure, part, problemView } from "./api.js";
import { announce, contact, copyable, date, h, tx } from "./dom.js";
import { t } from "./i18n.js";
import { download } from "./key.js";

/** A list of the server's; what is there and cannot be read is beside it. */
export async function listed(path) {
  const reply = await api(path);
  return Object.assign(reply[path], { unreadable: reply.unreadable ?? [] });
}

const unreadable = (rows = []) => (rows.length
  ? [h("p", { class: "quiet" }, () => t("list.unreadable", { n: rows.length, ids: rows.map((row) => row.id).join(", ") }))]
  : []);

/** A list that fetches itself, again while something runs. */
export function list(heading, lead, fetch, draw, again) {
  let timer = null;
  let gone = false;
  let shown = "";
  const body = h("div", null, h("p", { class: "quiet" }, tx("loading")));
  const element = h("section", null, h("h1", { tabindex: "-1" }, tx(heading)), lead && h("p", { class: "lead" }, tx(lead)), body);

  async function load() {
    try {
      const items = await fetch();
      if (gone) return;
      contact("list", true);
      const text = JSON.stringify([items, items.unreadable]);
      if (text !== shown) {
        const focused = body.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        body.replaceChildren(...draw(items, load), ...unreadable(items.unreadable));
        if (focused) body.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
      }
      shown = text;
      if (again?.(items)) timer = setTimeout(load, 4000);
    } catch (error) {
      if (gone) return;
      if (error instanceof NoContact && shown) {
        contact("list", false);
        timer = setTimeout(load, 4000);
      } else {
        body.replaceChildren(problemView(error, { retry: load }));
      }
    }
  }

  load();
  return {
    element,
    dispose() {
      gone = true;
      clearTimeout(timer);
      contact("list", true);
    },
  };
}

export const cell = (key, ...children) => h("td", { "data-label": tx(key) }, h("span", null, ...children));
export const heads = (...keys) => h("thead", null, h("tr", null, keys.map((key) => h("th", { scope: "col" }, tx(key)))));
export const nothing = (key) => h("div", { class: "empty" }, h("p", null, tx(key)), h("a", { class: "button main", href: "#/" }, tx("jobs.empty.go")));

export function jobsView() {
  const draw = (jobs) => {
    if (!jobs.length) return [nothing("jobs.empty")];
    return [h("table", { class: "stack list" },
      heads("jobs.name", "jobs.status", "jobs.dataset", "jobs.created"),
      h("tbody", null, jobs.map((job) => h("tr", null,
        h("th", { scope: "row" }, h("a", { href: `#/jobs/${part(job.id)}` }, job.name || job.id)),
        cell("jobs.status", h("span", { class: `badge ${job.status}` }, tx(`status.${job.status}`)),
          job.status === "running" && job.progress && h("span", { class: "quiet" }, ` ${Math.round(job.progress.fraction * 100)} %`)),
        cell("jobs.dataset", job.dataset_name ?? job.dataset_id),
        cell("jobs.created", () => date(job.created_at))))))];
  };
  return list("jobs.title", null, () => listed("jobs"), draw, (jobs) => jobs.some((job) => !job.is_terminal));
}

export function modelsView() {
  const told = h("p", { role: "status", class: "told" });
  const fetched = (event) => download(event, async (response) => {
    told.replaceChildren(problemView(response ? failure(response, await response.text()) : new NoContact()));
  });
  let previous = new Map();
  const draw = (models, load) => [
    told,
    h("table", { class: "stack list" },
      heads("models.name", "models.state", "models.aliases", "models.id", "jobs.created", "models.actions"),
      h("tbody", null, models.map((model) => row(model, models, load)))),
    !models.some((model) => model.kind === "tuned") && nothing("models.empty"),
  ].filter(Boolean);

  function row(model, models, load) {
    const base = models.find((one) => one.id === model.base_model);
    const standard = model.aliases.includes("default");
    const facts = model.kind === "base"
      ? tx("models.kind.base")
      : () => t("models.from", { model: base?.name ?? model.base_model });
    const change = async (event) => {
      await makeDefault(model.id, model.name, told, load, models.find((one) => one.aliases.includes("default")));
      event.target.isConnected || told.querySelector("button")?.focus();
    };
    return h("tr", null,
      h("th", { scope: "row" }, model.name, h("span", { class: "quiet" }, facts)),
      cell("models.state", h("span", { class: `badge ${model.state}`, title: model.last_error?.message ?? null }, tx(`models.state.${model.state}`)),
        model.state === "failed" && model.last_error && h("span", { class: "quiet" }, tx(`models.fault.${model.last_error.code}`)),
        model.pinned && h("span", { class: "quiet" }, tx("models.pinned"))),
      cell("models.aliases", model.aliases.length ? model.aliases.map((alias) => named(alias, models, load)) : tx("none")),
      cell("models.id", copyable(model.id)),
      cell("jobs.created", () => date(model.created_at)),
      cell("models.actions", h("span", { class: "buttons" },
        standard
          ? h("span", { class: "quiet" }, tx("models.default.is"))
          : h("button", { type: "button", class: "small", "aria-label": tx("models.default.of", { name: model.name }), onclick: change }, tx("models.default")),
        h("a", { href: `#/try?${model.base_model ? `a=${part(model.base_model)}&` : ""}b=${part(model.id)}` }, tx("models.try")),
        model.job_id && h("a", { href: `#/jobs/${part(model.job_id)}` }, tx("models.job")),
        h("a", { href: `models/${part(model.id)}/card`, target: "_blank", onclick: fetched, "aria-label": tx("models.card.of", { name: model.name }) }, tx("models.card")),
        h("a", { href: `models/${part(model.id)}/export`, download: true, onclick: fetched, "aria-label": tx("models.export.of", { name: model.name }) }, tx("models.export")))));
  }

  /** An alias, with a way back to the model that it meant before. */
  function named(alias, models, load) {
    const before = previous.get(alias);
    const name = models.find((one) => one.id === before)?.name ?? before;
    return h("span", null, h("span", { class: "alias" }, alias),
      before && h("button", {
        type: "button", class: "small", "aria-label": () => t("models.back.of", { alias, name }), title: () => t("models.back.of", { alias, name }),
        onclick: () => rollBack(alias, name, told, load),
      }, tx("models.back")));
  }

  async function fetch() {
    const [models, aliases] = await Promise.all([listed("models"), api("aliases")]);
    previous = new Map(aliases.aliases.map((one) => [one.alias, one.previous]));
    return models;
  }

  return list("models.title", "models.lead", fetch, draw, (models) => models.some((model) => ["loading", "draining"].includes(model.state)));
}

/** Shows what it means to point an alias at the model before, and does it when that is wanted. */
function rollBack(alias, name, told, done) {
  const go = h("button", { type: "button", class: "small", "data-key": "back-go", onclick: () => moved(true) }, tx("models.back.go", { alias, name }));
  const stay = h("button", { type: "button", class: "small", onclick: () => told.replaceChildren() }, tx("models.back.stay"));
  const undo = (before) => h("button", { type: "button", class: "small", onclick: () => moved(false, before) }, tx("models.undo"));
  async function moved(back, before) {
    try {
      const now = await api(`models/${part(alias)}`);
      if (back) await api(`aliases/${part(alias)}/rollback`, { method: "POST" });
      else await api(`aliases/${part(alias)}`, { method: "PUT", json: { model: before.id } });
      const said = () => t("models.back.done", { alias, name: back ? name : before.name });
      told.replaceChildren(h("span", null, said), " ", back ? undo(now) : "");
      announce(said());
      await done?.();
    } catch (error) {
      told.replaceChildren(problemView(error));
    }
  }
  told.replaceChildren(h("span", null, tx("models.back.means", { alias, name })), " ", go, " ", stay);
  go.focus();
}

/** Points the alias `default` to a model and says so, with a way back. */
export async function makeDefault(id, name, told, done, before) {
  try {
    before ??= await api("models/default").catch(() => null);
    await api("aliases/default", { method: "PUT", json: { model: id } });
    const back = before && before.id !== id && h("button", {
      type: "button", class: "small", onclick: () => makeDefault(before.id, before.name, told, done, { id, name }),
    }, tx("models.undo"));
    told.replaceChildren(h("span", null, tx("models.default.done", { name: name || id })), " ", back || "");
    announce(t("models.default.done", { name: name || id }));
    await done?.();
  } catch (error) {
    told.replaceChildren(problemView(error));
  }
}
