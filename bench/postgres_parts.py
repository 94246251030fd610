"""PostgreSQL as a source, measured: capture beside the walsender's own ceiling, a snapshot beside
COPY, the time from commit to item, and memory where it is most in danger."""

import contextlib
import json
import shutil
import sqlite3
import sys
import time

import latency
import postgres_server
import stage

MEMORY_GOAL = 256
AGENT_TRANSACTION = 1 << 30  # bytes; the agent folds it as well, which takes twice the disk
WRITERS, WRITERS_SECONDS = 16, 30
# Rows of some 500 bytes as text.
LARGE_ROW_BYTES = 500
LARGE_INSERT = """
INSERT INTO accounts SELECT a.id, a.owner, a.email, a.status, a.balance, a.updated_at,
  a.note || a.note || a.note || a.note || left(a.note, 26)
  FROM generate_series(%s::bigint, %s::bigint) AS i, LATERAL account(i) AS a
"""


def server(bench, rows):
    """A server for the block; None, and said so, if there can be none."""
    reason = postgres_server.missing()
    if not reason:
        return postgres_server.Server(rows)
    print(f"\n!! {reason}: nothing of this part is measured\n", file=sys.stderr)
    return contextlib.nullcontext()


def capture(bench):
    """Stream and snapshot, by capture alone: no replica, no documents."""
    rows, changes, folder = bench.size("pg_rows"), bench.size("pg_changes"), bench.folder()
    with server(bench, rows) as database:
        if database:
            _snapshot(bench, database, rows, folder)
            _stream(bench, database, changes, folder)


def _snapshot(bench, database, rows, folder):
    copies = [database.client("psql", "-X", "-q", "-d", postgres_server.DATABASE,
                              "-c", r"\copy accounts to /dev/null") for _ in range(3)]
    copy = rows / min(run.seconds for run in copies)
    read = _read_table(database, "snapshot", folder)
    rate = read["rows"] / read["seconds"]
    bench.add("PostgreSQL: COPY to /dev/null, best of 3", copy, "rows/s")
    bench.add("PostgreSQL: snapshot into the embedded log", rate, "rows/s")
    bench.add("  snapshot / COPY", rate / copy, "times", 0.4, digits=2)
    bench.add("  agent's CPU", read["cpu"] / rows * 1e6, "s per million rows", digits=2)
    bench.add("  highest memory", read["memory"], "MiB")


def _stream(bench, database, changes, folder):
    """By TCP and by a Unix socket: the walsender's cost differs. What nobody confirms can be read
    again, what pg_recvlogical and the embedded log have had can't."""
    napping = postgres_server.NappingReader(folder)
    ways = {"TCP": ("tcp", "127.0.0.1", database.url),
            "Unix socket": ("socket", database.socket, database.socket_url)}
    database.make_slot("napping")
    for short, _, _ in ways.values():
        database.make_slot(f"plain_{short}")
        _read_table(database, f"logged_{short}", folder)
    _read_table(database, "dropped", folder)
    until = database.change(changes)
    million = 1e6 / changes

    ceiling = 0
    for way, (short, host, _) in ways.items():
        slot = f"plain_{short}"
        with database.walsenders() as senders:
            plain = postgres_server.read_by_pg_recvlogical(database, slot, until, host)
        rates = [changes / plain.seconds]
        bench.add(f"PostgreSQL: pg_recvlogical to /dev/null, {way}", rates[0], "changes/s")
        bench.add("  walsender's CPU", senders.cpu() * million, "s per million changes", digits=2)
        bench.add("  reader's CPU", plain.cpu * million, "s per million changes", digits=2)
        if napping.program:
            counted = napping.read(database, "napping", changes, way, host)
            rates.append(counted["changes/s"])
            bench.add(f"PostgreSQL: the napping reader, {way}", rates[1], "changes/s")
            bench.add("  walsender's CPU", counted["walsender_cpu"] * million,
                      "s per million changes", digits=2)
            bench.add("  reader's CPU", counted["client_cpu"] * million, "s per million changes",
                      digits=2)
        ceiling = max(ceiling, *rates)

    for way, (short, _, url) in ways.items():
        for slot, what, log, ratio in (("dropped", "stream-null", "a null log", 0.85),
                                       (f"logged_{short}", "stream", "the embedded log", 0.6)):
            with database.walsenders() as senders:
                read = _capture(database, slot, folder, what, changes, url=url)
            _expect("changes", read["changes"], changes)
            rate = read["changes"] / read["seconds"]
            bench.add(f"PostgreSQL: stream into {log}, {way}", rate, "changes/s")
            bench.add("  stream / the highest ceiling", rate / ceiling, "times", ratio, digits=2)
            bench.add("  agent's CPU", read["cpu"] * million, "s per million changes",
                      5 if what == "stream" else None, False, digits=2)
            bench.add("  of it the busiest thread's", read["busiest"] * million, "s", digits=2)
            bench.add("  walsender's CPU", senders.cpu() * million, "s per million changes",
                      digits=2)
            bench.add("  highest memory", read["memory"], "MiB")


def _read_table(database, slot, folder):
    """Makes a slot and reads the whole table, so that a stream can follow."""
    database.make_slot(slot)
    read = _capture(database, slot, folder, "snapshot")
    _expect("rows", read["rows"], database.value("SELECT count(*) FROM accounts"))
    return read


