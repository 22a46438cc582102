// The loss and the validation loss per epoch, as they are, without smoothing.

import { h, loss, s, tx } from "./dom.js";
import { t } from "./i18n.js";

const HEIGHT = 280;
const EDGE = { top: 12, right: 14, bottom: 42, left: 74 };

export function lossChart() {
  let epochs = [];
  let total = 1;
  let at = null;
  let place = null;

  const graph = s("svg", { height: HEIGHT, role: "img", "aria-label": tx("chart.title") });
  const frame = h("div", {
    class: "chart", tabindex: "0", role: "group", "aria-label": tx("chart.keys"), hidden: true,
    onpointermove: (event) => point(event.clientX - frame.getBoundingClientRect().left),
    onpointerdown: (event) => point(event.clientX - frame.getBoundingClientRect().left),
    onpointerleave: () => choose(null),
    onblur: () => choose(null),
    onkeydown: keys,
  }, graph);
  const readout = h("p", { class: "readout", "aria-live": "polite" });
  const empty = h("p", { class: "quiet" }, tx("chart.empty"));
  const over = h("p", { class: "note", role: "status", hidden: true });
  const rows = h("tbody");
  const values = h("details", { hidden: true }, h("summary", null, tx("chart.table")),
    h("div", { class: "scroll" }, h("table", { class: "plain" },
      h("thead", null, h("tr", null, ["chart.x", "chart.loss", "chart.val"].map((key) => h("th", { scope: "col" }, tx(key))))), rows)));
  const legend = h("ul", { class: "legend", hidden: true },
    h("li", null, mark("loss"), tx("chart.loss")), h("li", null, mark("val"), tx("chart.val")));
  const element = h("section", { class: "block" },
    h("h2", null, tx("chart.title")), empty, legend, frame, readout, over, values);

  new ResizeObserver(() => draw()).observe(frame);

  function update(next, of) {
    epochs = next;
    total = Math.max(of || 1, epochs.at(-1)?.epoch ?? 1);
    const none = !epochs.length;
    empty.hidden = !none;
    frame.hidden = legend.hidden = values.hidden = none;
    const since = overfitting(epochs);
    over.hidden = !since;
    if (since && over.dataset.since !== String(since)) {
      over.dataset.since = since;
      over.replaceChildren(h("span", null, tx("chart.over", { epoch: since })));
    }
    rows.replaceChildren(...epochs.map((epoch) => h("tr", null,
      h("th", { scope: "row" }, String(epoch.epoch)), h("td", null, () => loss(epoch.loss)), h("td", null, () => loss(epoch.val_loss)))));
    draw();
    choose(at);
  }

  function draw() {
    const width = frame.clientWidth;
    if (!width || !epochs.length) return;
    const finite = epochs.flatMap((epoch) => [epoch.loss, epoch.val_loss]).filter(Number.isFinite);
    const ticks = scale(Math.max(...finite, 1e-9));
    const top = ticks.at(-1);
    const x = (epoch) => EDGE.left + ((width - EDGE.left - EDGE.right) * (total < 2 ? 0.5 : (epoch - 1) / (total - 1)));
    const y = (value) => EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - value / top);
    place = { x, y };
    const floor = HEIGHT - EDGE.bottom;
    const digits = (String(ticks[1]).split(".")[1] ?? "").length;
    const line = (name) => {
      const points = epochs.filter((epoch) => Number.isFinite(epoch[name]));
      const kind = name === "loss" ? "loss" : "val";
      return [
        s("polyline", { class: `line ${kind}`, points: points.map((epoch) => `${x(epoch.epoch)},${y(epoch[name])}`).join(" ") }),
        points.map((epoch) => dot(kind, x(epoch.epoch), y(epoch[name]), points.length > 40 ? 2 : 3.5)),
      ];
    };
    graph.setAttribute("width", width);
    graph.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    graph.replaceChildren(
      ...ticks.map((tick) => s("g", null,
        s("line", { class: tick ? "grid" : "axis", x1: EDGE.left, x2: width - EDGE.right, y1: y(tick), y2: y(tick) }),
        s("text", { class: "tick", x: EDGE.left - 8, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(digits)))),
      ...steps(total, width).map((epoch) =>
        s("text", { class: "tick", x: x(epoch), y: floor + 18, "text-anchor": "middle" }, String(epoch))),
      s("text", { class: "name", x: (EDGE.left + width - EDGE.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, tx("chart.x")),
      s("text", { class: "name", x: 0, y: 0, "text-anchor": "middle", transform: `translate(13 ${(EDGE.top + floor) / 2}) rotate(-90)` }, tx("chart.y")),
      s("line", { class: "guide", y1: EDGE.top, y2: floor }),
      ...line("loss").flat(), ...line("val_loss").flat());
    guide();
  }

  function guide() {
    const line = graph.querySelector(".guide");
    if (!line || !place) return;
    line.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at === null) return;
    line.setAttribute("x1", place.x(epochs[at].epoch));
    line.setAttribute("x2", place.x(epochs[at].epoch));
  }

  function point(x) {
    if (!place || !epochs.length) return;
    const distance = (index) => Math.abs(place.x(epochs[index].epoch) - x);
    choose(epochs.reduce((best, _, index) => (distance(index) < distance(best) ? index : best), 0));
  }

  function choose(index) {
    at = index === null || !epochs.length ? null : Math.min(Math.max(index, 0), epochs.length - 1);
    const chosen = epochs[at];
    readout.replaceChildren(...(epochs.length ? [h("span", { class: chosen ? "" : "quiet" }, () => (chosen
      ? t("chart.at", { epoch: chosen.epoch, loss: loss(chosen.loss), val: loss(chosen.val_loss) })
      : t("chart.hint")))] : []));
    guide();
  }

  function keys(event) {
    const last = epochs.length - 1;
    const next = { ArrowLeft: (at ?? last + 1) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(next);
  }

  return { element, update };
}

/** The epoch since which validation gets worse while training gets better, or null. */
export function overfitting(epochs) {
  const best = epochs.reduce((best, epoch, index) => (epoch.val_loss < epochs[best].val_loss ? index : best), 0);
  const last = epochs.length - 1;
  if (last - best < 2) return null;
  const rises = epochs[last].val_loss > epochs[best].val_loss * 1.02;
  return rises && epochs[last].loss < epochs[best].loss ? epochs[best].epoch : null;
}

/** Ticks from 0 in steps of 1, 2, 2.5 or 5. */
function scale(highest) {
  const raw = highest / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= raw * 0.999);
  return Array.from({ length: Math.ceil(highest / step - 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}

/** The epochs to write below the axis: the first, the last and round ones between. */
function steps(total, width) {
  const room = Math.max(2, Math.floor((width - EDGE.left) / 46));
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((value) => total / value <= room) ?? 1000;
  const all = [1];
  for (let epoch = step === 1 ? 2 : step; epoch <= total; epoch += step) if (epoch > 1) all.push(epoch);
  return all;
}

function dot(kind, x, y, size) {
  return kind === "loss"
    ? s("circle", { class: "dot loss", cx: x, cy: y, r: size })
    : s("rect", { class: "dot val", x: x - size, y: y - size, width: 2 * size, height: 2 * size });
}

function mark(kind) {
  return s("svg", { width: 30, height: 12, "aria-hidden": "true", focusable: "false" },
    s("line", { class: `line ${kind}`, x1: 0, x2: 30, y1: 6, y2: 6 }), dot(kind, 15, 6, 3.5));
}
