"""A table is read again and again, in many chunks, while sixteen sessions write to it at full speed.

Every session owns some of the rows and remembers what they were after each of its transactions. So
not only the end can be compared: whatever the replica shows at any moment must be what the source
was after the transactions that the replica has seen of each session.

Half of the sessions commit synchronously, and the standby that they wait for never answers: their
commits are in the server's log, and streamed, long before any snapshot sees them. From time to time
they are let go.

TANDEM_FULL=1 in the environment makes it minutes, and thousands of chunks.
"""

import contextlib
import hashlib
import random
import sqlite3
import threading
import time

import pytest

from eventually import eventually

WRITERS, ROWS = 16, 8000
SCHEMA = """
CREATE TABLE things (id bigint PRIMARY KEY, n integer NOT NULL, body text);
ALTER TABLE things ALTER body SET STORAGE EXTERNAL;
CREATE TABLE progress (owner integer PRIMARY KEY, transactions bigint NOT NULL);
INSERT INTO progress SELECT owner, 0 FROM generate_series(0, 15) AS owner;
"""
CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}", heartbeat: 1s}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  thing: {table: Items, root: things, item: {PK: "thing#{id}", n: "{n}"}}
  progress: {table: Items, root: progress, item: {PK: "progress#{owner}", transactions: "{transactions}"}}
