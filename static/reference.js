// The reference: Swagger UI over this server's own description.

import { ROOT, head } from "./docpage.js";

head("reference");
const dark = matchMedia("(prefers-color-scheme: dark)");
const shade = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", shade);
shade();

addEventListener("DOMContentLoaded", () => {
  window.SwaggerUIBundle({
    url: `${ROOT}openapi.json`,
    dom_id: "#swagger",
    deepLinking: true,
    displayRequestDuration: true,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    validatorUrl: null,
  });
});
