#!/usr/bin/env python3
"""How quick /embed is with and without a training job: p50 and p99, and their ratio.

Starts the server over a temporary folder, sends one request after another from a few clients, in
turn without a job and with one, and prints a table. Nothing but Python is needed.

    python3 benches/serving_while_training.py [--seconds 15] [--clients 2] [--rounds 3]
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ["Data Scientist", "看護師", "Product Marketing Manager", "A man is playing a guitar."]


class Server:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        models = Path(self.folder.name) / "models"
        models.mkdir()
        (models / "use-multilingual-v3").symlink_to((ROOT / "data/models/use-multilingual-v3").resolve())
        command = [ROOT / "target/release/shamisen", "serve", "--port", "0", "--log", "warn", "--data", self.folder.name]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "listens on" in line:
                self.address = line.split("http://")[1].split("/")[0]
            if "is ready" in line:
                return
        raise SystemExit("the server did not start; run `make serve` once before")

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address)
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        return json.load(connection.getresponse())

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def load(server, clients, seconds):
    """Latencies in milliseconds of `clients` that ask without pause for `seconds`."""
    latencies, until = [], time.monotonic() + seconds

    def client():
        connection = http.client.HTTPConnection(server.address)
        body = json.dumps({"inputs": TEXTS})
        while time.monotonic() < until:
            started = time.perf_counter()
            connection.request("POST", "/embed", body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            assert reply.status == 200, reply.status
            latencies.append((time.perf_counter() - started) * 1000)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return latencies


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = [line.rsplit(",", 1) for line in (ROOT / "examples/occupations.csv").read_text().splitlines()[1:]]
    pairs = [[title, "another occupation", float(score)] for title, score in rows]
    server = Server()
    try:
        load(server, options.clients, 2)  # warm
        ratios = {0.5: [], 0.99: []}
        print(f"/embed, {len(TEXTS)} texts a request, {options.clients} clients, {os.cpu_count()} cores; milliseconds")
        print("round   idle p50     p99   training p50     p99   ratio p50    p99   requests/s idle, training")
        for number in range(1, options.rounds + 1):
            idle = load(server, options.clients, options.seconds)
            job = server.call("POST", "/jobs", {"pairs": pairs, "recipe": "tutorial", "config": {"epochs": 10000, "early_stopping": None}})["id"]
            while server.call("GET", f"/jobs/{job}")["phase"] != "training":
                time.sleep(0.2)
            training = load(server, options.clients, options.seconds)
            state = server.call("GET", f"/jobs/{job}")
            assert state["phase"] == "training", state
            server.call("POST", f"/jobs/{job}/cancel")
            while not server.call("GET", f"/jobs/{job}?wait=30")["is_terminal"]:
                pass
            figures = [percentile(latencies, share) for latencies in (idle, training) for share in (0.5, 0.99)]
            for share, before, during in ((0.5, figures[0], figures[2]), (0.99, figures[1], figures[3])):
                ratios[share].append(during / before)
            print(f"{number:>5} {figures[0]:>10.1f} {figures[1]:>7.1f} {figures[2]:>14.1f} {figures[3]:>7.1f}"
                  f" {ratios[0.5][-1]:>11.2f} {ratios[0.99][-1]:>6.2f}"
                  f" {len(idle) / options.seconds:>16.0f}, {len(training) / options.seconds:.0f}")
        print(f"median ratio, training to idle: p50 {statistics.median(ratios[0.5]):.2f}, p99 {statistics.median(ratios[0.99]):.2f}")
    finally:
        server.close()


if __name__ == "__main__":
    main()
