// Two heatmaps of cosine similarity on one fixed scale, 0 to 1.

import { fixed, h, signed, tx } from "./dom.js";
import { t } from "./i18n.js";

const CJK = /[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]/;

/** Even steps of lightness in one blue hue (OKLCH), so that equal differences look equal. */
export function colour(value) {
  const at = Math.min(Math.max(value, 0), 1);
  const [l, c, hue] = [0.975 - 0.665 * at, 0.008 + 0.122 * Math.sin(at * 2.1) ** 1.2, (235 + 32 * at) * Math.PI / 180];
  const [a, b] = [c * Math.cos(hue), c * Math.sin(hue)];
  const lms = [l + 0.3963377774 * a + 0.2158037573 * b, l - 0.1055613458 * a - 0.0638541728 * b, l - 0.0894841775 * a - 1.291485548 * b].map((x) => x ** 3);
  const linear = [
    4.0767416621 * lms[0] - 3.3077115913 * lms[1] + 0.2309699292 * lms[2],
    -1.2684380046 * lms[0] + 2.6097574011 * lms[1] - 0.3413193965 * lms[2],
    -0.0041960863 * lms[0] - 0.7034186147 * lms[1] + 1.707614701 * lms[2],
  ].map((x) => Math.min(Math.max(x, 0), 1));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  const rgb = linear.map((x) => Math.round(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055)));
  // The ink, black or white, that has more contrast (WCAG): 4.5 at least.
  const dark = (luminance + 0.05) / 0.05;
  return { ground: `rgb(${rgb.join(" ")})`, ink: dark >= 1.05 / (luminance + 0.05) ? "#000000" : "#ffffff" };
}

export function heatmaps() {
  let data = { titles: [] };
  const readout = h("p", { class: "readout" });
  const maps = ["before", "after"].map((side) => matrix(side, show));
  const grid = h("div", { class: "maps" }, maps.map((map) => map.element));
  const wait = h("p", { class: "quiet" }, tx("heat.wait"));
  const body = h("div", { hidden: true }, scale(), grid, readout);
  const element = h("section", { class: "block" }, h("h2", null, tx("heat.title")), wait, body);

  function show(row, column) {
    for (const map of maps) map.mark(row, column);
    readout.replaceChildren(h("span", { class: row === null ? "quiet" : "" }, () => {
      if (row === null) return t("heat.hint");
      const [a, b] = [data.titles[row], data.titles[column]];
      const [before, after] = [data.before?.[row]?.[column], data.after?.[row]?.[column]];
      if (before === undefined || after === undefined) return t("heat.one", { a, b, value: fixed(before ?? after, 3) });
      return t("heat.two", { a, b, before: fixed(before, 3), after: fixed(after, 3), diff: signed(after - before, 3) });
    }));
  }

  /** `epoch` is set while the right side is a state in between. */
  function update(next) {
    const fresh = next.titles.join("\n") !== data.titles.join("\n");
    data = next;
    const none = !data.before && !data.after;
    wait.hidden = !none;
    body.hidden = none;
    if (none) return;
    maps[0].update(data.titles, data.before, tx("heat.before"));
    maps[1].update(data.titles, data.after, data.epoch === null ? tx("heat.after") : tx("heat.epoch", { epoch: data.epoch }));
    if (fresh) show(null, null);
  }

  return { element, update };
}

function matrix(side, show) {
  let titles = [];
  let cells = [];
  let active = [0, 0];
  let marked = null;
  const caption = h("caption");
  const head = h("thead");
  const body = h("tbody");
  const columns = h("colgroup");
  const table = h("table", {
    class: "heat", onkeydown: keys,
    onpointerover: (event) => over(event.target), onpointerdown: (event) => over(event.target),
    onfocusin: (event) => over(event.target),
    onpointerleave: () => show(null, null), onfocusout: () => show(null, null),
  }, caption, columns, head, body);
  const wait = h("p", { class: "quiet" }, tx("heat.wait"));
  const element = h("div", { class: "map" }, wait, h("div", { class: "scroll" }, table));
  new ResizeObserver(() => room()).observe(element);

  function over(target) {
    const cell = target.closest?.("td[data-at]");
    if (!cell) return;
    active = cell.dataset.at.split(",").map(Number);
    for (const line of cells) for (const one of line) one.tabIndex = -1;
    cell.tabIndex = 0;
    show(...active);
  }

  function keys(event) {
    const [row, column] = active;
    const next = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      Home: [row, 0], End: [row, titles.length - 1],
    }[event.key];
    if (!next) return;
    event.preventDefault();
    cells[next[0]]?.[next[1]]?.focus();
  }

  function mark(row, column) {
    marked?.classList.remove("marked");
    marked = row === null ? null : cells[row]?.[column];
    marked?.classList.add("marked");
  }

  function update(next, values, when) {
    if (next.join("\n") !== titles.join("\n")) build(next);
    caption.replaceChildren(
      h("span", { "aria-hidden": "true" }, when), h("span", { class: "hush" }, () => t("heat.caption", { when: when() })));
    wait.hidden = Boolean(values);
    table.hidden = !values;
    values?.forEach((line, row) => line.forEach((value, column) => {
      const cell = cells[row]?.[column];
      if (!cell) return;
      const { ground, ink } = colour(value);
      cell.style.backgroundColor = ground;
      cell.style.color = ink;
      cell.firstChild.textContent = fixed(value, 2);
    }));
    room();
  }

  function build(next) {
    titles = next;
    const label = (title) => h("span", { class: CJK.test(title) ? "title cjk" : "title", title }, title);
    columns.replaceChildren(h("col", { class: "names" }), ...titles.map(() => h("col")));
    head.replaceChildren(h("tr", null, h("td", { class: "corner" }), titles.map((title) => h("th", { scope: "col" }, label(title)))));
    cells = titles.map((_, row) => titles.map((_, column) =>
      h("td", { tabindex: row || column ? -1 : 0, "data-at": `${row},${column}` }, h("span"))));
    body.replaceChildren(...titles.map((title, row) => h("tr", null, h("th", { scope: "row" }, label(title)), cells[row])));
  }

  /** The numbers are seen where a cell has room for them; a screen reader reads them always. */
  function room() {
    const width = element.clientWidth;
    if (!width || !titles.length) return;
    const longest = Math.max(...[...body.querySelectorAll(".title")].map(textWidth));
    const names = Math.min(longest + 10, Math.max(76, width * 0.345));
    columns.firstChild.style.width = `${names}px`;
    const cell = (width - names) / titles.length;
    table.classList.toggle("tight", cell < 33);
    table.style.setProperty("--cell", `${Math.min(Math.max(cell, 14), 46)}px`);
  }

  return { element, update, mark };
}

function textWidth(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  return range.getBoundingClientRect().width;
}

function scale() {
  const steps = Array.from({ length: 41 }, (_, index) => {
    const step = h("span");
    step.style.backgroundColor = colour(index / 40).ground;
    return step;
  });
  return h("div", { class: "scale" },
    h("span", { class: "quiet" }, tx("heat.scale")),
    h("div", null, h("div", { class: "ramp", "aria-hidden": "true" }, steps),
      h("div", { class: "limits" }, h("span", null, tx("heat.low")), h("span", { "aria-hidden": "true" }, "0.5"), h("span", null, tx("heat.high")))));
}
