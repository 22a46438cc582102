#!/usr/bin/env python3
"""How long a large table takes to be looked at and stored, and what memory that takes.

    python3 benches/datasets.py [--pairs 1000000] [--encoding utf-8|cp932]

Makes a CSV of Japanese and English pairs (a million are about 150 MB), starts a built server (`make model`) over a
folder of its own, sends the file to `POST /datasets/inspect` and `POST /datasets`, reads a few pages of rows, and prints
seconds and how far the server's resident memory grew, at its highest.
"""

import argparse
import json
import random
import threading
import time
import urllib.request
from pathlib import Path

from serving import Server

JOBS = ["看護師", "准看護師", "データ分析者", "営業事務", "施工管理", "保育士", "介護福祉士", "registered nurse", "data analyst",
        "sales clerk", "site manager", "childcare worker", "care worker", "machine operator"]


def make(path, pairs, encoding):
    draw = random.Random(42)
    with open(path, "w", encoding=encoding, newline="") as out:
        out.write("職種A,職種B,点数,メモ\r\n")
        for row in range(pairs):
            left = f"{draw.choice(JOBS)}（{draw.choice(JOBS)}の経験が{draw.randrange(40)}年ある求職者 {draw.randrange(10**6)}）"
            right = f"{draw.choice(JOBS)} for team {draw.randrange(10**6)} in the {draw.choice(JOBS)} department"
            out.write(f"{left},{right},{draw.randrange(6)},\r\n")
    return path.stat().st_size


class Memory(threading.Thread):
    """The server's highest resident memory while it lives."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.highest, self.on = server, 0.0, True

    def run(self):
        while self.on:
            self.highest = max(self.highest, self.server.resident())
            time.sleep(0.02)


def timed(what, server, request):
    idle, memory = server.resident(), Memory(server)
    memory.start()
    began = time.monotonic()
    reply = json.load(urllib.request.urlopen(request))
    seconds = time.monotonic() - began
    memory.on = False
    memory.join()
    print(f"| {what} | {seconds:.1f} s | {memory.highest - idle:.0f} MB |", flush=True)
    return reply, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--encoding", default="utf-8")
    arguments = parser.parse_args()
    server = Server().start()
    path = Path(server.folder.name) / "table.csv"
    size = make(path, arguments.pairs, arguments.encoding)
    print(f"{arguments.pairs} pairs, {size / 1e6:.0f} MB, {arguments.encoding}; resident before: {server.resident():.0f} MB\n")
    print("| what | time | memory grew by |\n|---|---|---|", flush=True)

    def post(route):
        body = open(path, "rb")
        headers = {"Content-Type": "text/csv", "Content-Length": str(size)}
        return urllib.request.Request(server.address + route, body, headers, method="POST")

    _, looked = timed("`POST /datasets/inspect`", server, post("/datasets/inspect"))
    wishes = "?lowest_means=unrelated&on_bad_row=skip&name=large"
    stored, kept = timed("`POST /datasets`", server, post("/datasets" + wishes))
    rows = f"{server.address}/datasets/{stored['id']}/rows"
    for what, query in [("first page", ""), ("last page", f"?offset={stored['rows'] - 100}"), ("search", "?q=team%2012345"),
                        ("highest scores", "?sort=-score&score=0.5-1")]:
        timed(f"rows: {what}", server, rows + query)
    print(f"\nstored {stored['rows']} pairs; both together {looked + kept:.1f} s")
    server.stop()


if __name__ == "__main__":
    main()
