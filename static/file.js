// Choosing a table, and reading it in the encoding that the spreadsheet used.

import { Notice } from "./api.js";
import { bytes, h, newId, tx } from "./dom.js";
import { t } from "./i18n.js";

const SPREADSHEET = /\.(xlsx?|xlsm|ods|numbers)$/i;

/** A place to drop or choose a file. */
export function fileField({ label, prompt, hint, optional, small, onchange }) {
  let file = null;
  const id = newId("file");
  const chosen = h("p", { class: "chosen", hidden: true });
  const note = h("p", { class: "note", role: "status", hidden: true });
  const input = h("input", {
    type: "file", id, class: "hush", accept: ".csv,.tsv,.txt,text/csv,text/tab-separated-values,text/plain",
    "aria-describedby": `${id}-hint`,
    onclick: () => { input.value = ""; },
    onchange: () => { if (input.files.length) take(input.files[0]); },
  });
  const zone = h("label", { class: small ? "drop small" : "drop", for: id }, input, h("span", { class: "prompt" }, tx(prompt)));
  const element = h("div", { class: "field" },
    h("p", { class: "label", id: `${id}-label` }, tx(label), optional && h("span", { class: "quiet" }, " ", tx("optional"))),
    zone, chosen, note, h("p", { class: "quiet", id: `${id}-hint` }, tx(hint)));

  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });

  async function take(next) {
    file = next;
    note.hidden = true;
    show();
    onchange?.();
    const spoken = await read().catch((error) => ({ words: error.words }));
    if (file !== next) return;
    const words = spoken.words ?? (spoken.encoding && tx("file.converted", { encoding: spoken.encoding }));
    note.replaceChildren(...(words ? [h("span", null, words)] : []));
    note.hidden = !words;
  }

  function show() {
    zone.hidden = Boolean(file);
    chosen.hidden = !file;
    if (!file) return chosen.replaceChildren();
    const { name, size } = file;
    const remove = h("button", {
      type: "button", class: "small", "aria-label": () => t("file.remove", { name }),
      onclick: () => {
        file = null;
        note.hidden = true;
        show();
        onchange?.();
        input.focus();
      },
    }, "×");
    chosen.replaceChildren(h("span", { class: "name" }, () => t("file.chosen", { name, size: bytes(size) })), remove);
    chosen.title = name;
  }

  /** The file as it is now on disk: `{name, blob, encoding}`. */
  async function read() {
    const { name } = file;
    if (SPREADSHEET.test(name)) throw new Notice(tx("file.spreadsheet", { name }));
    let buffer;
    try {
      buffer = await file.arrayBuffer();
    } catch {
      throw new Notice(tx("file.changed", { name }));
    }
    const found = decode(buffer);
    return { name, encoding: found?.label, blob: new Blob([found ? found.text : buffer], { type: "text/csv" }) };
  }

  return { element, input, read, get file() { return file; } };
}

/** Japanese spreadsheets write Shift_JIS, and some programs UTF-16; `null` for what goes to the server as it is. */
function decode(buffer) {
  const [first, second] = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
  if (first === 0xff && second === 0xfe) return { label: "UTF-16", text: new TextDecoder("utf-16le").decode(buffer) };
  const attempt = (label) => {
    try {
      return { label, text: new TextDecoder(label, { fatal: true }).decode(buffer) };
    } catch {
      return null;
    }
  };
  if (attempt("utf-8")) return null;
  const found = attempt("shift_jis");
  return found && { ...found, label: "Shift_JIS" };
}

/** A table to begin with; the mark lets spreadsheets see that it is UTF-8. */
export function downloadTemplate() {
  const rows = [
    ["base", "ref", "similarity"],
    ["Data Engineer", "Analytics Engineer", "0.75"],
    ["Registered Nurse", "看護師", "1.0"],
    ["Marketing Strategist", "Electrician", "0.5"],
  ];
  const blob = new Blob(["\ufeff", rows.map((row) => row.join(",")).join("\r\n"), "\r\n"], { type: "text/csv" });
  const link = h("a", { href: URL.createObjectURL(blob), download: "shamisen-template.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
