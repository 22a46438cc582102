"""python3 -m tests.torture PART --seed S --binary B --count N --json FILE"""

import argparse
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path

from .bench import Bench
from .parts import PARTS
from .server import ROOT


def commit() -> str:
    told = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True, text=True)
    return told.stdout.strip() + (" with changes" if changed.stdout.strip() else "") if told.returncode == 0 else "unknown"


def machine() -> str:
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return f"{len(os.sched_getaffinity(0))} cores of {model}, {memory} GiB, {platform.system()} {platform.release()}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.torture", description="Tortures the real binary; says what became of what went in.")
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/shamisen")
    parser.add_argument("--count", type=int, help="points; each part has its own default")
    parser.add_argument("--minutes", type=float, help="for parts that run by time")
    parser.add_argument("--real", type=int, default=0, help="power: ask the program of so many folders, 0 for all that differ")
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--keep", action="store_true", help="keep the part's folder")
    asked = parser.parse_args()
    part = PARTS[asked.part]
    count = asked.count if asked.count is not None else part.count
    bench = Bench(asked.part, asked.binary.resolve(), asked.seed, count, asked.keep, part.minutes if asked.minutes is None else asked.minutes)
    print(f"{asked.part}: seed {asked.seed}, {count} of {asked.binary}, in {bench.folder}", flush=True)
    started = time.time()
    try:
        part.run(bench, asked.real) if asked.part == "power" else part.run(bench)
    except Exception as error:  # a part that cannot be done is no part that was done
        bench.tally.fault("unexpected", f"the part ended early: {type(error).__name__}: {error}")
        if asked.keep:
            raise
    finally:
        bench.close()
    tally = bench.tally
    results = {
        "part": asked.part, "what": part.what, "seed": asked.seed, "count": count, "minutes": bench.minutes, "seconds": round(time.time() - started, 1),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "commit": commit(), "machine": machine(),
        "binary_sha256": hashlib.sha256(asked.binary.read_bytes()).hexdigest(),
        "command": f"python3 -m tests.torture {asked.part} --seed {asked.seed} --count {count}" + (f" --minutes {bench.minutes:g}" if part.minutes else ""),
        "points": tally.points, "lost": tally.lost, "duplicated": tally.duplicated, "unexpected": tally.unexpected,
        "recovered": tally.recovered, "server_errors": tally.server_errors, "stuck": tally.stuck,
        "details": bench.details, "failures": tally.failures}
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        # Where it was is nobody's business, and another place the next time.
        asked.json.write_text(json.dumps(results, indent=1, default=str).replace(f"{bench.folder}/", "") + "\n")
    for name in ("points", "lost", "duplicated", "unexpected", "recovered", "server_errors", "stuck"):
        print(f"  {name.replace('_', ' ')}: {results[name]}")
    print(f"  {json.dumps(bench.details, default=str)}")
    if not tally.good:
        print(f"again: {results['command']} --binary {shlex.quote(str(asked.binary))} --keep")
    return 0 if tally.good else 1


if __name__ == "__main__":
    sys.exit(main())
