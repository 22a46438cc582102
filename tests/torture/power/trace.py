"""What programs did to a folder, out of strace's words: creations, writes with their bytes, syncs, renames, in their order."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

CALLS = ("openat,open,creat,write,writev,pwrite64,pwritev,pwritev2,lseek,fsync,fdatasync,sync_file_range,rename,renameat,"
         "renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,ftruncate,truncate,fallocate,"
         "copy_file_range,sendfile,splice")
STRACE = ["strace", "-f", "-ttt", "-y", "-xx", "-qq", "-s", "100000000", "-e", f"trace={CALLS}", "-e", "signal=none"]

LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")
CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)(.*)$", re.S)


@dataclass(frozen=True)
class Step:
    """A call that changed something. Paths are relative to the folder that was watched."""

    kind: str  # mkdir, create, truncate, write, sync, move, remove
    path: str
    at: float = 0.0
    to: str = ""
    offset: int = -1  # of a write; -1 where the file stands
    data: bytes = b""
    size: int = 0


def steps(trace: Path, root: Path) -> list:
    """The steps below `root`, in the order in which the calls ended."""
    known, unfinished = [], {}
    for line in trace.read_text(errors="replace").splitlines():
        parsed = LINE.match(line)
        if not parsed:
            continue
        thread, at, said = parsed.groups()
        if said.endswith("<unfinished ...>"):
            unfinished[thread] = said[:-len("<unfinished ...>")].rstrip()
            continue
        if said.startswith("<... "):
            rest = said.split(" resumed>", 1)[1]
            said = unfinished.pop(thread, "") + rest
        call = CALL.match(said)
        if call and call[3] != "?" and int(call[3]) >= 0:
            known += one(call[1], call[2], int(call[3]), call[4], float(at), str(root))
    return known


def one(name: str, arguments: str, result: int, after: str, at: float, root: str) -> list:
    """The steps of one call."""
    words = split(arguments)
    inside = lambda path: os.path.relpath(path, root) if path == root or path.startswith(root + "/") else None
    file_of = lambda word: inside(unhex(word[word.index("<") + 1:word.rindex(">")])) if "<" in word else None
    named = lambda at, word: inside(os.path.normpath(os.path.join(
        unhex(at[at.index("<") + 1:at.rindex(">")]) if "<" in at else "/", text(word).decode(errors="replace"))))
    here = "AT_FDCWD</>"
    if name in ("openat", "open", "creat"):
        flags = words[2] if name == "openat" else words[1] if name == "open" else "O_CREAT|O_TRUNC"
        path = inside(unhex(after[after.index("<") + 1:after.rindex(">")])) if "<" in after else None
        made = [Step("create", path, at)] * ("O_CREAT" in flags) + [Step("truncate", path, at)] * ("O_TRUNC" in flags)
        if "O_WRONLY" in flags or "O_RDWR" in flags or name == "creat":
            made.append(Step("stand", path, at, size=-1 if "O_APPEND" in flags else 0))
        return made if path is not None else []
    if name in ("write", "writev", "pwrite64", "pwritev", "pwritev2"):
        path = file_of(words[0])
        if path is None:
            return []
        data = text(words[1]) if name in ("write", "pwrite64") else b"".join(
            text(part) for part in re.findall(r'iov_base="((?:\\x[0-9a-f]{2})*)"', words[1]) for part in [f'"{part}"'])
        offset = -1 if name in ("write", "writev") else int(words[3])
        return [Step("write", path, at, offset=offset, data=data[:result])]
    if name == "lseek":
        return [Step("stand", file_of(words[0]), at, size=result)] if file_of(words[0]) is not None else []
    if name in ("fsync", "fdatasync"):
        return [Step("sync", file_of(words[0]), at)] if file_of(words[0]) is not None else []
    if name in ("rename", "renameat", "renameat2", "link", "linkat"):
        pairs = (here, words[0], here, words[1]) if name in ("rename", "link") else words[:4]
        old, new = named(pairs[0], pairs[1]), named(pairs[2], pairs[3])
        if old is None and new is None:
            return []
        if old is None or new is None:
            raise ValueError(f"{name} crosses the border of what is watched: {arguments[:200]}")
        return [Step("link" if name.startswith("link") else "move", old, at, to=new)]
    if name in ("mkdir", "mkdirat"):
        path = named(here, words[0]) if name == "mkdir" else named(words[0], words[1])
        return [Step("mkdir", path, at)] if path is not None else []
    if name in ("unlink", "rmdir", "unlinkat"):
        path = named(words[0], words[1]) if name == "unlinkat" else named(here, words[0])
        return [Step("remove", path, at)] if path is not None else []
    if name in ("ftruncate", "truncate"):
        path = file_of(words[0]) if name == "ftruncate" else named(here, words[0])
        return [Step("truncate", path, at, size=int(words[1]))] if path is not None else []
    if name == "fallocate":
        path = file_of(words[0])
        return [Step("extend", path, at, size=int(words[2]) + int(words[3]))] if path is not None else []
    if name in ("copy_file_range", "sendfile", "splice"):
        path = file_of(words[2] if name != "sendfile" else words[0])
        # Their bytes are in no trace: they are the source's, which the simulator holds where it is below the root.
        source = file_of(words[0] if name != "sendfile" else words[1])
        return [Step("copy", source or "", at, to=path, size=result)] if path is not None and result else []
    return []


def split(arguments: str) -> list:
    """A call's arguments. Neither hex strings nor paths in hex hold a comma."""
    words, depth, start = [], 0, 0
    for place, letter in enumerate(arguments):
        depth += letter in "[{"
        depth -= letter in "]}"
        if letter == "," and depth == 0:
            words.append(arguments[start:place].strip())
            start = place + 1
    return [*words, arguments[start:].strip()]


def unhex(word: str) -> str:
    return bytes.fromhex(word.replace("\\x", "")).decode(errors="replace") if word.startswith("\\x") else word


def text(word: str) -> bytes:
    return bytes.fromhex(word.strip('"').replace("\\x", ""))


def without_syncs(all_steps: list) -> list:
    """A mutant: nothing but the database sees to it that its bytes reach the disk."""
    return [step for step in all_steps if step.kind != "sync" or "shamisen.db" in step.path or step.path in (".", "data")]


def in_place(all_steps: list) -> list:
    """A mutant: what was written under another name and renamed is written under its own name."""
    made = list(all_steps)
    for place in reversed(range(len(made))):
        move = made[place]
        if move.kind != "move" or "shamisen.db" in move.path:
            continue
        under = lambda path: move.to + path[len(move.path):] if path == move.path or path.startswith(move.path + "/") else path
        for before in range(place):
            step = made[before]
            if step.kind == "move" and step.to and under(step.to) != step.to:
                made[before] = replace(step, to=under(step.to))
            elif step.kind != "move" and under(step.path) != step.path:
                made[before] = replace(step, path=under(step.path))
        made[place] = replace(move, kind="nothing")
    return made
