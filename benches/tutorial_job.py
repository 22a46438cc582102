#!/usr/bin/env python3
"""A job with the tutorial's recipe: seconds from POST to succeeded, alone and beside two busy processes; the
trainer's peak memory; the size of the tuned model on disk.

    python3 benches/tutorial_job.py [--pairs FILE.csv] [--sts FILE.csv] [--runs 3]

Without --pairs the first 98 example pairs stand in for the tutorial's 98, so that anyone can run it.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import threading
import time
from pathlib import Path

from serving_while_training import ROOT, Server

MOST_MEMORY, MOST_DISK = 1200, 25  # MB


def upload(server, path, benchmark):
    connection = http.client.HTTPConnection(server.address)
    connection.request("POST", f"/datasets?benchmark={benchmark}", Path(path).read_bytes(), {"Content-Type": "text/csv"})
    return json.load(connection.getresponse())["id"]


class Memory:
    """The most memory, in MB, that a child of a process had resident: VmHWM, pages of mapped files included."""

    def __init__(self, parent):
        self.parent, self.peak, self.done = parent, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.done.wait(0.05):
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
                except OSError:  # it ended just now
                    continue
                if int(fields["PPid"]) == self.parent and "VmHWM" in fields:
                    self.peak = max(self.peak, int(fields["VmHWM"].split()[0]) * 1024 / 1e6)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def folder_size(folder):
    """MB of a folder's files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def verdict(what, value, most):
    print(f"{what}: {value:.1f} MB (target: below {most}) {'MET' if value < most else 'MISSED'}", flush=True)


def job(server, body):
    started = time.monotonic()
    state = server.call("POST", "/jobs", body)
    while not state["is_terminal"]:
        state = server.call("GET", f"/jobs/{state['id']}?wait=60")
    assert state["status"] == "succeeded", state["error"]
    return time.monotonic() - started, state


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
        with Memory(server.process.pid) as memory:
            _, state = job(server, body)  # this warms up, too
        verdict("the trainer's peak memory", memory.peak, MOST_MEMORY)
        verdict("the tuned model's folder", folder_size(Path(server.folder.name) / "models" / state["model"]), MOST_DISK)
        for busy in (0, os.cpu_count()):
            # In a session of their own, as somebody else's processes are.
            spin = [subprocess.Popen(["sh", "-c", "while :; do :; done"], start_new_session=True) for _ in range(busy)]
            try:
                runs = [job(server, body) for _ in range(options.runs)]
            finally:
                [process.kill() for process in spin]
            seconds = [run[0] for run in runs]
            epochs = [epoch["seconds"] for _, state in runs for epoch in state["report"]["epochs"]]
            print(f"beside {busy} busy processes: {statistics.median(seconds):.1f} s from POST to succeeded"
                  f" (of {', '.join(f'{run:.1f}' for run in seconds)}), {len(runs[0][1]['report']['epochs'])} epochs,"
                  f" {statistics.median(epochs):.2f} s an epoch", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
