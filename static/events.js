// A job's events: the live stream, what they add up to, and each in words.

import { clock, contact, h, loss } from "./dom.js";
import { has, t } from "./i18n.js";
import { send } from "./key.js";

export const TERMINAL = ["succeeded", "failed", "cancelled"];
const TYPES = ["queued", "started", "phase", "progress", "evaluation", "heatmap", "epoch", "warning", "requeued", "checkpoint", "resumed", "alias", ...TERMINAL];

/** The messages of a stream of server-sent events: the data of each. An EventSource could not send a key. */
async function* messages(body) {
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      // What has no data is a comment that keeps the line open.
      if (lines.length) yield lines.map((line) => line.slice(5).trimStart()).join("\n");
    }
  }
}

/** Listens until the last event; after a break it goes on from the last event that came. */
export function listen(id, { onevent, onend, onbreak }) {
  const ending = new AbortController();
  let timer = null;
  let seq = 0;
  let wait = 1000;
  let over = false;

  async function open() {
    try {
      const headers = { accept: "text/event-stream" };
      if (seq) headers["last-event-id"] = String(seq);
      const path = `jobs/${encodeURIComponent(id)}/events`;
      const response = await send(path, { headers, cache: "no-store", signal: ending.signal });
      if (response.ok) {
        wait = 1000;
        contact("events", true);
        for await (const data of messages(response.body)) {
          take(JSON.parse(data));
          if (over) return;
        }
      }
    } catch (error) {
      if (!over) console.warn(error);
    }
    if (over) return;
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, 10_000);
    onbreak();
  }

  function take(event) {
    if (over || event.seq <= seq) return;
    seq = event.seq;
    if (!TYPES.includes(event.type)) return;
    onevent(event);
    if (TERMINAL.includes(event.type)) {
      stop();
      onend();
    }
  }

  function stop() {
    over = true;
    clearTimeout(timer);
    ending.abort();
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
    case "requeued": return t(has(`event.requeued.${data.code}`) ? `event.requeued.${data.code}` : "event.requeued", data);
    case "alias": return has(`event.alias.${data.code}`) ? t(`event.alias.${data.code}`, data) : data.message;
    default: return has(`event.${type}`) ? t(`event.${type}`, data) : `${type} ${JSON.stringify(data)}`;
  }
}

export const logLine = (event) => h("li", null, h("time", { datetime: event.at }, () => clock(event.at)), " ", () => words(event));
