// A table's pairs: searched, narrowed to scores, sorted, a page at a time.

import { api, part, problemView } from "./api.js";
import { composing, h, tx } from "./dom.js";
import { pairTable } from "./findings.js";
import { field } from "./tune.js";

const PAGE = 20;
const PAUSE = 300;

export function rowsView(id, scored) {
  let offset = 0;
  let timer = null;
  let asking = null;
  const search = h("input", {
    type: "search", autocomplete: "off",
    oninput: (event) => event.isComposing || later(), oncompositionend: () => later(),
  });
  const score = (key) => h("input", { type: "number", step: "any", min: 0, max: 1, "aria-label": tx(key), oninput: () => later() });
  const [low, high] = [score("browse.from"), score("browse.to")];
  const sort = h("select", { onchange: () => later() },
    [["row", "row"], ["score", "score"], ["-score", "score.down"]].map(([value, key]) => h("option", { value }, tx(`browse.sort.${key}`))));
  const told = h("p", { class: "quiet", role: "status" });
  const body = h("div");
  const turn = (key, by) => h("button", { type: "button", onclick: () => load(offset + by) }, tx(key));
  const [back, next] = [turn("browse.back", -PAGE), turn("browse.next", PAGE)];
  const element = h("section", { class: "block", id: "pairs" },
    h("h2", null, tx("browse.title")),
    h("form", {
      class: "browse", role: "search",
      onsubmit: (event) => { event.preventDefault(); load(0); },
      onkeydown: (event) => { if (event.key === "Enter" && composing(event)) event.preventDefault(); },
    },
      field("browse.search", search),
      scored && h("fieldset", null, h("legend", { class: "label" }, tx("browse.score")), h("div", { class: "range" }, low, h("span", null, "–"), high)),
      scored && field("browse.sort", sort)),
    told, body, h("p", { class: "actions" }, back, next));

  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => load(0), PAUSE);
  }

  async function load(from) {
    clearTimeout(timer);
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    const query = new URLSearchParams({ offset: Math.max(from, 0), limit: PAGE });
    if (search.value.trim()) query.set("q", search.value.trim());
    if (low.value || high.value) query.set("score", `${Number(low.value)}-${high.value ? Number(high.value) : 1}`);
    if (scored && sort.value !== "row") query.set("sort", sort.value);
    try {
      const { rows, total, matching = total } = await api(`datasets/${part(id)}/rows?${query}`, { signal: mine.signal });
      if (mine !== asking) return;
      offset = Math.max(from, 0);
      told.replaceChildren(h("span", null, tx(matching ? "browse.shown" : "browse.none",
        { from: offset + 1, to: offset + rows.length, matching, total })));
      body.replaceChildren(rows.length ? pairTable(rows) : "");
      back.disabled = offset === 0;
      next.disabled = offset + rows.length >= matching;
    } catch (error) {
      if (mine === asking && !mine.signal.aborted) body.replaceChildren(problemView(error, { retry: () => load(from) }));
    }
  }

  load(0);
  return { element, dispose: () => asking?.abort() };
}
