"""From commit to item: how long after its commit at the source a change stands in a local target, or
wherever else it is watched for.

The source is what `connect` makes of it: called in the writer's process, it returns a function that
commits one update, of the number and the row it is given. `watch` runs in a process of its own: it
sets `ready`, and puts into `results` when it first saw each number.

A writer process commits single-row updates at an even rate, each with a number of its own in the
row, and remembers when each commit returned. Both read CLOCK_MONOTONIC, which is one for the
machine.
"""

import functools
import json
import multiprocessing
import sqlite3
import time

LOOK_EVERY = 0.0003


FIRST_NUMBER = 1_000_000  # above what the rows held before


def sqlite_account(path):
    """A `connect` for a source that stage.make_source made; items show the number as `version`."""

    def connect():
        database = sqlite3.connect(path, isolation_level=None, timeout=30)
        database.execute("PRAGMA synchronous = NORMAL")
        return lambda number, row: database.execute("UPDATE Account SET version = ? WHERE id = ?",
                                                    (number, row))

    return connect


def writer(connect, rows, rate, changes, results):
    update = connect()
    committed = []
    start = time.monotonic()
    for number in range(changes):
        due = start + number / rate
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        update(FIRST_NUMBER + number, 1 + number % rows)
        committed.append(time.monotonic())
    results.put((committed, changes / (time.monotonic() - start)))


def local_target(path, attribute):
    """A `watch` for the items of a local target, whose `attribute` is the number. It looks every
    0.3 ms, so that much is the figure's grain."""
    return functools.partial(_watch_items, path, attribute)


def _watch_items(path, attribute, changes, ready, results):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=30)
    seen = [None] * changes
    offset = database.execute('SELECT max("offset") FROM items').fetchone()[0]
    version = None
    missing = changes
    ready.set()
    deadline = time.monotonic() + 600
    while missing and time.monotonic() < deadline:
        now_version = database.execute("PRAGMA data_version").fetchone()[0]
        if now_version == version:
            time.sleep(LOOK_EVERY)
            continue
        version = now_version
        found = database.execute('SELECT item, "offset" FROM items WHERE "offset" > ?',
                                 (offset,)).fetchall()
        now = time.monotonic()
        for item, at in found:
            offset = max(offset, at)
            number = int(json.loads(item)[attribute]["N"]) - FIRST_NUMBER
            if number >= 0 and seen[number] is None:
                seen[number] = now
                missing -= 1
            if number == changes - 1:
                missing = 0  # the last change is there: what was not seen was overtaken
    results.put(seen)


def measure(connect, watch, rows, rate, changes):
    """Milliseconds from commit to where it is watched for, sorted; how many changes were not seen,
    as a newer one of the same row overtook them; and the rate that the writer reached."""
    context = multiprocessing.get_context("fork")
    written, read = context.Queue(), context.Queue()
    ready = context.Event()
    watching = context.Process(target=watch, args=(changes, ready, read))
    watching.start()
    ready.wait(30)
    writing = context.Process(target=writer, args=(connect, rows, rate, changes, written))
    writing.start()
    committed, reached = written.get()
    seen = read.get()
    writing.join()
    watching.join()
    took = sorted((at - done) * 1000 for done, at in zip(committed, seen) if at is not None)
    if not took:
        raise SystemExit("no change arrived")
    return took, changes - len(took), reached


def percentile(ordered, percent):
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
