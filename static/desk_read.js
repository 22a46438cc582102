// The reading desk's first half: how the file was read, and what its columns become.

import { h, tx } from "./dom.js";
import { t } from "./i18n.js";

const ENCODINGS = [
  "utf-8", "windows-31j", "euc-jp", "euc-kr", "gb18030", "big5", "windows-1252", "iso-8859-15", "windows-1250", "iso-8859-2",
  "windows-1251", "koi8-u", "windows-1254", "windows-1256", "windows-874", "utf-16le", "utf-16be",
];
const DELIMITERS = [[",", "comma"], [";", "semicolon"], ["\t", "tab"], ["|", "pipe"]];
const ROLES = ["text_a", "text_b", "negative", "score", "text", "label"];
const OF_LABELLED = ["text", "label"];
const SHOWN = 8;

/** A menu. `options` are `[value, text]`; a change is told with the value. */
export function menu(key, label, value, options, onchange) {
  const select = h("select", {
    "data-key": key, "aria-label": label, onchange: () => onchange(select.value),
  }, options.map(([one, text]) => h("option", { value: one, selected: one === value }, text)));
  return select;
}

const labelled = (key, control) => h("label", { class: "said" }, h("span", { class: "quiet" }, tx(key)), control);

/** "Read as": each part found out, each to be said otherwise. `change(wishes)`. */
export function readAs(dialect, wishes, change) {
  const { format, compression, encoding, encoding_candidates: others = [], delimiter, header, sheet, sheets = [] } = dialect ?? {};
  const text = !dialect || encoding;
  const first = [...new Set([encoding, ...others].filter(Boolean))];
  const names = [...first, ...ENCODINGS.filter((name) => !first.includes(name))].map((name) => [name, tx(`encoding.${name}`)]);
  // Another way of reading the file makes other columns.
  const anew = (part) => change({ ...part, mapping: null, kind: null, words: null, scale: null });
  return h("div", { class: "saids" },
    dialect && h("p", { class: "said" }, h("span", { class: "quiet" }, tx("read.format")), h("span", { class: "value" },
      () => [t(`format.${format}`), compression && t(`packed.${compression}`)].filter(Boolean).join(" "))),
    text && labelled("read.encoding", menu("encoding", null, wishes.encoding ?? encoding ?? "",
      dialect ? names : [["", tx("read.guess")], ...names], (value) => anew({ encoding: value || null }))),
    (format === "csv" || !dialect) && labelled("read.delimiter", menu("delimiter", null, wishes.delimiter ?? delimiter ?? "",
      [!delimiter && ["", tx("read.guess")], ...DELIMITERS.map(([sign, name]) => [sign, tx(`delimiter.${name}`)])].filter(Boolean),
      (value) => anew({ delimiter: value || null }))),
    sheets.length > 1 && labelled("read.sheet", menu("sheet", null, sheet, sheets.map((name) => [name, name]), (value) => anew({ sheet: value }))),
    ["csv", "xlsx"].includes(format) && h("label", { class: "said check" },
      h("input", { type: "checkbox", checked: header, "data-key": "header", onchange: (event) => anew({ header: event.target.checked }) }),
      h("span", null, tx("read.header"))),
    first.length > 1 && !wishes.encoding && h("p", { class: "note" }, h("span", null, tx("read.candidates"))));
}

/** The columns' wishes after column `number` has become `role` (or nothing): no role goes to two columns, and a table
 * of labelled texts has none of those of pairs. */
export function remap(columns, number, role) {
  const mapping = {};
  for (const column of columns) {
    const other = role && OF_LABELLED.includes(role) !== OF_LABELLED.includes(column.becomes);
    const becomes = column.number === number ? role : other || column.becomes === role ? null : column.becomes;
    if (becomes) mapping[becomes] = column.number;
  }
  if (mapping.text || mapping.label) return { mapping, kind: "labelled", scale: null, words: null };
  const kind = mapping.negative ? "triplet" : !mapping.score && mapping.text_a && mapping.text_b ? "pair_positive" : null;
  return { mapping, kind, scale: null, words: null };
}

/** The first rows, below what each column becomes. `only` keeps the rows with scores in a range. */
export function sheetView({ columns, preview, problems, scale, kind }, only, change) {
  const bad = new Set(problems.map((problem) => problem.row));
  const inside = ({ score }) => !only || (score !== null && score >= only.low && (score < only.high || (only.last && score <= only.high)));
  const rows = preview.filter(inside);
  const name = (column) => column.name ?? t("problem.column.number", { n: column.number });
  const role = (column) => menu(`column-${column.number}`, () => t("column.becomes.of", { name: name(column) }), column.becomes ?? "",
    [...ROLES, ""].map((one) => [one, tx(`column.${one || "unused"}${kind === "triplet" && one.startsWith("text") ? ".triplet" : ""}`)]),
    (value) => change(remap(columns, column.number, value || null)));
  const scoreColumn = columns.find((column) => column.becomes === "score");
  const content = (row, column) => {
    const cell = row.cells[column.number - 1] ?? "";
    if (column !== scoreColumn || row.score === null || !scale) return cell;
    return [cell, h("span", { class: "becomes" }, ` → ${Number(row.score.toFixed(4))}`)];
  };
  const body = h("tbody");
  const more = h("button", { type: "button", class: "small", "data-key": "more-rows", onclick: () => fill(rows.length) },
    tx("sheet.more", { n: rows.length }));
  const fill = (n) => {
    body.replaceChildren(...rows.slice(0, n).map((row) => h("tr", { class: bad.has(row.row) ? "bad" : null },
      h("th", { scope: "row" }, bad.has(row.row) && h("span", { class: "mark", title: tx("sheet.bad") }, "!",
        h("span", { class: "hush" }, tx("sheet.bad"))), row.row.toLocaleString()),
      columns.map((column) => h("td", { class: column.becomes ?? "unused" }, content(row, column))))));
    more.hidden = n >= rows.length;
  };
  fill(SHOWN);
  return h("div", null,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": tx("sheet.title") }, h("table", { class: "sheet wide" },
      h("thead", null,
        h("tr", { class: "roles" }, h("td", null), columns.map((column) => h("td", { class: column.becomes ?? "unused" }, role(column)))),
        h("tr", null, h("th", { scope: "col", title: tx("problem.row.hint") }, tx("problem.row")),
          columns.map((column) => h("th", { scope: "col", class: column.becomes ?? "unused" },
            () => name(column), column.becomes && column.why && h("span", { class: "why" }, tx(`why.${column.why}`)))))),
      body)),
    rows.length === 0 && h("p", { class: "quiet" }, tx("sheet.none")),
    h("p", null, more));
}