"""


def body(number):
    """Out of line: an update that leaves it alone does not carry it."""
    return hashlib.md5(str(number).encode()).hexdigest() * 90


def mark(row):
    """Marks of rows are added up: a sum that is right means rows that are."""
    return hash(row) % 2**64


class Owner:
    """One session and its rows, which nobody else touches: those whose id is `number` modulo 16."""

    def __init__(self, database, seed, number):
        self.database, self.number = database, number
        self.dice = random.Random(f"{seed}-{number}")
        self.rows = {id: (id, 0, body(id)) for id in range(1, ROWS + 1) if id % WRITERS == number}
        self.history = [self._sum()]

    def _sum(self):
        return len(self.rows), sum(map(mark, self.rows.values())) % 2**64

    def write(self, connection):
        """One transaction. It is remembered before it is committed: the replica may be first."""
        count, total = self.history[-1]
        changed = {}  # id: row, or None where there is none
        undone = self.dice.random() < 0.05
        with connection.transaction(force_rollback=undone):
            for _ in range(self.dice.choice((1, 1, 2, 8))):
                self._change(connection, changed)
            if undone:
                return
            connection.execute("UPDATE progress SET transactions = %s WHERE owner = %s", (len(self.history), self.number))
            for id, row in changed.items():
                before = self.rows.get(id)
                count += (row is not None) - (before is not None)
                total += (mark(row) if row else 0) - (mark(before) if before else 0)
            self.history.append((count, total % 2**64))
        for id, row in changed.items():
            if row:
                self.rows[id] = row
            else:
                self.rows.pop(id, None)

    def _change(self, connection, changed):
        def now(id):
            return changed[id] if id in changed else self.rows.get(id)

        def pick():
            return self.dice.randrange(0, ROWS * 5 // 4 // WRITERS) * WRITERS + self.number

        def update(id, sets, values, row):
            connection.execute(f"UPDATE things SET {sets} WHERE id = %s", (*values, id))
            if row[0] != id:
                changed[id] = None
            changed[row[0]] = row

        id, other, kind = pick(), pick(), self.dice.randrange(8)
        row, free = now(id), now(other) is None
        if row is None:
            text = body(self.dice.randrange(100)) if kind else None
            connection.execute("INSERT INTO things VALUES (%s, %s, %s)", (id, kind, text))
            changed[id] = (id, kind, text)
        elif kind == 0:
            connection.execute("DELETE FROM things WHERE id = %s", (id,))
            changed[id] = None
        elif kind == 1:
            text = body(self.dice.randrange(100))
            update(id, "body = %s", (text,), (id, row[1], text))
        elif kind in (2, 3) and free:  # far away or near, with a body that is not sent
            update(id, "id = %s", (other,), (other, *row[1:]))
        elif kind == 4 and not free and id != other:  # the two change places
            second, away = now(other), -1 - self.number
            update(id, "id = %s", (away,), (away, *row[1:]))
            update(other, "id = %s", (id,), (id, *second[1:]))
            update(away, "id = %s", (other,), (other, *row[1:]))
        else:
            update(id, "n = n + 1", (), (id, row[1] + 1, row[2]))


class Crowd:
    """`with crowd:` all of them write until the block is left, which raises what went wrong."""

    def __init__(self, server, database, seed):
        self.server, self.database, self.seed = server, database, seed
        self.owners = [Owner(database, seed, number) for number in range(WRITERS)]
        self.over = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self._guarded, args=(self._write, owner)) for owner in self.owners]
        self.threads.append(threading.Thread(target=self._guarded, args=(self._stand_by,)))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if kind is None and self.failures:
            raise self.failures[0]

    def _guarded(self, work, *arguments):
        try:
            work(*arguments)
        except BaseException as error:  # the test must hear of it
            self.failures.append(error)
            self.over.set()

    def _write(self, owner):
        with self.database.connect() as connection:
            connection.execute("SET synchronous_commit = %s" % ("on" if owner.number % 2 else "local"))
            while not self.over.is_set():
                owner.write(connection)

    def _stand_by(self):
        dice = random.Random(f"{self.seed}-standby")
        try:
            while not self.over.is_set():
                self.server.reload(synchronous_standby_names="nobody")
                self.over.wait(dice.uniform(0.1, 0.8))
                self.server.reload(synchronous_standby_names="")
                self.over.wait(dice.uniform(0.05, 0.2))
        finally:
            self.server.reload(synchronous_standby_names="")

    def compare(self, replica):
        """Raises AssertionError with what the replica shows and no such moment had."""
        replica.execute("BEGIN")
        try:
            progress = dict(replica.execute("SELECT owner, transactions FROM progress"))
            rows = list(replica.execute("SELECT id, n, body FROM things"))
        finally:
            replica.execute("ROLLBACK")
        have = {number: [0, 0] for number in range(WRITERS)}
        for row in rows:
            found = have[row[0] % WRITERS if row[0] >= 0 else -1 - row[0]]
            found[0] += 1
            found[1] = (found[1] + mark(row)) % 2**64
        assert len(progress) == WRITERS, f"{len(progress)} owners of {WRITERS}"
        for owner in self.owners:
            seen = progress[owner.number]
            want = owner.history[seen]
            assert tuple(have[owner.number]) == want, (
                f"owner {owner.number} after {seen} of {len(owner.history)} transactions: {have[owner.number][0]} rows,"
                f" {want[0]} at the source" + ("" if have[owner.number][0] != want[0] else ", and some of them differ"))
        return True


@contextlib.contextmanager
def opened_replica(tandem):
    path = f"file:{tandem.state / 'replica.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True, isolation_level=None, timeout=20)) as connection:
        yield connection


@pytest.mark.timeout(900)
def test_every_moment_of_the_replica_is_one_of_the_source(deploy, own_postgres, seed, full):
    server = own_postgres()
    database = server.create("busy")
    database.execute(SCHEMA)
    with database.connect() as connection, connection.cursor().copy("COPY things FROM STDIN") as copy:
        for id in range(1, ROWS + 1):
            copy.write_row((id, 0, body(id)))
    tandem = deploy(database, config=CONFIG)
    tandem.init()
    # A reader of the same stream, which counts the chunks' messages.
    database.execute("SELECT pg_create_logical_replication_slot('witness', 'test_decoding')")
    samples = reads = 0
    with Crowd(server, database, seed) as crowd:
        agent = tandem.start()
        eventually(lambda: (tandem.state / "replica.db").exists(), 30, "there is a replica", alive=agent.alive)
        with opened_replica(tandem) as replica:

            def is_read():
                with contextlib.suppress(sqlite3.OperationalError):  # no such table yet
                    return crowd.compare(replica)

            eventually(is_read, 120, f"the first read of seed {seed}", alive=agent.alive)
            until, next_read = time.monotonic() + (240 if full else 15), 0
            while time.monotonic() < until and not crowd.over.is_set():
                agent.alive()
                if time.monotonic() > next_read:
                    tandem.run("snapshot", "things").expect()
                    reads, next_read = reads + 1, time.monotonic() + 1
                crowd.compare(replica)
                samples += 1
    transactions = sum(len(owner.history) - 1 for owner in crowd.owners)
    with opened_replica(tandem) as replica:
        newest = {owner.number: len(owner.history) - 1 for owner in crowd.owners}

        def has_all():
            assert dict(replica.execute("SELECT owner, transactions FROM progress")) == newest
            return crowd.compare(replica)

        eventually(has_all, 120, "the replica has the last transaction", alive=agent.alive)
    for owner in crowd.owners:  # that what was remembered is what the source has
        rows = database.query("SELECT id, n, body FROM things WHERE id %% 16 = %s", owner.number)
        assert {row[0]: row for row in rows} == owner.rows
    (chunks,) = database.query("SELECT count(*) FROM pg_logical_slot_get_changes('witness', NULL, NULL)"
                               " WHERE data LIKE 'message:%%content:%%chunk%%'")[0]
    print(f"{transactions} transactions, {reads} reads asked for, {chunks} chunks, {samples} samples")
    assert samples >= 5 and chunks > (1000 if full else 10)
    eventually(lambda: tandem.run("verify", "--deep").status == 0, 120, "verify finds nothing", alive=agent.alive)
    agent.stop()
