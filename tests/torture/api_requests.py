"""Requests that schemathesis makes out of the API's description (`schemathesis_run.py`), and what the server answered."""

import json
import os
import subprocess
import sys
import time
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
    """`count` cases, about."""
    if not RUN.exists():
        bench.details["skipped"] = f"{RUN.relative_to(ROOT)} is not there"
        return
    try:
        program = python()
    except (OSError, subprocess.CalledProcessError) as error:
        bench.details["skipped"] = f"schemathesis could not be installed: {error}"
        return
    with bench.server("requests", "--checkpoint-seconds", "30").started() as server:
        # What cases can ask about.
        server.finished(server.post_job(few(20), {"epochs": 1, "early_stopping": None}).body["id"])
        server.key = server.post("/keys", {"name": "torture", "scopes": ["admin"]}).body["key"]
        # Doors close within a second or two of the first key.
        time.sleep(3)
        done = subprocess.run([program, RUN, "--url", f"http://127.0.0.1:{server.port}", "--key", server.key, "--seed", str(bench.seed),
                               "--cases", str(bench.count)], capture_output=True, text=True)
        try:
            told = json.loads(done.stdout)
        except ValueError:
            return bench.tally.fault("unexpected", f"schemathesis did not run: {done.stdout[-300:]} {done.stderr[-500:]}")
        bench.tally.points += told.get("cases", told.get("requests", 0))
        failures = told.get("failures") or {}
        for kind, example in failures.items() if isinstance(failures, dict) else enumerate(failures):
            first = {name: example.pop(name) for name in ("times", "status", "why", "answer") if name in example}
            words = f"seed {bench.seed}: {kind}: {json.dumps(first | example)[:2500]}"
            bench.tally.fault("server_errors" if "not_a_server_error" in str(kind) else "unexpected", words)
        bench.tally.check(done.returncode == 0 or bool(failures), "unexpected", f"schemathesis ended with {done.returncode}: {done.stderr[-500:]}")
        # Requests may have moved the alias and removed models; the base cannot be removed.
        bench.tally.check(server.alive() and server.get("/health/live").status == 200, "unexpected", f"the server does not live afterwards: {server.tail()}")
        bench.details |= {name: value for name, value in told.items() if name != "failures"}
        server.stop()
