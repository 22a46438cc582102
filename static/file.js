// Choosing a file: the server reads it, whatever wrote it.

import { Notice } from "./api.js";
import { bytes, h, newId, tx } from "./dom.js";
import { t } from "./i18n.js";

const TABLES = ".csv,.tsv,.txt,.json,.jsonl,.ndjson,.xlsx,.xls,.ods,.parquet,.gz,.zst,text/csv,text/tab-separated-values,text/plain";
export const TAXONOMIES = `${TABLES},.ttl,.jsonld,.nt`;

/** A place to drop or choose a file. With `ontake` it does not keep it, but hands it on. */
export function fileField({ label, prompt, hint, optional, small, accept = TABLES, onchange, ontake }) {
  let file = null;
  const id = newId("file");
  const chosen = h("p", { class: "chosen", hidden: true });
  const input = h("input", {
    type: "file", id, class: "hush", accept,
    "aria-describedby": `${id}-hint`,
    onclick: () => { input.value = ""; },
    onchange: () => { if (input.files.length) take(input.files[0]); },
  });
  const zone = h("label", { class: small ? "drop small" : "drop", for: id }, input, h("span", { class: "prompt" }, tx(prompt)));
  const element = h("div", { class: "field" },
    h("p", { class: "label", id: `${id}-label` }, tx(label), optional && h("span", { class: "quiet" }, " ", tx("optional"))),
    zone, chosen, h("p", { class: "quiet", id: `${id}-hint` }, tx(hint)));

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

  function take(next) {
    if (ontake) return ontake(next);
    file = next;
    show();
    onchange?.();
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
        show();
        onchange?.();
        input.focus();
      },
    }, "×");
    chosen.replaceChildren(h("span", { class: "name" }, () => t("file.chosen", { name, size: bytes(size) })), remove);
    chosen.title = name;
  }

  /** The file, where it can still be read: one that was written anew since it was chosen cannot. */
  async function read() {
    await readable(file);
    return file;
  }

  return { element, input, read, get file() { return file; } };
}

/** Whether a chosen file is still as it was chosen; an error in words where it is not. */
export async function readable(file) {
  const { name } = file;
  await file.slice(0, 1).arrayBuffer().catch(() => { throw new Notice(tx("file.changed", { name })); });
}

/** What was pasted, as a file: a file itself, or cells that were copied from a spreadsheet. */
export function pasted(event) {
  if (event.target.closest?.("input, textarea, select")) return null;
  const [file] = event.clipboardData?.files ?? [];
  if (file && !file.type.startsWith("image/")) return file;
  const text = event.clipboardData?.getData("text/plain") ?? "";
  return text.includes("\t") && text.includes("\n") ? new File([text], t("file.pasted"), { type: "text/tab-separated-values" }) : null;
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
