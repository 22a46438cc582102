#!/usr/bin/env python3
"""Takes the pictures of README out of a running server: docs/job.png and, in Japanese, docs/ja/job.png.

Needs a server (`make serve` in another terminal) and Chromium (`apt-get install chromium`, or CHROMIUM=its path); of Python
nothing but the standard library. A job named occupations that is done is shown; where there is none, README's is started and
waited for. Chromium is steered through a pipe, so that each step waits for what it needs.
"""

import argparse
import base64
import fcntl
import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "occupations.csv"
PICTURES = {"en": ROOT / "docs" / "job.png", "ja": ROOT / "docs" / "ja" / "job.png"}
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
WIDTH = 1060
MOST_BYTES = 250_000

# What the picture shows of a job's page; the sections between are on the page itself.
SHOWN = ["header.head", "section.verdict", "section.block:has(table.heat)"]

READY = """new Promise((done) => {
  const shown = %s;
  const look = () => {
    const all = shown.map((what) => document.querySelector(`.job ${what}`));
    if (all.some((element) => !element?.checkVisibility()) || document.querySelectorAll(".job table.heat tbody tr").length < 2) return;
    watch.disconnect();
    for (const part of document.querySelectorAll(".job > *, .job > div > section")) {
      part.style.display = all.some((element) => element === part || part.contains(element)) ? "" : "none";
    }
    document.fonts.ready.then(() => requestAnimationFrame(() => {
      const bottom = Math.max(...all.map((element) => element.getBoundingClientRect().bottom));
      done(Math.ceil(bottom + window.scrollY + 24));
    }));
  };
  const watch = new MutationObserver(look);
  watch.observe(document, { childList: true, subtree: true, attributes: true });
  look();
})""" % json.dumps(SHOWN)


def stop(what, remedy):
    sys.exit(f"screenshot: {what}\n  what to do: {remedy}")


def call(url, body=None, kind="application/json"):
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind} if body is not None else {})
    try:
        with urllib.request.urlopen(request, timeout=90) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        stop(f"the server refused: {error.read().decode()}", "read what it says")
    except urllib.error.URLError as error:
        stop(f"no server answers at {url} ({error.reason}).", "start one with `make serve` in another terminal")


def form(fields, file):
    """A form with a file, as curl's -F makes it."""
    mark = uuid.uuid4().hex
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
             for name, value in fields.items()]
    parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'.encode())
    parts += [file.read_bytes(), f"\r\n--{mark}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={mark}"


def finished_job(server):
    """The newest job of README's walk, or a new one, once it is over."""
    jobs = call(f"{server}/jobs?status=succeeded")["jobs"]
    job = next((job for job in jobs if job["name"] == "occupations"), None)
    if job is None:
        job = call(f"{server}/jobs", *form({"name": "occupations", "config": '{"epochs": 5}'}, EXAMPLE))
        print(f"{job['id']} tunes {job['base_model']}")
    while not job["is_terminal"]:
        job = call(f"{server}/jobs/{job['id']}?wait=30")
    if job["status"] != "succeeded":
        stop(f"the job is {job['status']}.", f"look at {server}/#/jobs/{job['id']}")
    return job["id"]


class Browser:
    """Chromium without a window, steered by its DevTools protocol over a pipe: JSON with a zero byte behind."""

    def __init__(self, program, profile):
        # Above 9, so that putting them where Chromium looks (3 and 4) overwrites neither.
        high = lambda fd: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        theirs = [(high(theirs_in), 3), (high(theirs_out), 4)]
        self.out, self.into, self.rest, self.id = os.fdopen(high(ours_out), "wb"), high(ours_in), b"", 0
        for fd in (theirs_in, ours_out, ours_in, theirs_out):
            os.close(fd)
        arguments = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars",
                     "--force-color-profile=srgb", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        actions = [(os.POSIX_SPAWN_DUP2, fd, at) for fd, at in theirs]
        actions.append((os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0))
        self.pid = os.posix_spawn(program, arguments, os.environ, file_actions=actions)
        for fd, _ in theirs:
            os.close(fd)
        self.session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def ask(self, method, **params):
        """A command's result."""
        self.id += 1
        message = {"id": self.id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.out.write(json.dumps(message).encode() + b"\0")
        self.out.flush()
        while True:
            reply = self.next()
            if reply.get("id") == self.id:
                if "error" in reply:
                    stop(f"Chromium refused {method}: {reply['error']['message']}", "try a newer Chromium")
                return reply["result"]

    def next(self):
        while b"\0" not in self.rest:
            some = os.read(self.into, 1 << 16)
            if not some:
                stop("Chromium ended.", "start it by hand, as `chromium --headless=new --no-sandbox`, and read what it says")
            self.rest += some
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def evaluate(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, timeout=60_000)
        if "exceptionDetails" in result:
            stop(f"the page: {result['exceptionDetails']}", "the page's parts have other names now: see SHOWN in this script")
        return result["result"].get("value")

    def close(self):
        self.session = None
        self.ask("Browser.close")
        os.waitpid(self.pid, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    server = parser.parse_args().server.rstrip("/")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        stop("Chromium is missing.", "on Debian or Ubuntu: apt-get install chromium; or set CHROMIUM to its path")
    job = finished_job(server)
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, profile)
        browser.ask("Page.enable")
        browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"},
                                                            {"name": "prefers-reduced-motion", "value": "reduce"}])
        for language, file in PICTURES.items():
            browser.ask("Emulation.setDeviceMetricsOverride", width=WIDTH, height=1400, deviceScaleFactor=1, mobile=False)
            choose = f'localStorage.setItem("shamisen.language", "{language}")'
            added = browser.ask("Page.addScriptToEvaluateOnNewDocument", source=choose)["identifier"]
            # Another query each time, so that the page is loaded anew and not only its fragment changed.
            browser.ask("Page.navigate", url=f"{server}/?{language}#/jobs/{job}")
            height = browser.evaluate(READY)
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
            picture = browser.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
            browser.ask("Page.removeScriptToEvaluateOnNewDocument", identifier=added)
            data = base64.b64decode(picture["data"])
            if len(data) > MOST_BYTES:
                stop(f"the picture has {len(data)} bytes, and {MOST_BYTES} are allowed.", "show less of the page")
            file.write_bytes(data)
            print(f"{file.relative_to(ROOT)}: {WIDTH} x {height}, {len(data)} bytes")
        browser.close()


if __name__ == "__main__":
    main()
