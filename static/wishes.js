// What is said about a table, in the names that the API gives it.

/** Wishes as the fields of a form. What is not said is left out. */
export function fields(wishes) {
  const told = ([, value]) =>
    value !== null && value !== undefined && value !== "" && (typeof value !== "object" || Object.keys(value).length > 0);
  const written = (value) => {
    if (Array.isArray(value)) return value.join(",");
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  };
  return Object.entries(wishes).filter(told).map(([name, value]) => [name, written(value)]);
}

/** A file with wishes as a form. */
export function formOf(file, wishes) {
  const form = new FormData();
  for (const [name, value] of fields(wishes)) form.append(name, value);
  form.append("file", file, file.name);
  return form;
}

const known = (object) => Object.fromEntries(Object.entries(object ?? {}).filter(([, value]) => value !== null && value !== undefined));

/** All that an inspection found out, as wishes: with them the table is read the same way ever after. */
export function asWishes({ read_as: readAs, mapping, kind, scale, words, lowest_means: lowestMeans, apply, on_bad_row: onBadRow }) {
  const { format, encoding, delimiter, header, header_row: headerRow, sheet } = readAs ?? {};
  return known({
    format, encoding, delimiter: delimiter === "\t" ? "tab" : delimiter, header, header_row: headerRow, sheet,
    mapping: known(mapping),
    kind, scale, words, lowest_means: lowestMeans, apply,
    on_bad_row: onBadRow === "skip" ? "skip" : null,
  });
}

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The same from a terminal. */
export function curl(path, file, wishes) {
  const root = new URL(".", import.meta.url).href;
  // A form's plain field would take a semicolon or an @ for a sign of its own.
  const said = fields(wishes).map(([name, value]) => `--form-string ${shell(`${name}=${value}`)}`);
  const name = file.name.replaceAll("\\", "\\\\").replaceAll("\"", "\\\"");
  return [`curl -s ${root}${path}`, `-F ${shell(`file=@"${name}"`)}`, ...said].join(" \\\n  ");
}

/** Which cosine a score from 0 to 1 asks for. */
export const COSINE = {
  unrelated: (score) => score,
  opposite: (score) => 2 * score - 1,
  angular: (score) => Math.cos(Math.PI * (1 - score)),
};