def _capture(database, slot, folder, *what, url=None):
    """What bench_postgres_capture says of one run, with what can only be seen from outside."""
    done = stage.watched(stage.BUILD / "bench_postgres_capture", url or database.url, slot, slot,
                         postgres_server.TABLE, folder / f"{slot}.db", *what)
    return json.loads(done.output) | {"memory": done.memory, "busiest": done.busiest}


def _expect(what, measured, made):
    if measured != made:
        raise SystemExit(f"{made:,} {what} were made, and {int(measured):,} were captured")


def commit_to_item(bench):
    """From commit to item in a local target, at 1,000 single-row updates a second."""
    rows, folder = 1_000, bench.folder()
    with server(bench, rows) as database:
        if not database:
            return
        target = folder / "target.db"
        config = _config(folder, database)
        stage.tandem(config, "init")
        stage.tandem(config, "run", "--once")

        def connect():
            connection = database.connect()
            return lambda number, row: connection.execute(
                "UPDATE accounts SET status = %s WHERE id = %s", (number, row))

        with stage.Agent(config) as agent:
            start, cpu = time.monotonic(), stage.cpu_of(agent.pid)
            took, overtaken, reached = latency.measure(
                connect, latency.local_target(target, "status"), rows, 1_000,
                bench.size("changes"))
            busy = (stage.cpu_of(agent.pid) - cpu) / (time.monotonic() - start)
    bench.add("PostgreSQL: commit to item, p50", latency.percentile(took, 50), "ms", 10, False, 2)
    bench.add("PostgreSQL: commit to item, p99", latency.percentile(took, 99), "ms", 40, False, 2)
    bench.add("  longest", took[-1], "ms", digits=1)
    bench.add("  changes a second that the writer reached", reached)
    bench.add("  changes overtaken by newer ones", overtaken)
    bench.add("  agent's CPU", busy * 100, "% of a core", digits=0)


def memory(bench):
    """Memory in one large transaction, and while sixteen sessions write a table that is read."""
    _large_transaction(bench, bench.size("pg_transaction"))
    _sixteen_writers(bench)


def _large_transaction(bench, size):
    """Capture alone at the full size; the whole agent at 1 GB at most."""
    folder = bench.folder()
    with server(bench, 1_000) as database:
        if not database:
            return
        free = shutil.disk_usage(folder).free
        if free < 5 * size:  # the table, its WAL, the walsender's spill file, the log
            raise SystemExit(f"a transaction of {size >> 30} GB needs {5 * size >> 30} GB of disk,"
                             f" and {free >> 30} GB are free")
        _read_table(database, "large", folder)
        changes = _insert(database, size)
        read = _capture(database, "large", folder, "stream", changes)
        _expect("changes", read["changes"], changes)
        bench.add(f"PostgreSQL: memory, capture of a {size / (1 << 30):g} GB transaction",
                  read["memory"], "MiB", MEMORY_GOAL, False)
        bench.add("  changes a second", changes / read["seconds"])
    shutil.rmtree(folder)

    size, folder = min(size, AGENT_TRANSACTION), bench.folder()
    with server(bench, 1_000) as database:
        # No row becomes an item: what is measured is capture beside the fold.
        config = _config(folder, database, {"status": -1})
        stage.tandem(config, "init")
        stage.tandem(config, "run", "--once")
        changes = _insert(database, size)
        run = stage.tandem(config, "run", "--once")
        _expect("rows", _rows(folder), changes + 1_000)
        bench.add(f"PostgreSQL: memory, whole agent in a {size / (1 << 30):g} GB transaction",
                  run.memory, "MiB", MEMORY_GOAL, False)
        bench.add("  changes a second", changes / run.seconds)
    shutil.rmtree(folder)


def _insert(database, size):
    """One transaction that inserts so many bytes of rows, and how many rows that is."""
    changes = size // LARGE_ROW_BYTES
    database.execute(LARGE_INSERT, 1_000_001, 1_000_000 + changes)
    return changes


def _sixteen_writers(bench):
    rows, folder = bench.size("pg_rows"), bench.folder()
    with server(bench, rows) as database:
        if not database:
            return
        config = _config(folder, database)
        stage.tandem(config, "init")
        writers = postgres_server.Writers(database, WRITERS, WRITERS_SECONDS)
        run = stage.tandem(config, "run", "--once")
        transactions = writers.end()
        last = stage.tandem(config, "run", "--once")
        _expect("rows", _rows(folder), database.value("SELECT count(*) FROM accounts"))
    bench.add(f"PostgreSQL: memory, first sync under {WRITERS} writers",
              max(run.memory, last.memory), "MiB", MEMORY_GOAL, False)
    bench.add("  transactions a second of the writers", transactions)
    bench.add("  seconds that the first sync took", run.seconds, "s", digits=1)


def _config(folder, database, where=None):
    root = {"table": postgres_server.TABLE, "where": where} if where else postgres_server.TABLE
    return stage.write_config(folder, {"type": "local", "path": str(folder / "target.db")},
                              {"type": "postgres", "url": database.url}, root)


def _rows(folder):
    replica = sqlite3.connect(f"file:{folder / 'state' / 'replica.db'}?mode=ro", uri=True)
    (count,) = replica.execute(f'SELECT count(*) FROM "{postgres_server.TABLE}"').fetchone()
    replica.close()
    return count
