// Shamisen's page: which view is shown, in which language.

import { datasetView } from "./dataset.js";
import { datasetsView } from "./datasets.js";
import { deskView } from "./desk.js";
import { announce, h, refresh, tx } from "./dom.js";
import { pasted } from "./file.js";
import { LANGUAGES, lang, setLang, t } from "./i18n.js";
import { jobView } from "./job.js";
import { jobsView, modelsView } from "./lists.js";
import { taxonomyView } from "./taxonomy.js";
import { tryView } from "./tryit.js";
import { tuneView } from "./tune.js";

const main = document.getElementById("main");
const SECTIONS = [["tune", "#/"], ["data", "#/data"], ["jobs", "#/jobs"], ["models", "#/models"], ["try", "#/try"]];

// What is typed in these stays while another view is shown.
const desk = deskView({
  ontrain: (dataset) => {
    location.hash = "#/";
    kept.tune.train(dataset);
  },
});
const kept = { tune: tuneView({ ontable: onDesk, waiting: desk.link }), try: tryView(), desk };

/** Puts a file on the reading desk; `of` is the dataset that it is a new version of. */
function onDesk(file, of) {
  desk.open(file, of);
  location.hash = "#/data/new";
}

/** The view below `#/section/id`; those that are kept have a name. */
function viewOf(section, id) {
  if (section === "data" && id === "new") return "desk";
  if (section === "data" && id === "taxonomy") return taxonomyView();
  if (section === "data") return id ? datasetView(id, onDesk) : datasetsView(onDesk, desk.link);
  if (section === "models") return modelsView();
  if (section === "jobs") return id ? jobView(id) : jobsView();
  return section;
}

let view = null;

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [section, id] = path.split("/");
  const name = SECTIONS.some(([known]) => known === section) ? section : "tune";
  view?.dispose?.();
  for (const one of Object.values(kept)) one.element.hidden = true;
  main.querySelectorAll(":scope > .passing").forEach((element) => element.remove());
  const next = viewOf(name, id && decodeURIComponent(id));
  view = kept[next] ?? next;
  if (kept[next]) {
    view.element.hidden = false;
    view.show(new URLSearchParams(query));
  } else {
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
main.append(...Object.values(kept).map((one) => one.element));
speak(lang());
route();

addEventListener("hashchange", () => {
  route();
  scrollTo(0, 0);
  announce("");
  view.element.querySelector("h1")?.focus({ preventScroll: true });
});
// Cells that were copied from a spreadsheet go to the desk, where a table could be dropped as well.
addEventListener("paste", (event) => {
  const file = [kept.tune, desk].includes(view) || view.takesTables ? pasted(event) : null;
  if (!file) return;
  event.preventDefault();
  onDesk(file);
});
// A file dropped beside its place must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
