// Shamisen's page: which view is shown, in which language.

import { announce, h, refresh, tx } from "./dom.js";
import { LANGUAGES, lang, setLang, t } from "./i18n.js";
import { jobView } from "./job.js";
import { jobsView, modelsView } from "./lists.js";
import { tryView } from "./tryit.js";
import { tuneView } from "./tune.js";

const main = document.getElementById("main");
const SECTIONS = [["tune", "#/"], ["jobs", "#/jobs"], ["models", "#/models"], ["try", "#/try"]];

// What is typed in these two stays while another view is shown.
const kept = { tune: tuneView(), try: tryView() };
let view = null;

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [section, id] = path.split("/");
  const name = SECTIONS.some(([known]) => known === section) ? section : "tune";
  view?.dispose?.();
  for (const one of Object.values(kept)) one.element.hidden = true;
  main.querySelectorAll(":scope > .passing").forEach((element) => element.remove());
  if (kept[name]) {
    view = kept[name];
    view.element.hidden = false;
    view.show(new URLSearchParams(query));
  } else {
    view = name === "models" ? modelsView() : id ? jobView(decodeURIComponent(id)) : jobsView();
    view.element.classList.add("passing");
    main.append(view.element);
  }
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.section === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = name === "tune" ? "Shamisen" : `${t(`nav.${name}`)} – Shamisen`;
}

function speak(code) {
  setLang(code);
  refresh(document.documentElement);
  kept.try.example();
  for (const button of document.querySelectorAll("#langs button")) {
    button.setAttribute("aria-pressed", String(button.lang === code));
  }
}

document.getElementById("skip").append(h("span", null, tx("page.skip")));
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("contact").append(h("span", null, tx("page.contact")));
document.getElementById("top").append(
  h("nav", { id: "nav", "aria-label": tx("page.sections") }, SECTIONS.map(([name, href]) =>
    h("a", { href, "data-section": name }, tx(`nav.${name}`))), h("a", { href: "docs" }, tx("nav.docs"))),
  h("div", { id: "langs", role: "group", "aria-label": tx("page.language") }, Object.entries(LANGUAGES).map(([code, name]) =>
    h("button", { type: "button", lang: code, onclick: () => speak(code) }, name))));
main.append(kept.tune.element, kept.try.element);
speak(lang());
route();

addEventListener("hashchange", () => {
  route();
  scrollTo(0, 0);
  announce("");
  view.element.querySelector("h1")?.focus({ preventScroll: true });
});
// A file dropped beside its place must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
