"""A thousand clients that are slow on purpose, and one that is not."""

import json
import resource
import socket
import threading
import time

from .bench import Bench
from .server import Server

SECONDS = 40
KINDS = ("heads", "bodies", "uploads", "answers")


def slow(bench: Bench) -> None:
    """`count` connections of each kind, one kind after another."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for kind in KINDS:
        # What the other kind left behind is not to be held against this one.
        with bench.server(f"slow-{kind}").started() as server:
            crowd = Crowd(server, kind, bench.count)
            good, bad, times = normal_client(server, SECONDS, crowd)
            crowd.end()
            bench.tally.points += bench.count
            times.sort()
            p99 = times[int(len(times) * 0.99)] if times else None
            bench.details[kind] = {"connections": bench.count, "served": good, "not_served": bad, "p99_ms": p99,
                                   "open_in_the_end": crowd.open_in_the_end, "opened": crowd.opened}
            bench.tally.check(bad == 0 and good > 0, "unexpected", f"{kind}: a normal client was served {good} times and {bad} times not: {crowd.first_fault}")
            bench.tally.check(server.alive(), "unexpected", f"{kind}: the server ended")
            bench.tally.check(server.get("/health/live").status == 200, "stuck", f"{kind}: the server does not answer afterwards")
            bench.tally.replies(server, kind)
            server.stop()


def normal_client(server: Server, seconds: float, crowd) -> tuple:
    good, bad, times = 0, 0, []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            reply = server.post("/embed", {"texts": ["a nurse"], "model": "tiny"}, timeout=10)
            status = reply.status
            # Those who read no answer have asked for much first; for a moment that is too much work for anybody.
            if crowd.kind == "answers" and reply.body.get("code") == "overloaded" and begun < end - seconds + 5:
                time.sleep(1)
                continue
        except OSError as error:
            status = crowd.first_fault = crowd.first_fault or repr(error)
        if status == 200:
            good += 1
            times.append(round(1000 * (time.monotonic() - begun), 1))
        else:
            bad += 1
            crowd.first_fault = crowd.first_fault or status
        time.sleep(0.1)
    return good, bad, times


class Crowd:
    """Connections that send a byte every three seconds, or read nothing, and come again when they are closed."""

    def __init__(self, server: Server, kind: str, count: int):
        self.server, self.kind, self.count = server, kind, count
        self.first_fault, self.opened, self.open_in_the_end = None, 0, 0
        self.over = threading.Event()
        self.full = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.full.wait(20)

    def begin(self):
        connection = socket.socket()
        if self.kind == "answers":
            # The answer waits at the server, and not in buffers.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        try:
            connection.connect(("127.0.0.1", self.server.port))
        except BlockingIOError:
            pass
        self.opened += 1
        return connection

    def first_words(self) -> bytes:
        if self.kind == "heads":
            return b"POST /embed HTTP/1.1\r\nhost: localhost\r\nx-slow: "
        if self.kind == "answers":
            body = json.dumps({"texts": [f"text {place}" for place in range(512)], "model": "tiny"}).encode()
            return b"POST /embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        path, kind = (b"/embed", b"application/json") if self.kind == "bodies" else (b"/datasets", b"text/csv")
        return b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: %s\r\ncontent-length: 100000\r\n\r\n{" % (path, kind)

    def _run(self) -> None:
        waiting = {}
        open_ones = []
        next_byte = time.monotonic() + 3
        while not self.over.is_set():
            # Some at a time, as a crowd comes.
            for _ in range(min(50, self.count - len(open_ones))):
                connection = self.begin()
                waiting[connection] = self.first_words()
                open_ones.append(connection)
            if len(open_ones) >= self.count:
                self.full.set()
            for connection in list(waiting):
                try:
                    sent = connection.send(waiting[connection])
                    waiting[connection] = waiting[connection][sent:]
                    if not waiting[connection]:
                        del waiting[connection]
                except BlockingIOError:
                    pass
                except OSError:
                    self._close(connection, open_ones, waiting)
            if time.monotonic() >= next_byte:
                next_byte += 3
                for connection in list(open_ones):
                    if connection in waiting or self.kind == "answers":
                        continue
                    try:
                        connection.send(b"a")
                        if self._is_closed(connection):
                            self._close(connection, open_ones, waiting)
                    except BlockingIOError:
                        pass
                    except OSError:
                        self._close(connection, open_ones, waiting)
            time.sleep(0.02)
        self.open_in_the_end = len(open_ones)
        for connection in open_ones:
            connection.close()

    @staticmethod
    def _is_closed(connection) -> bool:
        try:
            return connection.recv(4096) == b""
        except BlockingIOError:
            return False

    @staticmethod
    def _close(connection, open_ones: list, waiting: dict) -> None:
        connection.close()
        waiting.pop(connection, None)
        open_ones.remove(connection)

    def end(self) -> None:
        self.over.set()
        self.thread.join()
