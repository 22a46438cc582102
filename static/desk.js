// The reading desk: a table as the server reads it, every decision to be seen and changed before anything is kept.

import { api, part, problemView, rowTable } from "./api.js";
import { announce, bytes, copyButton, h, tx } from "./dom.js";
import { readAs, sheetView } from "./desk_read.js";
import { meaningCard, scoreCard } from "./desk_scores.js";
import { readable } from "./file.js";
import { findingsView, fixName, withFix } from "./findings.js";
import { t } from "./i18n.js";
import { questions } from "./desk_questions.js";
import { asWishes, curl, formOf } from "./wishes.js";

const PAUSE = 250;

/** `ontrain(dataset)` goes on with a table that was saved. */
export function deskView({ ontrain }) {
  let file = null;
  let versionOf = null;
  let wishes = {};
  let before = [];
  let unsure = false;
  let inspection = null;
  let only = null;
  let asking = null;
  let timer = null;
  let busy = false;

  const title = h("h1", { tabindex: "-1" }, tx("desk.title"));
  const facts = h("p", { class: "lead" });
  const problem = h("div", { class: "problems" });
  const body = h("div", { class: "cards" });
  const told = h("p", { role: "status" });
  const undo = h("button", { type: "button", class: "small", onclick: back, hidden: true }, tx("desk.undo"));
  const saving = h("button", { type: "button", onclick: () => finish(false) }, tx("desk.save"));
  const train = h("button", { type: "button", class: "main", onclick: () => finish(true) }, tx("desk.train"));
  const discard = h("button", { type: "button", onclick: discardIt }, tx("desk.discard"));
  const bar = h("div", { class: "bar", hidden: true },
    h("div", { class: "state" }, told, undo), h("div", { class: "actions" }, train, saving, discard));
  const empty = h("div", { class: "empty" }, h("p", null, tx("desk.empty")), h("a", { class: "button main", href: "#/" }, tx("desk.empty.go")));
  const element = h("section", { class: "desk" }, title, facts, empty, problem, body, bar);

  /** Puts a file on the desk; `of` is the dataset that it is a new version of, with the wishes it was read with. */
  function open(next, of) {
    file = next;
    versionOf = of ?? null;
    wishes = of ? { ...of.wishes } : {};
    before = [];
    unsure = Boolean(of && !of.wishes.lowest_means);
    inspection = only = null;
    title.replaceChildren(file.name);
    facts.replaceChildren(h("span", null, () => [bytes(file.size), versionOf && t("desk.version", { name: versionOf.name })].filter(Boolean).join(" · ")));
    empty.hidden = true;
    bar.hidden = false;
    body.replaceChildren();
    ask();
  }

  function clear() {
    asking?.abort();
    file = inspection = null;
    title.replaceChildren(h("span", null, tx("desk.title")));
    facts.replaceChildren();
    problem.replaceChildren();
    body.replaceChildren();
    bar.hidden = true;
    empty.hidden = false;
  }

  function discardIt() {
    clear();
    location.hash = versionOf ? `#/data/${part(versionOf.id)}` : "#/";
  }

  function change(patch) {
    before.push({ wishes, unsure });
    wishes = { ...wishes, ...patch };
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
    say(tx("desk.reading"));
  }

  function back() {
    ({ wishes, unsure } = before.pop());
    ask();
    saving.focus();
  }

  function say(words) {
    told.replaceChildren(h("span", null, words));
    undo.hidden = !before.length;
  }

  async function ask() {
    clearTimeout(timer);
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    element.setAttribute("aria-busy", "true");
    say(tx("desk.reading"));
    try {
      await readable(file);
      const next = await api("datasets/inspect", { method: "POST", form: formOf(file, sent(wishes)), signal: mine.signal });
      if (mine !== asking) return;
      const former = inspection;
      inspection = next;
      problem.replaceChildren();
      draw();
      outcome(former);
    } catch (error) {
      if (mine !== asking || mine.signal.aborted) return;
      inspection = null;
      problem.replaceChildren(problemView(error, { name: file.name, retry: ask }));
      keepFocus(() => body.replaceChildren(card("read.title", readAs(null, wishes, change))));
      say(tx("desk.unread"));
    } finally {
      if (mine === asking) element.removeAttribute("aria-busy");
    }
  }

  function outcome(former) {
    const { rows } = inspection;
    const values = { usable: rows.usable, read: rows.read };
    const changed = former && former.rows.usable !== rows.usable;
    const words = changed ? tx("desk.changed", { ...values, before: former.rows.usable }) : tx("desk.usable", values);
    say(words);
  }

  /** Draws anew with the focus where it was. */
  function keepFocus(change) {
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const unfolded = new Set([...body.querySelectorAll("details[open][data-key]")].map((one) => one.dataset.key));
    change();
    for (const one of body.querySelectorAll("details[data-key]")) one.open = one.open || unfolded.has(one.dataset.key);
    if (focused) (body.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? saving).focus({ preventScroll: true });
  }

  function draw() {
    const { dialect, scale, lowest_means: meaning, findings, rows } = inspection;
    const applied = inspection.choices.apply ?? [];
    const sheet = h("div");
    const drawSheet = () => sheet.replaceChildren(
      only ? h("p", { class: "quiet" }, tx("sheet.only", { low: number(only.low), high: number(only.high), n: inspection.preview.length })) : "",
      sheetView(inspection, only, change));
    only = null;
    drawSheet();
    const pick = (range) => {
      only = range;
      drawSheet();
    };
    const fix = (name, wanted) => change({ apply: wanted ? withFix(applied, name) : applied.filter((one) => one !== name) });
    const gone = applied.filter((name) => !findings.some((finding) => finding.fixes.includes(name)));
    const blocked = inspection.blocked_by.filter((code) => code !== "rows_have_problems");
    keepFocus(() => body.replaceChildren(...[
      card("read.title", readAs(dialect, wishes, change), h("p", { class: "quiet" }, tx("read.rows", { n: rows.read, columns: inspection.columns.length })),
        blocked.map((code) => h("p", { class: "problem", role: "alert" }, tx(`blocked.${code}`))), questions(findings, change), sheet),
      scale && card("score.title", scoreCard(inspection, change, pick)),
      meaning && h("section", { class: "panel" }, meaningCard(inspection, unsure, answer)),
      rows.bad > 0 && badRows(),
      card("finding.title", findingsView(findings, applied, fix),
        gone.length > 0 && h("p", { class: "buttons" }, gone.map((name) => h("button", {
          type: "button", class: "small", "aria-pressed": "true", "data-key": `fix-${name}`, onclick: () => fix(name, false),
        }, () => t("fix.on", { fix: fixName(name) }))))),
      code(),
    ].flat().filter(Boolean)));
  }

  function answer(value) {
    before.push({ wishes, unsure });
    unsure = value === "unsure";
    wishes = { ...wishes, lowest_means: unsure ? null : value };
    ask();
  }

  function badRows() {
    const skipping = inspection.choices.on_bad_row === "skip";
    const { problems, problems_total: total, rows } = inspection;
    return card("bad.title",
      h("p", null, tx(skipping ? "bad.skipped" : "bad.says", { n: rows.bad })),
      h("p", null, h("button", {
        type: "button", "aria-pressed": String(skipping), "data-key": "skip", onclick: () => change({ on_bad_row: skipping ? null : "skip" }),
      }, tx(skipping ? "bad.keep" : "bad.skip", { n: rows.bad }))),
      h("details", { open: !skipping, "data-key": "bad-rows" }, h("summary", null, tx("bad.rows", { n: total })),
        h("div", { class: "problem" }, rowTable({ errors: problems, errors_total: total }))));
  }

  function code() {
    const text = () => curl("datasets", file, sent({ ...asWishes(inspection.choices), version_of: versionOf?.id }));
    return h("details", { class: "block", "data-key": "code" }, h("summary", null, tx("desk.code")),
      h("div", { class: "line" }, h("p", { class: "quiet" }, tx("desk.code.about")), copyButton(text, "curl")),
      h("pre", null, h("code", null, text())));
  }

  /** What stands between the table and the button, in words and with the place to go to; null: nothing. */
  function obstacle(training) {
    if (!inspection) return { words: tx("desk.unread"), at: "[data-key=encoding]" };
    const { blocked_by: blocked, lowest_means: meaning, findings } = inspection;
    if (blocked.includes("rows_have_problems")) return { words: tx("open.rows", { n: inspection.rows.bad }), at: "[data-key=skip]" };
    if (blocked.length) return { words: tx(`blocked.${blocked[0]}`), at: "[data-key^=answer-], .roles select" };
    if (meaning && !meaning.value && !unsure) return { words: tx("open.meaning"), at: "[data-key=means-unrelated]" };
    if (training && findings.some((finding) => finding.level === "error")) return { words: tx("open.error"), at: "[data-key^=fix-]" };
    return null;
  }

  async function finish(training) {
    if (busy || !file) return;
    const open = obstacle(training);
    if (open) {
      say(open.words);
      const target = body.querySelector(open.at);
      target?.focus();
      target?.scrollIntoView({ block: "center" });
      announce(open.words());
      return;
    }
    busy = true;
    say(tx("desk.saving"));
    try {
      const saved = sent({ ...asWishes(inspection.choices), version_of: versionOf?.id });
      const dataset = await api("datasets", { method: "POST", form: formOf(file, saved) });
      clear();
      if (training) ontrain(dataset);
      else location.hash = `#/data/${part(dataset.id)}`;
    } catch (error) {
      const view = problemView(error, { name: file.name });
      problem.replaceChildren(view);
      say(tx("desk.unsaved"));
      view.focus();
      view.scrollIntoView({ block: "center" });
    } finally {
      busy = false;
    }
  }

  /** The way back to a table that still lies here; elsewhere it is shown where tables are chosen. */
  const link = () => (file ? h("p", { class: "note" }, h("a", { href: "#/data/new" }, tx("desk.waiting", { name: file.name }))) : "");

  return { element, open, link, show() {} };
}

const number = (value) => String(Number(value.toFixed(2))).replace("-", "−");
const card = (key, ...children) => h("section", { class: "panel" }, h("h2", null, tx(key)), children);
/** A tab goes by its name: a form would carry it, but nobody could read it. */
const sent = ({ delimiter, ...rest }) => ({ ...rest, delimiter: delimiter === "\t" ? "tab" : delimiter });
