"""Requests that schemathesis makes out of the API's description, and what the server answered."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from .bench import Bench
from .server import ROOT, few

RUN = Path(__file__).parent / "schemathesis_run.py"
PACKAGES = ["schemathesis==4.32.5"]


def python() -> Path:
    """An interpreter that has schemathesis, made once in the cache folder."""
    cache = Path(os.environ.get("SHAMISEN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shamisen")
    folder = cache / f"torture-venv-{sys.version_info[0]}.{sys.version_info[1]}"
    program = folder / "bin/python"
    if not (folder / "complete").exists():
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
        (folder / "complete").touch()
    return program


def requests(bench: Bench) -> None:
    """`count` cases at least."""
    if not RUN.exists():
        bench.details["skipped"] = f"{RUN.relative_to(ROOT)} is not there"
        return
    with bench.server("requests", "--checkpoint-seconds", "30").started() as server:
        # What cases can ask about.
        job = server.post_job(few(20), {"epochs": 1, "early_stopping": None}).body["id"]
        server.finished(job)
        results = bench.folder / "requests.json"
        done = subprocess.run([python(), RUN, "--url", f"http://127.0.0.1:{server.port}", "--seed", str(bench.seed),
                               "--cases", str(bench.count), "--json", results], capture_output=True, text=True)
        print(done.stdout[-3000:], done.stderr[-3000:])
        if not results.exists():
            return bench.tally.fault("unexpected", f"schemathesis did not run: {done.stderr[-500:]}")
        told = json.loads(results.read_text())
        bench.tally.points += told["cases"]
        for failure in told["failures"]:
            kind = "server_errors" if "server error" in str(failure).lower() or " 500" in str(failure) else "unexpected"
            bench.tally.fault(kind, f"seed {bench.seed}: {failure}")
        bench.tally.check(told["cases"] >= bench.count, "unexpected", f"{told['cases']} cases of {bench.count}")
        bench.tally.check(server.alive() and server.vector("tiny")[0] == 200, "unexpected", f"the server does not embed afterwards: {server.tail()}")
        bench.details |= {name: told[name] for name in told if name not in ("failures",)}
        server.stop()
