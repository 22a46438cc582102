// The reading desk's second half: what the scores are, and what the lowest one means.

import { composing, fixed, h, tx } from "./dom.js";
import { histogram } from "./histogram.js";
import { lang, t } from "./i18n.js";
import { COSINE } from "./wishes.js";

const KINDS = ["numbers", "percents", "fractions", "words", "dates", "empty", "other"];
const plain = (value) => String(Number(value.toFixed(4))).replace("-", "−");

function numberField(key, label, value, onchange) {
  const input = h("input", {
    type: "number", step: "any", value: String(value), "data-key": key, "aria-label": label,
    onchange: () => { if (input.value !== "" && Number.isFinite(input.valueAsNumber)) onchange(input.valueAsNumber); },
    onkeydown: (event) => {
      if (event.key === "Enter" && !composing(event)) input.blur();
    },
  });
  return input;
}

/** The scale, its words and marks, and how the scores spread. */
export function scoreCard({ scale, histogram: bars }, change, onpick) {
  const { lowest, highest, why, found, words, values } = scale;
  const list = () => KINDS.filter((kind) => found[kind]).map((kind) => t(`score.found.${kind}`, { n: found[kind] })).join(lang() === "ja" ? "、" : ", ");
  const end = (part) => (value) => change({ scale: { lowest, highest, [part]: value } });
  const odd = values.filter((one) => Object.hasOwn(words, one.value));
  return h("div", null,
    h("p", null, () => t("score.found", { lowest: plain(lowest), highest: plain(highest), list: list() }),
      h("span", { class: "why" }, tx(`why.${why}`))),
    h("div", { class: "ends" },
      h("label", null, h("span", null, tx("score.highest")), numberField("highest", null, highest, end("highest"))),
      h("label", null, h("span", null, tx("score.lowest")), numberField("lowest", null, lowest, end("lowest")))),
    Object.keys(words).length > 0 && h("div", { class: "marks" },
      h("h3", null, tx("score.words")),
      h("p", { class: "quiet" }, tx("score.words.about")),
      h("ul", null, Object.entries(words).sort((a, b) => b[1] - a[1]).map(([word, value]) => h("li", null,
        h("label", null, h("span", { class: "word" }, word),
          numberField(`word-${word}`, () => t("score.word.of", { word }), value, (next) => change({ words: { ...words, [word]: next } }))),
        h("span", { class: "quiet" }, tx("rows", { n: odd.find((one) => one.value === word)?.rows ?? 0 })))))),
    bars && h("h3", null, tx("hist.title")),
    bars && histogram(bars, onpick));
}

/** A row of the user's own to show what an answer does: best one that is neither at the top nor at the bottom. */
function exampleRow({ preview, columns }) {
  const at = (role) => columns.find((column) => column.becomes === role)?.number;
  const [a, b, score] = ["text_a", "text_b", "score"].map(at);
  const usable = preview.filter((row) => row.score !== null);
  const row = usable.find((one) => one.score > 0.05 && one.score < 0.6) ?? usable.find((one) => one.score < 0.95) ?? usable[0];
  if (!row || !a || !b || !score) return null;
  return { left: row.cells[a - 1], right: row.cells[b - 1], written: row.cells[score - 1], score: row.score };
}

/** "What does your lowest score mean?" `answer(value)`; `value` may be `unsure`. */
export function meaningCard(inspection, unsure, answer) {
  const { lowest_means: meaning, scale } = inspection;
  const example = exampleRow(inspection);
  const low = plain(scale?.lowest ?? 0);
  const chosen = meaning.value ?? (unsure ? "unsure" : null);
  const choice = (value) => h("label", { class: "answer" },
    h("input", {
      type: "radio", name: "lowest-means", value, checked: chosen === value, "data-key": `means-${value}`, onchange: () => answer(value),
    }),
    h("span", null,
      h("strong", null, tx(`means.${value}`, { low })),
      meaning.targets[value] && h("span", { class: "quiet" }, () => t("means.targets", {
        low, lowest: fixed(meaning.targets[value].lowest, 2), middle: fixed(meaning.targets[value].middle, 2), highest: fixed(meaning.targets[value].highest, 2) })),
      example && COSINE[value] && h("span", { class: "quiet" }, () => t("means.example", {
        left: example.left, right: example.right, score: example.written, cosine: fixed(COSINE[value](example.score), 2) })),
      value === "unsure" && h("span", { class: "quiet" }, tx("means.unsure.about"))));
  return h("fieldset", { class: chosen ? "question" : "question open" },
    h("legend", null, tx("means.title", { low })),
    h("p", { class: "quiet" }, meaning.why === "recognised" ? tx("means.recognised") : tx("means.about")),
    ["unrelated", "opposite", "angular", "unsure"].map(choice));
}
