// What a table cannot be saved without: each question with its answers as buttons.

import { h, tx } from "./dom.js";

/** The answers to a finding, as `[key, words, wishes]`; none for what is answered elsewhere. */
function answers({ code, facts }) {
  const scale = (lowest, highest) => ({ scale: { lowest, highest } });
  switch (code) {
    case "score_not_taken":
      return [["belong", tx("question.belong"), { kind: "pair_positive" }]];
    case "distance_or_similarity":
      return [
        ["distance", tx("question.distance", facts), scale(facts.highest, facts.lowest)],
        ["similarity", tx("question.similarity", facts), scale(facts.lowest, facts.highest)],
      ];
    case "classes_or_scale": {
      const [first, last] = [facts.classes[0], facts.classes.at(-1)];
      const words = facts.classes.length === 2 ? { 0: 1, 1: 0 } : { 0: 1, 1: 0.5, 2: 0 };
      const usual = facts.classes.every((one) => String(one) in words);
      return [
        usual && ["classes", tx(`question.classes${facts.classes.length === 2 ? ".two" : ""}`), { words }],
        ["scale", tx("question.scale", { first, last }), scale(first, last)],
      ].filter(Boolean);
    }
    case "encoding_not_sure":
      return Object.entries(facts.readings).map(([encoding, text]) => [`encoding-${encoding}`, text, { encoding }]);
    default:
      return [];
  }
}

/** All questions of an inspection's findings. `change(wishes)`. */
export function questions(findings, change) {
  return findings.map((finding) => [finding, answers(finding)]).filter(([, all]) => all.length).map(([finding, all]) =>
    h("div", { class: "problem", role: "alert" },
      h("p", null, tx(`finding.${finding.code}`, finding.facts)),
      h("p", { class: "buttons" }, all.map(([key, words, wishes]) =>
        h("button", { type: "button", class: "small", "data-key": `answer-${key}`, onclick: () => change(wishes) }, words)))));
}
