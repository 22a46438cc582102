"""Power cuts while checkpoints, models and backups are written: `count` of them, and two mutants that have to be caught."""

import random
import shutil

from .. import points
from ..bench import Bench
from . import check, trace
from .disk import Disk, put
from .record import Recording, record

# Cuts that one seed makes.
OF_A_SEED = 20
# Of the cuts of the real program, so many are also made of each mutant.
MUTANTS = 0.5


def power(bench: Bench, real: int = 0) -> None:
    """`real`: folders that mean different things, of which the real program is asked; 0 for all."""
    reason = points.missing()
    if reason:
        bench.details["skipped"] = reason
        return
    recording = record(bench)
    bench.details |= {"steps": len(recording.steps), "syncs": sum(step.kind == "sync" for step in recording.steps),
                      "skipped_parts": recording.skipped}
    faults = cut(bench, recording, recording.steps, bench.count, "real", real)
    bench.tally.points += bench.count
    for words, seeds in sorted(faults.items(), key=lambda item: -len(item[1])):
        bench.tally.fault("lost" if "lost" in words or "acknowledged" in words or "row" in words else "unexpected",
                          f"{words} ({len(seeds)} cuts, as seed {min(seeds)})", len(seeds))
    for name, mutate in [("without_syncs", trace.without_syncs), ("in_place", trace.in_place)]:
        of = max(OF_A_SEED, int(bench.count * MUTANTS)) // OF_A_SEED * OF_A_SEED
        faults = cut(bench, recording, mutate(recording.steps), of, name, None)
        caught = set().union(*faults.values()) if faults else set()
        seeds = {number // OF_A_SEED for number in caught}
        share = len(seeds) / (of // OF_A_SEED)
        bench.details[name] = {"cuts": of, "caught_cuts": len(caught), "seeds": of // OF_A_SEED, "caught_seeds": len(seeds),
                               "how": {words: len(cuts) for words, cuts in faults.items()}}
        if share < 0.95:
            bench.tally.fault("unexpected", f"the mutant {name} was caught for {share:.0%} of the seeds only")


def cut(bench: Bench, recording: Recording, steps: list, count: int, name: str, real) -> dict:
    """Cuts the power `count` times; the numbers of cuts by what was wrong after them."""
    faults, views = {}, {}
    chances = [random.Random(f"{bench.seed} {name} {number}") for number in range(count)]
    last = max([when for when, _, _ in recording.said] + [step.at for step in steps])
    # Cuts in the order of their steps, so that the disk runs once. The last place is after everything.
    places = sorted((chance.randint(1, len(steps)), number) for number, chance in enumerate(chances))
    disk, done, asked = Disk(recording.before), 0, 0
    for turn, (place, number) in enumerate(places):
        for step in steps[done:place]:
            disk.do(step)
        done = place
        at = steps[place - 1].at if place < len(steps) else last
        folder = bench.folder / "cut"
        found = disk.after_a_cut(chances[number])
        put(found, folder)
        wrong, view = check.by_its_files(recording, folder, found, at)
        known = (view, len(check.said_before(recording, at)))
        if real is not None and known not in views and (real == 0 or asked < real * (turn + 1) / count):
            asked += 1
            # The database was opened to be read; the program gets what the cut left.
            shutil.rmtree(folder)
            put(found, folder)
            views[known] = check.by_the_program(bench, recording, folder, at)
        for words in {*wrong, *views.get(known, [])}:
            faults.setdefault(words, set()).add(number)
        shutil.rmtree(folder)
    if real is not None:
        bench.details |= {"different_folders": len(views), "asked_of_the_program": asked}
    return faults
