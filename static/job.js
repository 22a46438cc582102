// One job: live while it runs, its report when it is done.

import { NoContact, api, part, problemView, sentences } from "./api.js";
import { lossChart } from "./chart.js";
import { announce, clock, contact, copyable, date, duration, fixed, h, timeLeft, tx } from "./dom.js";
import { blank, fromReport, listen, logLine, noteWords, reduce } from "./events.js";
import { heatmaps } from "./heatmap.js";
import { has, lang, t } from "./i18n.js";
import { makeDefault } from "./lists.js";
import { moversView, thresholdsView } from "./pairs.js";
import { summary } from "./report.js";
import { suggestionsView } from "./suggest.js";
import { verdictView } from "./verdict.js";

const PHASES = ["loading", "base_eval", "training", "evaluating", "saving"];

export function jobView(id) {
  let job = null;
  let stream = null;
  let timer = null;
  let later = null;
  let warned = 0;
  let gone = false;
  const state = blank();

  const title = h("h1", { tabindex: "-1" }, id);
  const badge = h("span", { class: "badge" });
  const facts = h("p", { class: "quiet" });
  const head = h("header", { class: "head" },
    h("p", null, h("a", { href: "#/jobs" }, "← ", tx("job.back"))), h("div", { class: "line" }, title, badge), facts);
  const outcome = h("div", { class: "outcome" });
  const notices = h("div");
  const notes = h("div");
  const verdict = h("div");
  const result = h("div");
  const pairs = h("div");
  const heat = heatmaps();
  const chart = lossChart();
  const live = progressPanel(cancel);
  const lines = h("ol", { class: "log", tabindex: "0", "aria-label": tx("job.log.scroll") });
  const log = h("details", { class: "block" }, h("summary", null, tx("job.log")), lines);
  const settings = h("details", { class: "block" });
  const element = h("section", { class: "job" }, head, h("p", { class: "quiet" }, tx("loading")));
  let logged = 0;
  let summed = null;

  async function load() {
    try {
      take(await api(`jobs/${part(id)}`));
      contact("job", true);
      // The last event may come a moment before the job says that it is done.
      if (state.terminal && !job.is_terminal && !gone) later = setTimeout(load, 500);
    } catch (error) {
      if (gone) return;
      if (error instanceof NoContact && job) {
        contact("job", false);
        later = setTimeout(load, 3000);
        return;
      }
      element.replaceChildren(head, problemView(error, { retry: load }));
    }
  }

  function take(next) {
    if (gone) return;
    const first = !job;
    job = next;
    title.textContent = job.name || job.id;
    badge.replaceChildren(h("span", null, tx(`status.${job.status}`)));
    badge.className = `badge ${job.status}`;
    facts.replaceChildren(
      h("span", null, () => t("job.facts", { dataset: job.dataset_name ?? job.dataset_id, model: job.base_model, date: date(job.created_at) })),
      " ", copyable(job.id));
    if (first) {
      element.replaceChildren(head, live.element, outcome, notices, chart.element, heat.element, result, notes, settings, log);
      state.phase = job.phase;
      state.progress = job.progress;
      settings.replaceChildren(h("summary", null, tx("job.settings")), configList(job));
      stream = listen(id, { onevent, onend: load, onbreak });
    }
    if (job.is_terminal) finish();
    draw();
  }

  /** Where no stream comes through, asking for the job at each attempt still tells how far it is. */
  async function onbreak() {
    if (job.is_terminal) return stream.stop();
    try {
      const next = await api(`jobs/${part(id)}`);
      if (gone) return;
      contact("events", true);
      state.phase = next.phase;
      state.progress = next.progress ?? state.progress;
      take(next);
      if (next.is_terminal) stream.stop();
    } catch (error) {
      if (!gone) contact("events", !(error instanceof NoContact));
    }
  }

  function onevent(event) {
    const before = state.phase;
    reduce(state, event);
    if (state.phase !== before && state.phase && !job.is_terminal) announce(t(`phase.${state.phase}`));
    if (["queued", "started", "requeued"].includes(event.type) && !job.is_terminal) {
      job.status = event.type === "started" ? "running" : "queued";
      job.wait_reason = event.type === "requeued" ? event.data.code : null;
      job.next_try_at = event.data.seconds ? new Date(Date.parse(event.at) + event.data.seconds * 1000).toISOString() : null;
      badge.replaceChildren(h("span", null, tx(`status.${job.status}`)));
      badge.className = `badge ${job.status}`;
    }
    timer ??= setTimeout(() => {
      timer = null;
      draw();
    }, 80);
  }

  function finish() {
    if (state.finished) return;
    state.finished = true;
    fromReport(state, job.report);
    live.element.remove();
    element.append(verdict, result, pairs, notes, heat.element, chart.element, settings, log);
    outcome.replaceChildren(...ending(job));
    // Reports of earlier versions have no verdict.
    if (job.report?.verdict) {
      verdict.replaceChildren(verdictView(job.report));
      pairs.replaceChildren(thresholdsView(job.report), moversView(job.report.movers));
    }
    if (job.status === "succeeded") pairs.append(suggestionsView(id));
    if (job.report?.notes?.length) {
      // The warnings of the run stand in the notes now.
      notices.replaceChildren();
      notes.append(h("section", { class: "block" }, h("h2", null, tx("job.notes")),
        h("ul", null, job.report.notes.map((note) => h("li", null, noteWords(note))))));
    }
    if (state.watched) announce(t(`status.${job.status}`));
  }

  function draw() {
    if (!job || gone) return;
    if (!job.is_terminal) {
      state.watched = true;
      live.update(job, state);
    } else if (job.report) {
      fromReport(state, job.report);
    }
    const nothing = job.is_terminal && job.status !== "succeeded";
    chart.update(state.epochs, job.is_terminal ? 1 : state.progress?.epochs ?? job.config?.epochs);
    chart.element.hidden = nothing && !state.epochs.length;
    heat.update(state.heat);
    heat.element.hidden = nothing && !state.heat.before;
    const known = state.before && state.after && [state.before, state.after];
    if (known && (known[0] !== summed?.[0] || known[1] !== summed?.[1])) {
      summed = known;
      result.replaceChildren(summary(...known, job.report));
    }
    const warnings = state.warnings.slice(warned);
    warned = state.warnings.length;
    if (!job.is_terminal) notices.prepend(...warnings.map((note) => h("p", { class: "note" }, noteWords(note))));
    for (; logged < state.log.length; logged += 1) lines.append(logLine(state.log[logged]));
    const percent = !job.is_terminal && state.progress ? `${Math.round(state.progress.fraction * 100)} % – ` : "";
    document.title = `${percent}${job.name || job.id} – Shamisen`;
  }

  async function cancel() {
    try {
      take(await api(`jobs/${part(id)}/cancel`, { method: "POST" }));
      return true;
    } catch (error) {
      if (error.status === 409) await load();
      else outcome.replaceChildren(problemView(error));
      return false;
    }
  }

  load();
  return {
    element,
    dispose() {
      gone = true;
      clearTimeout(timer);
      clearTimeout(later);
      stream?.stop();
      contact("job", true);
    },
  };
}

