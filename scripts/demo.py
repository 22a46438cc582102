#!/usr/bin/env python3
"""Posts the example pairs to a running server, waits for the job, and shows nine titles before and after.

Needs nothing but Python. Every request is one that you can make yourself; README.md shows them with curl.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "occupations.csv"


def call(url, body=None, kind="application/json"):
    """One request; the reply as JSON. A problem ends the program in the server's own words."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind} if body is not None else {})
    try:
        with urllib.request.urlopen(request, timeout=90) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        sys.exit(f"demo: {problem['detail']} {problem['hint']}")
    except urllib.error.URLError as error:
        sys.exit(f"demo: no server answers at {url} ({error.reason}). Start one with `make serve` in another terminal.")


def watch(server, job):
    """Waits for the job's end, with a bar on a terminal."""
    bar = sys.stderr.isatty()
    while not job["is_terminal"]:
        progress = job["progress"]
        if bar and progress:
            filled = round(30 * progress["fraction"])
            left = f"{progress['seconds_remaining']:.0f} s left at most"
            line = f"  [{'#' * filled}{'.' * (30 - filled)}] epoch {progress['epoch']} of {progress['epochs']}, {left}"
        else:
            line = f"  {job['status']}: {job['phase'] or 'waits for its turn'}"
        if bar:
            print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)
        time.sleep(0.5)
        job = call(f"{server}/jobs/{job['id']}")
    if bar:
        print(f"\r{'':<78}\r", end="", file=sys.stderr)
    if job["status"] != "succeeded":
        error = job["error"] or {"message": f"The job is {job['status']}.", "hint": ""}
        sys.exit(f"demo: {error['message']} {error['hint']}")
    return job


def table(titles, cosines):
    width = max(map(len, titles))
    for title, row in zip(titles, cosines):
        print(f"  {title:<{width}}  " + " ".join(f"{cosine:5.2f}" for cosine in row))


def told(value):
    return "cannot be measured" if value is None else f"{value:.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    server = parser.parse_args().server.rstrip("/")

    dataset = call(f"{server}/datasets?name=occupations", EXAMPLE.read_bytes(), "text/csv")
    print(f"{dataset['rows']} pairs from {EXAMPLE.name}: {dataset['id']}")
    job = call(f"{server}/jobs", json.dumps({"dataset_id": dataset["id"]}).encode())
    print(f"{job['id']} tunes {job['base_model']}; watch it at {server}/#/jobs/{job['id']}")
    job = watch(server, job)

    report = job["report"]
    before, after = report["before"], report["after"]
    epochs = f"{len(report['epochs'])} epochs, {report['stopped'].replace('_', ' ')}"
    print(f"{job['model']} is ready after {report['seconds']:.0f} s ({epochs})\n")
    print(f"{'':<52}before     after")
    for name, pick in [
        ("validation error (MSE of angular similarity)", lambda e: e["validation"]["mse"]),
        ("validation correlation (Pearson)", lambda e: e["validation"]["pearson"]),
        (f"general ability ({before['retention']['name']}, Pearson)", lambda e: e["retention"]["pearson"]),
    ]:
        print(f"{name:<52}{told(pick(before)):<10} {told(pick(after))}")
    titles = report["heatmap"]["titles"]
    for when in ("before", "after"):
        print(f"\nCosine of each title with each, {when}:")
        table(titles, report["heatmap"][when])
    for note in report["notes"]:
        print(f"\nNote: {note['message']}")
    print(f"\nUse it: curl -s {server}/similarity -H 'Content-Type: application/json' \\\n"
          f"  -d '{json.dumps({'model': job['model'], 'source_sentence': titles[0], 'sentences': titles[1:3]})}'")


if __name__ == "__main__":
    main()
