"""python3 -m tests.torture.everything: all parts one after another, and the table of docs/reliability.md.

Results go to a folder, a file a part. A part whose file there is of this binary, seed and count is not run again, so
that a run that was cut off goes on.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from .parts import PARTS
from .server import ROOT


def done_before(file: Path, binary: str, seed: int, count: int, minutes: float) -> bool:
    try:
        results = json.loads(file.read_text())
    except (OSError, ValueError):
        return False
    asked = (results["binary_sha256"], results["seed"], results["count"], results["minutes"])
    return asked == (binary, seed, count, minutes)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.torture.everything", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/shamisen")
    parser.add_argument("--minutes", type=float, default=0, help="about how long all of it may take; 0 for the full counts")
    parser.add_argument("--parts", help="some of them, with commas between")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/torture")
    asked = parser.parse_args()
    chosen = asked.parts.split(",") if asked.parts else list(PARTS)
    binary = hashlib.sha256(asked.binary.read_bytes()).hexdigest()
    whole = sum(PARTS[name].takes for name in chosen)
    share = min(1.0, asked.minutes / whole) if asked.minutes else 1.0
    print(f"{len(chosen)} parts, about {whole * share:.0f} minutes; results in {asked.out}", flush=True)
    bad = []
    for name in chosen:
        part, file = PARTS[name], asked.out / f"{name}.json"
        # By time or by count; a part in rounds has to do each of its kinds once.
        minutes = round(part.minutes * share, 1)
        count = part.count if part.minutes or name == "slow" else max(part.least, round(part.count * share))
        if done_before(file, binary, asked.seed, count, minutes):
            print(f"{name}: done before", flush=True)
        else:
            subprocess.run([sys.executable, "-m", "tests.torture", name, "--seed", str(asked.seed), "--binary", asked.binary.resolve(),
                            "--count", str(count), "--minutes", str(minutes), "--json", file.resolve()], cwd=ROOT, check=False)
        if not file.exists() or json.loads(file.read_text())["failures"]:
            bad.append(name)
    if bad:
        print("with faults: " + ", ".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
