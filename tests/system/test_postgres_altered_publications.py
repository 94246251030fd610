"""A publication that is altered by hand while rows change: put right, or one clear message; and when all
is quiet again, the replica and the items are what the source has."""

import contextlib
import sqlite3
import threading

import psycopg
import pytest

from deployment import FAILED
from eventually import eventually
from test_bad_input import clear_message
from test_postgres_bad_input import CONFIG, equal, things

# Statements, each in a transaction of its own, a moment apart while a writer goes on.
BY_HAND = {
    "drop table": ["ALTER PUBLICATION {p} DROP TABLE things"],
    "drop and add table": ["ALTER PUBLICATION {p} DROP TABLE things", "ALTER PUBLICATION {p} ADD TABLE things"],
    "set another table": ["CREATE TABLE other (id int PRIMARY KEY)", "ALTER PUBLICATION {p} SET TABLE other"],
    "no updates": ["ALTER PUBLICATION {p} SET (publish = 'insert')"],
    "no deletes, for a moment": ["ALTER PUBLICATION {p} SET (publish = 'insert, update, truncate')",
                                 "ALTER PUBLICATION {p} SET (publish = 'insert, update, delete, truncate')"],
    "a filter": ["ALTER PUBLICATION {p} SET TABLE things WHERE (id % 2 = 0)"],
    "a filter, for a moment": ["ALTER PUBLICATION {p} SET TABLE things WHERE (id < 0)",
                               "ALTER PUBLICATION {p} SET TABLE things"],
    "a list of columns": ["ALTER PUBLICATION {p} SET TABLE things (id)"],
    "a list of columns, for a moment": ["ALTER PUBLICATION {p} SET TABLE things (id)",
                                        "ALTER PUBLICATION {p} SET TABLE things"],
    "another name": ["ALTER PUBLICATION {p} RENAME TO elsewhere"],
    "there and back": ["ALTER PUBLICATION {p} RENAME TO elsewhere", "ALTER PUBLICATION elsewhere RENAME TO {p}"],
    "dropped": ["DROP PUBLICATION {p}"],
    "dropped and made": ["DROP PUBLICATION {p}",
                         "CREATE PUBLICATION {p} FOR TABLE things WITH (publish_via_partition_root = true)"],
    "dropped and made for all": ["DROP PUBLICATION {p}", "CREATE PUBLICATION {p} FOR ALL TABLES"],
    "an owner's comment gone": ["COMMENT ON PUBLICATION {p} IS NULL"],
}


class Writer:
    """Inserts, updates and deletes until it is stopped."""

    def __init__(self, database, first=0):
        self.database, self.turns = database, first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._thread.join()

    def _write(self):
        with self.database.connect() as connection:
            while not self._stopped.is_set():
                turn = self.turns
                try:
                    connection.execute("INSERT INTO things VALUES (%s, %s)", (1000 + turn, f"made in turn {turn}"))
                    connection.execute("UPDATE things SET name = %s WHERE id = %s", (f"turn {turn}", turn % 10 + 1))
                    connection.execute("UPDATE things SET name = 'again' WHERE id = %s", (995 + turn,))
                    connection.execute("DELETE FROM things WHERE id = %s", (990 + turn,))
                except psycopg.errors.ObjectNotInPrerequisiteState:
                    pass  # a filter or a list of columns that lacks the key: the server refuses to update
                self.turns += 1
                self._stopped.wait(0.005)

    def go_on(self, turns=12):
        until = self.turns + turns
        eventually(lambda: self.turns >= until, 30, "the writer goes on")


def rows_equal(tandem, database):
    replica = sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True)
    try:
        found = replica.execute("SELECT id, name FROM things ORDER BY id").fetchall()
    except sqlite3.OperationalError as error:
        found = error  # a column that a list left out
    finally:
        replica.close()
    assert found == database.query("SELECT id, name FROM things ORDER BY id")
    return equal(tandem, database)


def by_hand(database, how, writer):
    (name,) = [row[0] for row in database.query(
        "SELECT pubname FROM pg_publication WHERE pubname NOT LIKE '%%\\_inserts'")]
    for statement in BY_HAND[how]:
        writer.go_on()
        # The agent may have put it right already.
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            database.execute(statement.format(p=name))
    writer.go_on()


@pytest.fixture
def synced(deploy, pg):
    things(pg)
    tandem = deploy(pg, config=CONFIG)
    tandem.sync()
    return tandem


@pytest.mark.parametrize("how", BY_HAND)
def test_under_a_running_agent(synced, pg, how):
    agent = synced.start()
    with Writer(pg) as writer:
        by_hand(pg, how, writer)

    def settled():
        nonlocal agent
        if agent.process.poll() is not None:
            assert agent.process.returncode == FAILED and "publication" in agent.output(), agent.output()
            synced.init()
            agent = synced.start()
        return rows_equal(synced, pg)

    eventually(settled, 60, "all is equal again", pause=0.2)
    with Writer(pg, first=100_000) as writer:
        writer.go_on()
    eventually(settled, 60, "and what comes later", pause=0.2)
    agent.stop()
    synced.run("verify", "--deep").expect()


@pytest.mark.parametrize("how", BY_HAND)
def test_while_no_agent_runs(synced, pg, how):
    with Writer(pg) as writer:
        by_hand(pg, how, writer)
    result = synced.run_once()
    if result.status == FAILED:
        assert "publication" in clear_message(result), str(result)
        synced.init()
        result = synced.run_once()
    result.expect()
    assert rows_equal(synced, pg)
    synced.run("verify", "--deep").expect()