/** Phase, bar, time left and the way out. */
function progressPanel(cancel) {
  const steps = h("ol", { class: "phases", "aria-label": tx("job.phases") }, PHASES.map((phase) => h("li", { "data-phase": phase }, tx(`phase.${phase}`))));
  const fill = h("span");
  const bar = h("div", { class: "progress", role: "progressbar", "aria-label": tx("job.progress"), "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const words = h("p", { class: "now" });
  const ask = h("button", { type: "button", onclick: () => question(true) }, tx("job.cancel"));
  const no = h("button", { type: "button", onclick: () => question(false) }, tx("job.cancel.no"));
  const yes = h("button", {
    type: "button", class: "danger",
    onclick: async () => {
      panel.replaceChildren(h("p", { role: "status" }, tx("job.cancelling")));
      if (!(await cancel())) question(false);
    },
  }, tx("job.cancel.yes"));
  const panel = h("div", { class: "cancel" }, ask);
  const element = h("section", {
    class: "panel live",
    onkeydown: (event) => event.key === "Escape" && panel.contains(no) && question(false),
  }, steps, bar, h("div", { class: "line" }, words, panel));

  function question(open) {
    if (open) panel.replaceChildren(h("p", { role: "alert" }, tx("job.cancel.ask")), no, yes);
    else panel.replaceChildren(ask);
    (open ? no : ask).focus();
  }

  function update(job, { phase, progress }) {
    const queued = job.status === "queued";
    const at = queued ? -1 : PHASES.indexOf(phase);
    [...steps.children].forEach((step, index) => {
      step.className = index < at ? "done" : index === at ? "here" : "";
      if (index === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
    const fraction = queued ? 0 : Math.min(Math.max(progress?.fraction ?? 0, 0), 1);
    fill.style.width = `${fraction * 100}%`;
    bar.setAttribute("aria-valuenow", Math.round(fraction * 100));
    words.replaceChildren(h("span", null, () => {
      if (queued && has(`job.waiting.${job.wait_reason}`)) {
        const time = job.next_try_at && Date.parse(job.next_try_at) > Date.now() && clock(job.next_try_at);
        return [t(`job.waiting.${job.wait_reason}`), time && t("job.waiting.until", { time })].filter(Boolean).join(lang() === "ja" ? "" : " ");
      }
      if (queued) return job.queue_position ? t("job.queued", { n: job.queue_position }) : t("job.queued.plain");
      const left = progress && Number.isFinite(progress.seconds_remaining) ? timeLeft(progress.seconds_remaining) : null;
      const now = phase === "training" && progress
        ? t("job.epoch", { epoch: progress.epoch, epochs: progress.epochs })
        : t(phase ? `phase.${phase}` : "status.running");
      return [now, progress && `${Math.round(fraction * 100)} %`, left].filter(Boolean).join(" · ");
    }));
    bar.setAttribute("aria-valuetext", words.textContent);
  }

  return { element, update };
}

/** How it ended, and what can be done now. */
function ending(job) {
  const again = h("a", { class: "button", href: "#/" }, tx("job.again"));
  if (job.status === "cancelled") return [h("div", { class: "panel" }, h("p", null, tx("job.cancelled")), h("p", { class: "actions" }, again))];
  if (job.status === "failed") {
    return [h("div", { class: "problem" }, h("h2", null, tx("job.failed")), ...sentences(job.error ?? {}), h("p", { class: "actions" }, again))];
  }
  const report = job.report;
  const told = h("p", { role: "status" });
  const parts = [h("h2", null, tx("job.done"))];
  if (report) {
    const { before, after } = report;
    const n = report.epochs.length;
    parts.push(
      h("p", { class: "lead" }, () => t("job.done.error", {
        n: before.validation.pairs, before: fixed(before.validation.mae, 3), after: fixed(after.validation.mae, 3) })),
      h("p", null,
        () => t(`job.done.${report.stopped}`, { n, time: duration(report.seconds) }),
        report.kept_epoch !== n && h("span", null, () => (lang() === "ja" ? "" : " ")
          + t(report.kept_epoch ? "job.done.kept" : "job.done.base", { n: report.kept_epoch }))),
      report.alpha !== null && report.alpha !== undefined
        && h("p", null, () => t("job.done.mixed", { part: fixed(report.alpha * 100, 0) })));
  }
  return [h("div", { class: "panel" }, parts,
    job.model && h("p", null, tx("job.model"), " ", copyable(job.model)),
    job.model && h("p", { class: "actions" },
      h("a", { class: "button main", href: `#/try?a=${part(job.base_model)}&b=${part(job.model)}` }, tx("job.try")),
      h("button", { type: "button", onclick: () => makeDefault(job.model, job.name, told) }, tx("job.default"))),
    told)];
}

function configList({ recipe, config }) {
  const rows = [["recipe", recipe]];
  for (const [name, value] of Object.entries(config ?? {})) {
    if (value && typeof value === "object") for (const [inner, one] of Object.entries(value)) rows.push([`${name}.${inner}`, one]);
    else rows.push([name, value]);
  }
  return h("dl", { class: "config" }, rows.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, String(value ?? "–")))));
}
