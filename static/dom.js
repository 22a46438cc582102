// Elements with text that follows the language: a function as child or attribute is asked again.

import { lang, t } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const bound = new WeakMap();

function bind(node, apply) {
  bound.set(node, [...(bound.get(node) ?? []), apply]);
  apply();
}

/** Asks every bound text and attribute below `root` again. */
export function refresh(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    bound.get(node)?.forEach((apply) => apply());
  }
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "function") bind(element, () => attribute(element, name, value()));
    else attribute(element, name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    if (typeof child === "function") {
      const text = document.createTextNode("");
      bind(text, () => { text.data = child() ?? ""; });
      element.append(text);
    } else {
      element.append(child);
    }
  }
  return element;
}

function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : value);
}

export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);
export const tx = (key, values) => () => t(key, values);

/** Tells a screen reader one sentence. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** The bar that says there is no contact. Each of its users keeps its own entry. */
const lost = new Set();
export function contact(who, fine) {
  if (fine) lost.delete(who);
  else lost.add(who);
  document.getElementById("contact").hidden = lost.size === 0;
}

/** Enter that ends a Japanese conversion is not Enter. */
export const composing = (event) => event.isComposing || event.keyCode === 229;

let serial = 0;
export const newId = (stem) => `${stem}-${++serial}`;

export function copyButton(text, what) {
  const label = h("span", null, tx("copy"));
  const button = h("button", { type: "button", class: "small", "aria-label": () => t("copy.what", { what: what ?? text() }) }, label);
  button.addEventListener("click", async () => {
    if (!(await copy(text()))) return;
    label.firstChild.data = t("copy.done");
    announce(t("copy.done"));
    setTimeout(() => refresh(label), 1500);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without HTTPS there is no clipboard interface.
    const area = h("textarea", { class: "hush", readonly: true });
    const before = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

export function copyable(text) {
  return h("span", { class: "id" }, h("code", null, text), copyButton(() => text));
}

export const fixed = (value, digits) => {
  if (!Number.isFinite(value)) return t("none");
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
};
export const signed = (value, digits) => {
  const text = fixed(value, digits);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
};
/** Enough digits for a loss, large or small. */
export const loss = (value) =>
  Number.isFinite(value) ? (value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(2) : fixed(value, 4)) : t("none");

export const date = (text) =>
  text ? new Intl.DateTimeFormat(lang(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(text)) : t("none");
export const clock = (text) =>
  new Intl.DateTimeFormat(lang(), { timeStyle: "medium" }).format(new Date(text));

export function bytes(count) {
  const [unit, scaled] = count < 1e6 ? ["kilobyte", count / 1e3] : ["megabyte", count / 1e6];
  return new Intl.NumberFormat(lang(), { style: "unit", unit, maximumFractionDigits: 1 }).format(Math.max(scaled, 0.1));
}

export function duration(seconds) {
  const whole = Math.round(seconds);
  return whole < 60
    ? t("time.seconds", { n: seconds < 10 ? fixed(seconds, 1) : whole })
    : t("time.minutes", { m: Math.floor(whole / 60), s: whole % 60 });
}

export function timeLeft(seconds) {
  if (seconds < 5) return t("job.left.few");
  if (seconds < 90) return t("job.left.seconds", { n: Math.round(seconds / 5) * 5 });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return t("job.left.minutes", { n: minutes });
  return t("job.left.hours", { h: Math.floor(minutes / 60), m: minutes % 60 });
}
