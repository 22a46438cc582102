"""Requests made out of the API's description, by schemathesis, against a running server: `--url`, `--seed`, `--cases`.

Prints one JSON object: how many requests, and each kind of failure with an example. Ends with 1 where there is any. What it
does to the server's data folder cannot be undone: it makes jobs, deletes models, sets aliases. A server of its own is
`shamisen serve --data FOLDER --port PORT`, with a small model, so that jobs are short.

Needs `pip install schemathesis==4.32.5`. The same seed makes the same requests of the same description, but not the same
answers where jobs run beside.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

# Why a request that fits the description is refused with 422, 413 or 412 all the same: by what is there, or by what fields
# mean together. A schema says neither.
MEANING = {
    "alias_missing", "base_unclear", "body_not_readable", "body_too_large", "config_not_usable", "cursor_not_usable",
    "dataset_is_benchmark", "dataset_is_no_benchmark", "dataset_missing", "dimensions_out_of_range", "fingerprint_mismatch",
    "form_unclear", "idempotency_key_reused", "job_not_feasible", "missing_field", "nothing_to_compare", "nothing_to_mine", "not_supported", "part_repeated",
    "prompt_not_found", "too_few_pairs", "too_many_inputs", "validation_file_is_training_file",
}
# The same of a table, whose form no schema tells.
TABLE = {
    "rows_have_problems", "columns_unclear", "no_rows", "no_scores", "not_utf8", "quote_not_closed", "too_many_columns",
    "too_many_rows", "line_too_long", "unreadable", "format_not_supported", "not_a_table", "pack_damaged", "unpacks_too_large",
    "not_in_encoding", "sheet_too_large", "sheet_not_found", "column_nested", "column_not_found", "scale_unclear",
    "word_off_scale", "column_taken_twice", "not_pairs", "labels_missing", "too_many_concepts", "scores_unclear", "encoding_unclear", "is_taxonomy", "validation_not_usable",
    "taxonomy_malformed", "taxonomy_columns_unclear", "held_out_unusable", "no_pairs_made", "taxonomy_recipe_unusable", "not_json", "pairs_unreadable",
}


def code_of(response) -> str:
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    body = body if isinstance(body, dict) else {}
    # In an envelope, or beside `error` as a text, as text-embeddings-inference has it.
    error = body.get("error")
    return (error if isinstance(error, dict) else body).get("code", "")


def whole(value):
    """The same with whole numbers as programs write them."""
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def hooks() -> None:
    """What runs inside schemathesis."""
    import schemathesis
    from schemathesis.specs.openapi import checks

    own_key = os.environ["SHAMISEN_OWN_KEY"]

    @schemathesis.hook
    def before_call(ctx, case, kwargs):
        # Without its own key, nothing is answered any more.
        parameters = case.path_parameters or {}
        if case.operation.path == "/keys/{id}" and parameters.get("id") == own_key:
            case.path_parameters["id"] = "nobody"
        # A header's `*/*` would be answered with a stream that ends with the job.
        if case.operation.path == "/jobs/{id}/events":
            case.headers["Accept"] = "application/json"
        # To a schema 16.0 is an integer; no program that counts writes it so, and it is refused.
        if isinstance(case.body, (dict, list)):
            case.body = whole(case.body)

    @schemathesis.check
    def what_fits_is_taken(ctx, response, case):
        # A part that does not fit is sent (4.32.5) beside one that is tried out, and both are called fitting.
        parts = case.meta.components.values() if case.meta else ()
        if code_of(response) in MEANING | TABLE or not all(part.mode.is_positive for part in parts):
            return None
        return checks.positive_data_acceptance(ctx, response, case)

    @schemathesis.check
    def what_does_not_fit_is_refused(ctx, response, case):
        body = case.body if isinstance(case.body, dict) else {}
        # Asked for: what is no text is told beside the others.
        if body.get("on_error") == "null":
            return None
        # A form that was not filled in: blank says nothing.
        filled_in = [*(case.query or {}).values(), *(case.headers or {}).values()]
        if case.operation.path.startswith("/datasets"):
            filled_in += body.values()
        if "" in filled_in:
            return None
        return checks.negative_data_rejection(ctx, response, case)

    @schemathesis.check
    def what_lacks_a_header_is_refused(ctx, response, case):
        # A key that is left out (4.32.5) is put back with the header that all requests have.
        if "Authorization" in response.request.headers:
            return None
        return checks.missing_required_header(ctx, response, case)

    # Its look at answers stumbles (4.32.5) over a `type` that is a list, as OpenAPI 3.1 writes what may be null.
    from schemathesis.specs.openapi.stateful.dependencies import schemas

    look = schemas._is_interesting_schema

    def look_at_one_type(schema):
        if isinstance(schema, dict) and isinstance(schema.get("type"), list):
            return any(look(schema | {"type": one}) for one in schema["type"])
        return look(schema)

    schemas._is_interesting_schema = look_at_one_type


if "SHAMISEN_OWN_KEY" in os.environ:
    hooks()


def make_key(url: str, key: str | None) -> tuple[str, str]:
    """A key for everything, and its id."""
    body = json.dumps({"name": "schemathesis", "scopes": ["admin"]}).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(urllib.request.Request(f"{url}/keys", body, headers)) as answer:
        made = json.load(answer)
    return made["key"], made["id"]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--url", required=True, help="the server's address, as http://127.0.0.1:8080")
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--cases", type=int, default=5000, help="about how many requests")
    arguments.add_argument("--key", default=os.environ.get("SHAMISEN_KEY"), help="a key with the scope admin, where there are keys")
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--only", help="operations whose id fits this expression")
    asked = arguments.parse_args()
    url = asked.url.rstrip("/")
    key, key_id = make_key(url, asked.key)
    with urllib.request.urlopen(f"{url}/openapi.json") as answer:
        operations = sum(len(item) for item in json.load(answer)["paths"].values())
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.ndjson"
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", "all",
            "--exclude-checks", "positive_data_acceptance,negative_data_rejection,missing_required_header", "--seed", str(asked.seed),
            "--max-examples", str(max(1, asked.cases // operations)), "--generation-database", "none",
            "--workers", str(asked.workers), "--request-timeout", "90", "--continue-on-failure", "--no-color",
            "--suppress-health-check", "all", "--header", f"Authorization: Bearer {key}",
            "--report", "ndjson", "--report-ndjson-path", str(report),
        ] + (["--include-operation-id-regex", asked.only] if asked.only else [])
        environment = os.environ | {"SCHEMATHESIS_HOOKS": Path(__file__).stem, "SHAMISEN_OWN_KEY": key_id,
                                    "PYTHONPATH": str(Path(__file__).parent)}
        ran = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        told = summary(report)
    told |= {"seed": asked.seed, "returncode": ran.returncode}
    alive = urllib.request.urlopen(f"{url}/health").status == 200
    told["alive"] = alive
    if ran.returncode not in (0, 1) or os.environ.get("SHOW"):
        sys.stderr.write(ran.stdout)
    print(json.dumps(told, indent=2, ensure_ascii=False))
    return 0 if ran.returncode == 0 and alive else 1


def summary(report: Path) -> dict:
    """Requests and failures, each kind of failure of an operation once."""
    requests, operations, statuses, failures = 0, set(), Counter(), {}
    for line in report.open() if report.exists() else []:
        ended = json.loads(line).get("ScenarioFinished")
        if not ended:
            continue
        recorder = ended["recorder"]
        for case, interaction in recorder.get("interactions", {}).items():
            requests += 1
            response, request = interaction.get("response") or {}, recorder["cases"][case]["value"]
            operations.add(f"{request['method']} {request['path']}")
            statuses[str(response.get("status_code", "none"))] += 1
            for check in recorder.get("checks", {}).get(case, []):
                if check["status"] != "failure":
                    continue
                failure = check["failure_info"]["failure"]
                said = base64.b64decode((response.get("content") or {}).get("$base64", "")).decode(errors="replace")
                key = f"{check['name']}: {failure.get('operation', request['path'])}"
                kept = failures.setdefault(key, {"times": 0, "uri": interaction["request"]["uri"][:500], "body": request.get("body"),
                                                 "query": request.get("query"), "status": response.get("status_code"), "answer": said[:500],
                                                 "why": failure.get("message", "")[:300]})
                kept["times"] += 1
    return {"requests": requests, "operations": len(operations), "statuses": dict(sorted(statuses.items())), "failures": failures}


if __name__ == "__main__":
    sys.exit(main())
