// The key that a server with keys asks for: asked for once, kept while the tab is open, sent with every request.

import { composing, h, newId, tx } from "./dom.js";

const NAME = "shamisen.key";
let key = stored();
let asking = null;
let declined = false;

function stored() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}

function keep(next) {
  key = next;
  try {
    if (next) sessionStorage.setItem(NAME, next);
    else sessionStorage.removeItem(NAME);
  } catch { /* a private window: the key holds until the page is closed */ }
}

export const hasKey = () => Boolean(key);
export const forgetKey = () => keep(null);

/** `fetch` with the key. Where the server wants one, or another, it is asked for, and the request made again. */
export async function send(path, options = {}) {
  for (;;) {
    const sent = key;
    const headers = sent ? { ...options.headers, authorization: `Bearer ${sent}` } : options.headers;
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 401) return response;
    // Somebody has given one meanwhile.
    if (key !== sent) continue;
    // Who has closed the dialog is asked again when something is clicked, and not by what the page does alone.
    if (declined && !navigator.userActivation?.isActive) return response;
    asking ??= ask(Boolean(sent)).finally(() => { asking = null; });
    declined = !(await asking);
    if (declined) return response;
  }
}

/** Asks for the key; whether one was given. */
function ask(again) {
  const id = newId("key");
  const input = h("input", { type: "password", id, autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": `${id}-hint` });
  const given = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    keep(text);
    dialog.close("given");
  };
  const dialog = h("dialog", { class: "panel", "aria-labelledby": `${id}-title` },
    h("form", { class: "key", onsubmit: given, onkeydown: (event) => { if (composing(event)) event.stopPropagation(); } },
      h("h2", { id: `${id}-title` }, tx("key.title")),
      again && h("p", { role: "alert" }, tx("key.wrong")),
      h("div", { class: "field" },
        h("label", { for: id }, tx("key.label")), input,
        h("p", { class: "quiet", id: `${id}-hint` }, tx("key.hint"))),
      h("p", { class: "actions" },
        h("button", { type: "submit", class: "main" }, tx("key.go")),
        h("button", { type: "button", onclick: () => dialog.close() }, tx("key.cancel")))));
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "given");
    });
  });
}

/** A click on a link to a file. A link cannot send a key: where there is one, the file is fetched with it. */
export async function download(event, failed) {
  if (!key) return;
  event.preventDefault();
  const response = await send(event.currentTarget.getAttribute("href")).catch(() => null);
  if (!response?.ok) {
    failed(response);
    return;
  }
  const said = response.headers.get("content-disposition") ?? "";
  const [, spoken] = /filename\*=UTF-8''([^;]+)/i.exec(said) ?? [];
  const [, plain] = /filename="([^"]+)"/.exec(said) ?? [];
  const name = spoken ? decodeURIComponent(spoken) : plain ?? "card.md";
  const link = h("a", { href: URL.createObjectURL(await response.blob()), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
