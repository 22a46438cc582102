"""A server as users run it: the real binary on a free port, over a data folder of its own."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OVER = ("succeeded", "failed", "cancelled")


class Reply:
    """A reply, read whole."""

    def __init__(self, status: int, headers: dict, raw: bytes):
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def body(self):
        try:
            return json.loads(self.raw)
        except ValueError:
            return {}


class Client:
    """Asks a server, a connection a request, and keeps what must not be answered."""

    def __init__(self, port: int):
        self.port, self.key = port, ""
        # Replies that say that the server does not know what went wrong, or do not say when to come again.
        self.server_errors: list = []
        self.no_retry_after: list = []

    def request(self, method: str, path: str, body: bytes = b"", headers=None, timeout: float = 60) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            authorization = {"authorization": f"Bearer {self.key}"} if self.key else {}
            connection.request(method, path, body or None, {**authorization, **(headers or {})})
            answer = connection.getresponse()
            reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(repr(error)) from error
        finally:
            connection.close()
        self.judge(method, path, reply)
        return reply

    def judge(self, method: str, path: str, reply: Reply) -> None:
        words = {name: value for name, value in reply.body.items() if name in ("code", "detail", "error")}
        said = f"{method} {path.split('?')[0]}: {reply.status} {words}"
        if reply.status >= 500 and reply.status not in (503, 507):
            self.server_errors.append(said)
        elif reply.status >= 500 and "retry-after" not in reply.headers:
            self.no_retry_after.append(said)

    def get(self, path: str, timeout: float = 60) -> Reply:
        return self.request("GET", path, timeout=timeout)

    def post(self, path: str, value, timeout: float = 60) -> Reply:
        return self.request("POST", path, json.dumps(value).encode(), {"content-type": "application/json"}, timeout)

    def post_csv(self, path: str, table: bytes, timeout: float = 60) -> Reply:
        return self.request("POST", path, table, {"content-type": "text/csv"}, timeout)

    def post_job(self, table: bytes, config: dict, key: str = "", timeout: float = 60, **fields) -> Reply:
        boundary = uuid.uuid4().hex
        parts = {"recipe": "tutorial", "config": json.dumps(config), **fields}
        body = b"".join(f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
                        for name, value in parts.items())
        body += (f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="pairs.csv"\r\n'
                 "content-type: text/csv\r\n\r\n").encode() + table + f"\r\n--{boundary}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        if key:
            headers["idempotency-key"] = key
        return self.request("POST", "/jobs", body, headers, timeout)

    def wait_for(self, path: str, is_so, seconds: float = 60):
        """The body of a resource as soon as it is what is waited for, or as it is in the end."""
        end, body = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                body = self.get(path, timeout=10).body
                if is_so(body):
                    return body
            except OSError:
                pass
            time.sleep(0.05)
        return body

    def finished(self, job: str, seconds: float = 90) -> dict:
        return self.wait_for(f"/jobs/{job}", lambda body: body.get("status") in OVER, seconds) or {}

    def events(self, job: str) -> list:
        return self.get(f"/jobs/{job}/events?limit=1000").body.get("events", [])

    def fingerprint(self, model: str) -> str:
        return self.get(f"/models/{model}").body.get("fingerprint", "")

    def vector(self, model: str, text: str = "a nurse", timeout: float = 60):
        reply = self.post("/embed", {"texts": [text], "model": model}, timeout)
        return reply.status, reply.raw, reply.headers.get("x-model-fingerprint", "")


class Server(Client):
    """The process. `command` stands before the program and may trace it."""

    def __init__(self, binary: Path, data: Path, *arguments: str, command=(), env=None, log=None):
        super().__init__(0)
        self.binary, self.data, self.arguments = binary, data, arguments
        self.command, self.env, self.log = list(command), env or {}, log or data.parent / "server.log"
        self.process = None
        self.listening, self.ready = threading.Event(), threading.Event()

    def start(self) -> "Server":
        """Starts it and does not wait."""
        self.listening.clear()
        self.ready.clear()
        environment = {**os.environ, "SHAMISEN_LOG": "info", "SHAMISEN_STOP_WAIT": "0", **self.env}
        environment.pop("SHAMISEN_STS", None)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.command, self.binary, "serve", "--port", "0", "--data", self.data, *self.arguments],
                stdout=subprocess.PIPE, stderr=log, env=environment, start_new_session=True)
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        return self

    def _listen(self, process) -> None:
        for line in process.stdout:
            if process is not self.process:
                return
            if b"listens on http://" in line:
                self.port = int(line.split(b"listens on http://")[1].split(b"/")[0].rsplit(b":", 1)[1])
                self.listening.set()
            if b"is ready" in line:
                self.ready.set()

    def up(self, seconds: float = 60) -> bool:
        """Whether it is ready within the time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ready.wait(0.02):
                return True
            if self.process.poll() is not None:
                return False
        return False

    def started(self, seconds: float = 60) -> "Server":
        if not self.start().up(seconds):
            self.kill()
            raise RuntimeError(f"the server did not become ready; its log is {self.log}:\n" + self.tail())
        return self

    def tail(self, most: int = 1500) -> str:
        return self.log.read_bytes()[-most:].decode(errors="replace") if self.log.exists() else ""

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The server's own, also where a tracer stands before it."""
        if not self.command:
            return self.process.pid
        return next((pid for pid in processes(f"serve\0--port\0000\0--data\0{self.data}\0")
                     if b"strace" not in command_line(pid).split(b"\0")[0]), self.process.pid)

    def kill(self) -> None:
        """Ends it as the kernel would. Its trainers end by themselves."""
        self.ready.clear()
        self.listening.clear()
        if self.process is not None:
            if self.alive():
                with_group(self.process.pid, signal.SIGKILL)
            self.process.wait()
            for trainer in self.trainers():
                end_process(trainer)

    def stop(self, seconds: float = 60) -> int:
        self.ready.clear()
        os.kill(self.pid, signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def trainers(self) -> list:
        return processes(f"{self.data}/runs/")

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        self.kill()


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def processes(words: str) -> list:
    """Ids of processes whose command line holds the words; of this user's torture alone, since folders are its own."""
    found = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return sorted(pid for pid in found if words.encode() in command_line(pid) and pid != os.getpid())


def end_process(pid: int, how: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass


def with_group(pid: int, how: int) -> None:
    try:
        os.killpg(pid, how)
    except (ProcessLookupError, PermissionError):
        end_process(pid, how)


def few(rows: int) -> bytes:
    """The first of the example pairs."""
    lines = (ROOT / "examples/occupations.csv").read_text().splitlines()[:rows + 1]
    return ("\n".join(lines) + "\n").encode()
