// How many scores lie where. Each bar is a button.

import { h, s, tx } from "./dom.js";
import { t } from "./i18n.js";

const HEIGHT = 190;
const EDGE = { top: 22, right: 6, bottom: 26, left: 6 };
const short = (value) => String(Number(value.toFixed(2))).replace("-", "−");

/** `onpick({low, high} or null)` is told which bar is chosen. */
export function histogram({ edges, counts }, onpick) {
  let chosen = null;
  const between = (index) => ({ low: short(edges[index]), high: short(edges[index + 1]), n: counts[index] });
  const graph = s("svg", { height: HEIGHT, role: "group", "aria-label": tx("hist.title") });
  const frame = h("div", { class: "histogram" }, graph);
  const values = h("details", null, h("summary", null, tx("chart.table")),
    h("table", { class: "plain" },
      h("thead", null, h("tr", null, h("th", { scope: "col" }, tx("hist.score")), h("th", { scope: "col" }, tx("hist.rows")))),
      h("tbody", null, counts.map((count, index) => h("tr", null,
        h("th", { scope: "row" }, () => t("hist.range", between(index))), h("td", null, () => count.toLocaleString()))))));

  const bars = counts.map((count, index) => {
    const pick = () => {
      chosen = chosen === index ? null : index;
      bars.forEach((bar, other) => bar.group.setAttribute("aria-pressed", String(other === chosen)));
      onpick(chosen === null ? null : { low: edges[index], high: edges[index + 1], last: index === counts.length - 1 });
    };
    const back = s("rect", { class: "back" });
    const rect = s("rect", { class: "bar" });
    const label = s("text", { class: "count", "text-anchor": "middle" }, () => (count ? count.toLocaleString() : ""));
    const group = s("g", {
      role: "button", tabindex: count ? "0" : null, "aria-pressed": "false", "aria-disabled": count ? null : "true",
      "aria-label": () => t("hist.bar", between(index)),
      onclick: () => count && pick(),
      onkeydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        if (count) pick();
      },
    }, back, rect, label);
    return { group, back, rect, label };
  });

  function draw() {
    const width = frame.clientWidth;
    if (!width) return;
    const most = Math.max(...counts, 1);
    const step = (width - EDGE.left - EDGE.right) / counts.length;
    const floor = HEIGHT - EDGE.bottom;
    const place = (node, values) => Object.entries(values).forEach(([name, value]) => node.setAttribute(name, value));
    bars.forEach(({ back, rect, label }, index) => {
      const x = EDGE.left + index * step;
      const tall = counts[index] ? Math.max(2, (counts[index] / most) * (floor - EDGE.top)) : 0;
      place(back, { x, y: 0, width: step, height: floor });
      place(rect, { x: x + 2, y: floor - tall, width: Math.max(step - 4, 1), height: tall });
      place(label, { x: x + step / 2, y: floor - tall - 6 });
    });
    const room = step < 34 ? 2 : 1;
    graph.setAttribute("width", width);
    graph.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    graph.replaceChildren(
      ...bars.map(({ group }) => group),
      s("line", { class: "axis", x1: EDGE.left, x2: width - EDGE.right, y1: floor, y2: floor }),
      ...edges.map((edge, index) => index % room === 0 && s("text", {
        class: "tick", x: EDGE.left + index * step, y: floor + 17,
        "text-anchor": index === 0 ? "start" : index === edges.length - 1 ? "end" : "middle",
      }, short(edge))).filter(Boolean));
  }
  new ResizeObserver(draw).observe(frame);
  return h("div", null, frame, h("p", { class: "quiet" }, tx("hist.hint")), values);
}
