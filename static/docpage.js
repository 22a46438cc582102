// What the pages about the API share: the head with its sections and the language.

import { h, refresh, tx } from "./dom.js";
import { LANGUAGES, lang, setLang, t } from "./i18n.js";

/** This server's address, with the path that a proxy may have put in front. */
export const ROOT = new URL(".", import.meta.url).href;

const SECTIONS = [["calls", "docs"], ["reference", "docs/reference"], ["errors", "docs/errors"], ["dashboard", ""]];

/** Fills the head of the page `name`. `spoken` is called after each choice of a language, and once at first. */
export function head(name, spoken = () => {}) {
  const main = document.getElementById("main");
  const skip = document.getElementById("skip");
  const speak = (code) => {
    setLang(code);
    refresh(document.documentElement);
    document.title = `${t(`docs.${name}`)} – Shamisen`;
    for (const button of document.querySelectorAll("#langs button")) {
      button.setAttribute("aria-pressed", String(button.lang === code));
    }
    spoken();
  };
  skip.append(h("span", null, tx("page.skip")));
  skip.addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.getElementById("top").append(
    h("nav", { "aria-label": tx("page.sections") }, SECTIONS.map(([section, path]) =>
      h("a", { href: ROOT + path, "aria-current": section === name ? "page" : null }, tx(`docs.${section}`)))),
    h("div", { id: "langs", role: "group", "aria-label": tx("page.language") }, Object.entries(LANGUAGES).map(([code, words]) =>
      h("button", { type: "button", lang: code, onclick: () => speak(code) }, words))));
  speak(lang());
}
