"""Deferrable keys: rows that share a key within a transaction, come to it, change there and leave."""

import random
import sqlite3

import pytest

SCHEMA = """
CREATE TABLE crowd (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n text NOT NULL, big text);
ALTER TABLE crowd ALTER big SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
INSERT INTO crowd SELECT i, chr(64 + i), repeat(chr(64 + i), 3000) FROM generate_series(1, 6) i;
"""

CONFIG = """
name: crowd
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {All: {key: [PK]}}}
documents:
  Row: {table: All, root: crowd, item: {PK: "row#{id}", Value: "{n}"}}
"""

# Statements of one transaction each.
TRANSACTIONS = {
    "a row passes through": ["UPDATE crowd SET id = 2 WHERE id = 1",
                             "UPDATE crowd SET id = 9 WHERE id = 2 AND n = 'A'"],
    "and is changed on its way": ["UPDATE crowd SET id = 2 WHERE id = 1",
                                  "UPDATE crowd SET n = 'A2' WHERE n = 'A'",
                                  "UPDATE crowd SET id = 9 WHERE n = 'A2'"],
    "the one that was there is changed": ["UPDATE crowd SET id = 2 WHERE id = 1",
                                          "UPDATE crowd SET n = 'B2' WHERE n = 'B'",
                                          "UPDATE crowd SET id = 1 WHERE n = 'A'"],
    "an inserted row leaves again": ["INSERT INTO crowd VALUES (2, 'new', NULL)",
                                     "UPDATE crowd SET id = 9 WHERE n = 'new'"],
    "an inserted row takes the place": ["INSERT INTO crowd VALUES (2, 'new', NULL)",
                                        "DELETE FROM crowd WHERE n = 'B'"],
    "an inserted row is deleted": ["INSERT INTO crowd VALUES (2, 'new', NULL)",
                                   "DELETE FROM crowd WHERE n = 'new'"],
    "three stand together": ["UPDATE crowd SET id = 2 WHERE id IN (1, 3)",
                             "UPDATE crowd SET id = 1 WHERE n = 'C'",
                             "UPDATE crowd SET id = 3 WHERE n = 'A'"],
    "all move by one": ["UPDATE crowd SET id = id + 1"],
    "and back": ["UPDATE crowd SET id = id + 1", "UPDATE crowd SET id = id - 1"],
    "emptied in between": ["UPDATE crowd SET id = 3 - id WHERE id < 3", "SET CONSTRAINTS ALL IMMEDIATE",
                           "TRUNCATE crowd", "SET CONSTRAINTS ALL DEFERRED",
                           "INSERT INTO crowd VALUES (2, 'new', NULL)", "UPDATE crowd SET id = 1"],
}


def source(pg):
    with pg.connect() as connection:
        return sorted(connection.execute("SELECT id, n, big FROM crowd").fetchall())


def replica(tandem):
    database = sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True)
    try:
        return sorted(database.execute("SELECT id, n, big FROM crowd"))
    finally:
        database.close()


@pytest.fixture
def tandem(deploy, pg):
    pg.execute(SCHEMA)
    made = deploy(pg, config=CONFIG)
    made.sync()
    return made


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_in_one_transaction(tandem, pg, name):
    with pg.connect() as connection, connection.transaction():
        for statement in TRANSACTIONS[name]:
            connection.execute(statement)
    tandem.run_once().expect()
    assert replica(tandem) == source(pg)
    tandem.run("verify", "--deep").expect()


def crowd(connection, dice, serial):
    """One transaction that leaves each key to one row."""
    with connection.transaction():
        for _ in range(dice.randint(1, 12)):
            one = "ctid = (SELECT ctid FROM crowd ORDER BY md5(n || %s) LIMIT 1)"
            salt = str(dice.random())
            kind = dice.choice(("move", "move", "move", "change", "insert", "delete"))
            if kind == "move":
                connection.execute(f"UPDATE crowd SET id = %s WHERE {one}", (dice.randint(1, 8), salt))
            elif kind == "change":
                connection.execute(f"UPDATE crowd SET n = %s WHERE {one}", (f"n{next(serial)}", salt))
            elif kind == "insert":
                number = next(serial)
                connection.execute("INSERT INTO crowd VALUES (%s, %s, repeat(%s, %s))",
                                   (dice.randint(1, 8), f"n{number}", str(number % 10), dice.choice((2, 3000))))
            else:
                connection.execute(f"DELETE FROM crowd WHERE {one}", (salt,))
        while True:
            shared = connection.execute("SELECT n FROM crowd c WHERE EXISTS"
                                        " (SELECT FROM crowd d WHERE d.id = c.id AND d.n <> c.n)").fetchall()
            if not shared:
                break
            row = dice.choice(sorted(shared))
            if dice.random() < 0.3:
                connection.execute("DELETE FROM crowd WHERE n = %s", row)
            else:
                connection.execute("UPDATE crowd SET id = %s WHERE n = %s", (dice.randint(1, 30), *row))


def test_at_random(tandem, pg):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    serial = iter(range(1, 1 << 30))
    for _ in range(6):
        with pg.connect() as connection:
            for _ in range(60):
                crowd(connection, dice, serial)
        tandem.run_once().expect()
        assert replica(tandem) == source(pg)
    tandem.run("verify", "--deep").expect()


def test_beside_a_read_of_the_table(tandem, pg):
    """A running agent reads the table again and again while rows crowd."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    serial = iter(range(1, 1 << 30))
    agent = tandem.start()
    for _ in range(8):
        tandem.run("snapshot", "crowd").expect()
        with pg.connect() as connection:
            for _ in range(40):
                crowd(connection, dice, serial)
    agent.stop()
    tandem.run_once().expect()
    assert replica(tandem) == source(pg)
    tandem.run("verify", "--deep").expect()
