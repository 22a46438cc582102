#!/usr/bin/env python3
"""Seconds from POST to succeeded of a job with the tutorial's recipe, alone and beside two busy processes.

    python3 benches/tutorial_job.py [--pairs FILE.csv] [--sts FILE.csv] [--runs 3]

Without --pairs the first 98 example pairs stand in for the tutorial's 98, so that anyone can run it.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

from serving_while_training import ROOT, Server


def upload(server, path, benchmark):
    connection = http.client.HTTPConnection(server.address)
    connection.request("POST", f"/datasets?benchmark={benchmark}", Path(path).read_bytes(), {"Content-Type": "text/csv"})
    return json.load(connection.getresponse())["id"]


def job(server, body):
    started = time.monotonic()
    state = server.call("POST", "/jobs", body)
    while not state["is_terminal"]:
        state = server.call("GET", f"/jobs/{state['id']}?wait=60")
    assert state["status"] == "succeeded", state["error"]
    return time.monotonic() - started, state["report"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs")
    parser.add_argument("--sts")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    server = Server()
    try:
        body = {"recipe": "tutorial"}
        if options.pairs:
            body["dataset_id"] = upload(server, options.pairs, "false")
        else:
            rows = (ROOT / "examples/occupations.csv").read_text().splitlines()[1:99]
            fields = [line.rsplit(",", 2) for line in rows if not line.rstrip().endswith('"') and '"' not in line]
            body["pairs"] = [[left, right, float(score)] for left, right, score in fields]
        if options.sts:
            body["benchmark_id"] = upload(server, options.sts, "true")
        job(server, body | {"config": {"epochs": 1}})  # warm
        for busy in (0, os.cpu_count()):
            # In a session of their own, as somebody else's processes are.
            spin = [subprocess.Popen(["sh", "-c", "while :; do :; done"], start_new_session=True) for _ in range(busy)]
            try:
                runs = [job(server, body) for _ in range(options.runs)]
            finally:
                [process.kill() for process in spin]
            seconds = [run[0] for run in runs]
            epochs = [epoch["seconds"] for _, report in runs for epoch in report["epochs"]]
            print(f"beside {busy} busy processes: {statistics.median(seconds):.1f} s from POST to succeeded"
                  f" (of {', '.join(f'{run:.1f}' for run in seconds)}), {len(runs[0][1]['epochs'])} epochs,"
                  f" {statistics.median(epochs):.2f} s an epoch", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
