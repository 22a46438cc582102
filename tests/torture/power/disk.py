"""A disk that loses power: what was written and not synced may be there in part, or not at all.

Bytes of a file are safe when the file is synced; a name is safe when its folder is. Of the rest any part may have
reached the disk, in any order, torn between pages of 4 KiB. That is what POSIX promises, which is less than what
most file systems do.
"""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096


@dataclass
class Node:
    """A file or a folder, whatever its names are."""

    is_folder: bool
    safe: bytearray = field(default_factory=bytearray)
    # Writes since the last sync, in their order: (offset, bytes), or (size, None) where the length was set.
    waiting: list = field(default_factory=list)
    names: dict = field(default_factory=dict)  # as programs see them
    safe_names: dict = field(default_factory=dict)
    stands: int = 0

    def bytes(self) -> bytearray:
        return written(self.safe, self.waiting)


def written(safe, writes) -> bytearray:
    """The bytes of a file after some writes."""
    content = bytearray(safe)
    for offset, data in writes:
        if data is None:
            content = content[:offset] + bytes(max(0, offset - len(content)))
            continue
        if len(content) < offset:
            content += bytes(offset - len(content))
        content[offset:offset + len(data)] = data
    return content


class Disk:
    """A folder on such a disk."""

    def __init__(self, folder: Path):
        self.nodes, self.waiting = [], []  # names since the last sync of their folder, in their order
        self.root = self._read(folder)

    def _read(self, path: Path) -> int:
        if path.is_dir():
            node = Node(True)
            node.names = {name: self._read(path / name) for name in os.listdir(path)}
            node.safe_names = dict(node.names)
        else:
            node = Node(False, bytearray(path.read_bytes()))
        self.nodes.append(node)
        return len(self.nodes) - 1

    def find(self, path: str):
        """The number of what has this name now; none where nothing has."""
        found = self.root
        for name in path.split("/"):
            if name not in (".", ""):
                found = self.nodes[found].names.get(name) if found is not None else None
        return found

    def _place(self, path: str):
        folder, _, name = path.rpartition("/")
        return self.find(folder or "."), name

    def _name(self, path: str, node) -> None:
        """Gives a name to a node, or takes it."""
        folder, name = self._place(path)
        if folder is None:
            return
        self._names(self.nodes[folder].names, name, node)
        self.waiting.append([(folder, name, node)])

    @staticmethod
    def _names(names: dict, name: str, node) -> None:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node

    def do(self, step) -> None:
        if step.path.endswith("-shm"):
            return  # memory of SQLite's connections, made anew
        node = self.find(step.path)
        if step.kind in ("create", "mkdir"):
            if node is None and self._place(step.path)[0] is not None:
                self.nodes.append(Node(step.kind == "mkdir"))
                self._name(step.path, len(self.nodes) - 1)
        elif step.kind == "remove":
            if node is not None:
                self._name(step.path, None)
        elif step.kind == "link":
            self._name(step.to, node)
        elif step.kind == "move":
            if node is not None:
                (old, old_name), (new, new_name) = self._place(step.path), self._place(step.to)
                self.nodes[old].names.pop(old_name)
                self.nodes[new].names[new_name] = node
                # File systems do both or neither.
                self.waiting.append([(old, old_name, None), (new, new_name, node)])
        elif step.kind == "sync" and node is not None:
            self._sync(node)
        elif step.kind == "copy":
            target = self.nodes[self.find(step.to)]
            source = self.find(step.path)
            data = self.nodes[source].bytes()[target.stands:target.stands + step.size] if source is not None else b""
            target.waiting.append((target.stands, bytes(data)))
            target.stands += step.size
        elif node is not None:
            self._write(self.nodes[node], step)

    def _write(self, node: Node, step) -> None:
        if step.kind == "truncate":
            node.waiting.append((step.size, None))
        elif step.kind == "extend":
            if step.size > len(node.bytes()):
                node.waiting.append((step.size, None))
        elif step.kind == "stand":
            node.stands = len(node.bytes()) if step.size < 0 else step.size
        elif step.kind == "write":
            offset = node.stands if step.offset < 0 else step.offset
            node.waiting.append((offset, step.data))
            if step.offset < 0:
                node.stands = offset + len(step.data)

    def _sync(self, number: int) -> None:
        node = self.nodes[number]
        if not node.is_folder:
            node.safe, node.waiting = node.bytes(), []
            return
        still = []
        for change in self.waiting:
            if any(folder == number for folder, _, _ in change):
                for folder, name, what in change:
                    self._names(self.nodes[folder].safe_names, name, what)
            else:
                still.append(change)
        self.waiting = still

    def after_a_cut(self, chance: random.Random) -> dict:
        """What is found when the power is back: bytes by path, `None` for a folder."""
        names = {number: dict(node.safe_names) for number, node in enumerate(self.nodes) if node.is_folder}
        for change in part(self.waiting, chance):
            for folder, name, what in change:
                self._names(names[folder], name, what)
        found, walked = {}, set()

        def walk(number: int, path: str) -> None:
            if number in walked and self.nodes[number].is_folder:
                return
            walked.add(number)
            node = self.nodes[number]
            if node.is_folder:
                found[path] = None
                for name, what in names[number].items():
                    walk(what, f"{path}/{name}" if path else name)
            else:
                found[path] = bytes(torn(node, chance))
        walk(self.root, "")
        return found


def part(waiting: list, chance: random.Random) -> list:
    """Nothing, all, the first few, or any of what waits."""
    how = chance.randrange(4)
    if how == 2:
        return waiting[:chance.randint(0, len(waiting))]
    if how == 3:
        return [change for change in waiting if chance.random() < 0.5]
    return waiting if how else []


def torn(node: Node, chance: random.Random) -> bytearray:
    """A file's bytes after a cut: each page that waits for the disk may have reached it."""
    if not node.waiting:
        return node.safe
    how = chance.randrange(5)
    if how < 2:
        return node.bytes() if how else node.safe
    if how == 2:
        writes = node.waiting[:chance.randint(0, len(node.waiting))]
        if writes and writes[-1][1]:
            offset, data = writes[-1]
            writes = [*writes[:-1], (offset, data[:len(data) // PAGE * PAGE // 2])]
        return written(node.safe, writes)
    if how == 3:
        # The length is there, the bytes are not: what a journal of names alone leaves.
        size = len(node.bytes())
        return bytearray(node.safe[:size]) + bytes(max(0, size - len(node.safe)))
    pages = []
    for offset, data in node.waiting:
        if data is None:
            pages.append((offset, None))
            continue
        start = 0
        while start < len(data):
            end = min(len(data), start + PAGE - (offset + start) % PAGE)
            pages.append((offset + start, data[start:end]))
            start = end
    return written(node.safe, [page for page in pages if chance.random() < 0.5])


def put(found: dict, folder: Path) -> None:
    """Writes what was found into a new folder."""
    for path, content in sorted(found.items()):
        target = folder / path
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.write_bytes(content)
