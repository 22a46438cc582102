// Calls as programs: what the page about the API shows and copies.

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
/** Texts, lists and objects are written alike in JSON, Python and JavaScript. A long object has a line for each field. */
function literal(value, indent = "") {
  if (Array.isArray(value)) return `[${value.map((item) => literal(item)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${literal(inner)}`);
  const line = `{${fields.join(", ")}}`;
  return line.length < 72 ? line : `{\n${fields.map((field) => `${indent}  ${field}`).join(",\n")}\n${indent}}`;
}

/** What a program prints of a reply, in Python and in JavaScript. */
const PRINTS = {
  embed: ["[vector[:5] for vector in reply.json()[\"embeddings\"]]", "reply.embeddings.map((vector) => vector.slice(0, 5))"],
  compare: ["reply.json()[\"scores\"]", "reply.scores"],
  rank: ["reply.json()[\"scores\"]", "reply.scores"],
  switch: ["reply.json()", "reply"],
};

/** A request with a JSON body. */
const ASK = {
  curl: (_, { root, request: { method, path, json } }) =>
    `curl -s ${method === "POST" ? "" : `-X ${method} `}${root}${path} \\\n  -H 'Content-Type: application/json' \\\n  -d ${shell(literal(json, "  "))}`,
  requests: (name, { root, request: { method, path, json } }) =>
    `import requests

reply = requests.${method.toLowerCase()}(
    "${root}${path}",
    json=${literal(json, "    ")},
)
reply.raise_for_status()
print(${PRINTS[name][0]})`,
  fetch: (name, { root, request: { method, path, json } }) =>
    `const response = await fetch("${root}${path}", {
  method: "${method}",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(${literal(json, "  ")}),
});
const reply = await response.json();
if (!response.ok) throw new Error(reply.detail);
console.log(${PRINTS[name][1]});`,
};

const client = (root) => `from openai import OpenAI

client = OpenAI(base_url="${root}v1", api_key="none")`;

/** Vectors have length 1: their product is the cosine. */
const OPENAI = {
  embed: ({ root, request: { json } }) => `${client(root)}
reply = client.embeddings.create(model=${literal(json.model)}, input=${literal(json.texts)})
print([item.embedding[:5] for item in reply.data])`,
  compare: ({ root, request: { json } }) => `import numpy as np
${client(root)}
reply = client.embeddings.create(model=${literal(json.model)}, input=${literal(json.pairs[0])})
a, b = (np.array(item.embedding) for item in reply.data)
print(a @ b)  # the vectors have length 1: this is the cosine`,
  rank: ({ root, request: { json } }) => `import numpy as np
${client(root)}
texts = ${literal(json.sentences)}
reply = client.embeddings.create(model=${literal(json.model)}, input=[${literal(json.source_sentence)}, *texts])
query, *others = (np.array(item.embedding) for item in reply.data)
for score, text in sorted(((query @ other, text) for other, text in zip(others, texts)), reverse=True):
    print(round(float(score), 4), text)`,
  train: ({ root, model }) => `import time
${client(root)}
file = client.files.create(file=open("pairs.csv", "rb"), purpose="fine-tune")
job = client.fine_tuning.jobs.create(model=${literal(model)}, training_file=file.id, suffix="occupations")
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(2)
    job = client.fine_tuning.jobs.retrieve(job.id)
print(job.status, job.fine_tuned_model)`,
};

/** A table goes up, a job is watched to its end. */
const TRAIN = {
  curl: ({ root, model }) => `curl -s ${root}jobs -F file=@pairs.csv -F name=occupations -F model=${model}
# its reply has the job's "id"; this follows it:
curl -sN ${root}jobs/JOB/events -H 'Accept: text/event-stream'`,
  requests: ({ root, model }) => `import requests

jobs = "${root}jobs"
with open("pairs.csv", "rb") as table:
    reply = requests.post(jobs, files={"file": table}, data={"name": "occupations", "model": ${literal(model)}})
reply.raise_for_status()
job = reply.json()
while not job["is_terminal"]:
    job = requests.get(f"{jobs}/{job['id']}", params={"wait": 60}).json()
print(job["status"], job["model"])`,
  fetch: ({ root, model }) => `import { openAsBlob } from "node:fs";

const form = new FormData();
form.append("file", await openAsBlob("pairs.csv"), "pairs.csv");
form.append("name", "occupations");
form.append("model", ${literal(model)});
let response = await fetch("${root}jobs", { method: "POST", body: form });
let job = await response.json();
if (!response.ok) throw new Error(job.detail);
while (!job.is_terminal) {
  job = await (await fetch(\`${root}jobs/\${job.id}?wait=60\`)).json();
}
console.log(job.status, job.model);`,
};

/** The call `name` in a language. `routes` are those that the server has. */
export function snippet(name, language, { root, model, routes, request }) {
  const about = { root, model, request };
  if (name === "switch") about.request = { method: "PUT", path: "aliases/live", json: { model } };
  if (language === "openai") {
    const known = OPENAI[name] && (name !== "train" || routes.has("/v1/fine_tuning/jobs"));
    if (known) return OPENAI[name](about);
    return `# OpenAI's API has no such call.\n${snippet(name, "requests", { root, model, routes, request })}`;
  }
  return name === "train" ? TRAIN[language](about) : ASK[language](name, about);
}
