// A job's events: the live stream, what they add up to, and each in words.

import { clock, contact, h, loss } from "./dom.js";
import { has, t } from "./i18n.js";

export const TERMINAL = ["succeeded", "failed", "cancelled"];
const TYPES = ["queued", "started", "phase", "progress", "evaluation", "heatmap", "epoch", "warning", "requeued", "checkpoint", "resumed", "alias", ...TERMINAL];

/** Listens until the last event; after a break it goes on from the last event that came. */
export function listen(id, { onevent, onend, onbreak }) {
  let source = null;
  let timer = null;
  let seq = 0;
  let wait = 1000;
  let over = false;

  function open() {
    source = new EventSource(`jobs/${encodeURIComponent(id)}/events?after=${seq}`);
    source.onopen = () => {
      wait = 1000;
      contact("events", true);
    };
    source.onerror = () => {
      source.close();
      if (over) return;
      timer = setTimeout(open, wait);
      wait = Math.min(wait * 2, 10_000);
      onbreak();
    };
    for (const type of TYPES) {
      source.addEventListener(type, (message) => {
        const event = JSON.parse(message.data);
        if (event.seq <= seq) return;
        seq = event.seq;
        onevent(event);
        if (TERMINAL.includes(type)) {
          stop();
          onend();
        }
      });
    }
  }

  function stop() {
    over = true;
    clearTimeout(timer);
    source?.close();
    contact("events", true);
  }

  open();
  return { stop };
}

export const blank = () => ({
  phase: null, progress: null, epochs: [], before: null, after: null, warnings: [], log: [], terminal: null,
  heat: { titles: [], before: null, after: null, epoch: null },
});

/** Adds one event to what is known. */
export function reduce(state, event) {
  const { type, data } = event;
  if (type === "progress") {
    state.progress = data;
    return;
  }
  state.log.push(event);
  if (type === "phase") state.phase = data.phase;
  else if (type === "epoch") state.epochs = [...state.epochs.filter((epoch) => epoch.epoch < data.epoch), data];
  else if (type === "warning") {
    // A job that was queued again tells its warnings again.
    if (!state.warnings.some(({ code }) => code === data.code)) state.warnings.push(data);
  }
  else if (type === "evaluation") state[data.when === "before" ? "before" : "after"] = data;
  else if (type === "heatmap") {
    state.heat = data.when === "before"
      ? { ...state.heat, titles: data.titles, before: data.cosine }
      : { ...state.heat, titles: data.titles, after: data.cosine, epoch: data.when === "after" ? null : data.epoch };
  } else if (type === "requeued") Object.assign(state, { phase: null, progress: null });
  else if (TERMINAL.includes(type)) state.terminal = type;
}

/** What a finished job's report knows, where the events are gone. */
export function fromReport(state, report) {
  if (!report) return;
  Object.assign(state, { epochs: report.epochs ?? state.epochs, before: report.before, after: report.after });
  if (report.heatmap) state.heat = { ...report.heatmap, epoch: null };
}

/** A note in the page's language where its code is known, in the server's words where not. */
const note = ({ code, message }) => (has(`note.${code}`) ? t(`note.${code}`) : message);
export const noteWords = (data) => () => note(data);

function words({ type, data }) {
  switch (type) {
    case "phase": return has(`phase.${data.phase}`) ? t(`phase.${data.phase}`) : data.phase;
    case "epoch": return t("event.epoch", { epoch: data.epoch, loss: loss(data.loss), val: loss(data.val_loss) });
    case "evaluation": return t(`event.evaluation.${data.when === "before" ? "before" : "after"}`);
    case "heatmap": return t("event.heatmap", { epoch: data.epoch ?? 0 });
    case "warning": return note(data);
    case "alias": return has(`event.alias.${data.code}`) ? t(`event.alias.${data.code}`, data) : data.message;
    default: return has(`event.${type}`) ? t(`event.${type}`, data) : `${type} ${JSON.stringify(data)}`;
  }
}

export const logLine = (event) => h("li", null, h("time", { datetime: event.at }, () => clock(event.at)), " ", () => words(event));
