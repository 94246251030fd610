"""What a stream may bring beside plain rows: prepared transactions, messages, origins, DDL among
rows, truncations, tables made again, transactions that the server spills to disk."""

import sqlite3

import pytest

from eventually import eventually

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE one (id int PRIMARY KEY, note text, feels mood);
CREATE TABLE two (id int PRIMARY KEY, one int REFERENCES one, note text);
INSERT INTO one SELECT n, 'one ' || n, 'fine' FROM generate_series(1, 50) n;
INSERT INTO two SELECT n, n, 'two ' || n FROM generate_series(1, 50) n;
"""

CONFIG = """
name: stream
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {All: {key: [PK]}}}
documents:
  One: {table: All, root: one, item: {PK: "one#{id}", Value: "{note}"}}
  Two: {table: All, root: two, item: {PK: "two#{id}", Value: "{note}"}}
"""

# Statements of each step; after each step the replica holds what the source does.
STEPS = {
    "columns and rows in one transaction": [
        """BEGIN;
           INSERT INTO one VALUES (100, 'before', 'sad');
           ALTER TABLE one ADD COLUMN more int DEFAULT 7;
           INSERT INTO one VALUES (101, 'added', 'fine', 8);
           ALTER TABLE one RENAME COLUMN more TO most;
           UPDATE one SET most = 9 WHERE id IN (3, 100);
           ALTER TABLE one ALTER COLUMN most TYPE text USING 'was ' || most;
           INSERT INTO one VALUES (102, 'typed', NULL, 'x');
           ALTER TABLE one DROP COLUMN feels;
           DELETE FROM one WHERE id = 101;
           INSERT INTO one VALUES (103, 'dropped', 'y');
           COMMIT"""
    ],
    "columns that a rollback takes back": [
        """BEGIN;
           ALTER TABLE one ADD COLUMN more int DEFAULT 7;
           INSERT INTO one VALUES (100, 'never', 'sad', 1);
           ROLLBACK""",
        """BEGIN;
           INSERT INTO one VALUES (101, 'stays', 'sad');
           SAVEPOINT here;
           ALTER TABLE one ADD COLUMN more int DEFAULT 7;
           UPDATE one SET note = 'never' WHERE id = 2;
           ROLLBACK TO here;
           UPDATE one SET note = 'stays' WHERE id = 3;
           COMMIT""",
    ],
    "a value that its type did not have": [
        "ALTER TYPE mood ADD VALUE 'glad'",
        "INSERT INTO one VALUES (100, 'new value', 'glad')",
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'; UPDATE one SET feels = 'blue' WHERE id < 4",
    ],
    "truncations": [
        "BEGIN; INSERT INTO two VALUES (60, NULL, 'gone'); TRUNCATE two; INSERT INTO two VALUES (61, 1, 'kept'); COMMIT",
        "TRUNCATE one, two RESTART IDENTITY",
        "INSERT INTO one VALUES (1, 'again', NULL); INSERT INTO two VALUES (1, 1, 'again')",
        "TRUNCATE one CASCADE",
    ],
    "a table made again": [
        "DROP TABLE two; CREATE TABLE two (id int PRIMARY KEY, one int, note text); INSERT INTO two VALUES (7, 7, 'new')",
        "INSERT INTO two VALUES (8, 8, 'new')",
        """BEGIN; DROP TABLE two; CREATE TABLE two (note text, other text, id bigint PRIMARY KEY);
           INSERT INTO two VALUES ('other columns', 'o', 9); COMMIT""",
        "UPDATE two SET note = note || '.'",
    ],
    "messages of others": [
        "SELECT pg_logical_emit_message(true, 'tandem', 'not ours'), pg_logical_emit_message(false, 'tandem', 'nor this')",
        """BEGIN;
           SELECT pg_logical_emit_message(true, 'tandem', 'tandem_stream word chunk 1 1');
           INSERT INTO one VALUES (100, 'among messages', 'fine');
           SELECT pg_logical_emit_message(false, 'app', repeat('m', 100000));
           SELECT pg_logical_emit_message(true, 'app', E'\\\\000');
           COMMIT""",
    ],
    "another server's rows": [
        """SELECT pg_replication_origin_create('elsewhere');
           SELECT pg_replication_origin_session_setup('elsewhere');
           BEGIN;
           SELECT pg_replication_origin_xact_setup('0/1234', '2020-02-02 02:02:02+00');
           INSERT INTO one VALUES (100, 'from elsewhere', 'fine');
           UPDATE one SET note = 'elsewhere as well' WHERE id = 5;
           COMMIT;
           SELECT pg_replication_origin_session_reset();
           SELECT pg_replication_origin_drop('elsewhere')"""
    ],
    "prepared transactions": [
        "BEGIN; INSERT INTO one VALUES (100, 'prepared', 'fine'); PREPARE TRANSACTION 'stays'",
        "BEGIN; INSERT INTO one VALUES (200, 'prepared', 'fine'); PREPARE TRANSACTION 'goes'",
        "INSERT INTO one VALUES (101, 'meanwhile', 'fine')",
        "ROLLBACK PREPARED 'goes'; UPDATE one SET note = 'later' WHERE id = 101",
        "COMMIT PREPARED 'stays'",
    ],
}


@pytest.fixture
def tandem(deploy, pg):
    pg.execute(SCHEMA)
    made = deploy(pg, config=CONFIG)
    made.sync()
    return made


def statements(text):
    """The parts between semicolons: a server runs several statements at once as one transaction."""
    return [part for part in map(str.strip, text.split(";")) if part]


def rows(database, table):
    with database.connect() as connection:
        cursor = connection.execute(f"SELECT * FROM {table}")
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor]


def check(tandem, database):
    replica = sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True)
    replica.row_factory = sqlite3.Row
    for table in ("one", "two"):
        have = [dict(row) for row in replica.execute(f"SELECT * FROM {table}")]
        want = rows(database, table)
        assert sorted(have, key=lambda row: row["id"]) == sorted(want, key=lambda row: row["id"]), table
    replica.close()


@pytest.mark.parametrize("name", STEPS)
def test_step_by_step(tandem, pg, name):
    for step in STEPS[name]:
        with pg.connect() as connection:
            for statement in statements(step):
                connection.execute(statement)
        tandem.run_once().expect()
        check(tandem, pg)
    tandem.run("verify", "--deep").expect()


@pytest.mark.parametrize("name", STEPS)
def test_all_at_once(tandem, pg, name):
    with pg.connect() as connection:
        for statement in statements(";".join(STEPS[name])):
            connection.execute(statement)
    tandem.run_once().expect()
    check(tandem, pg)
    tandem.run("verify", "--deep").expect()


def test_a_transaction_that_the_server_spills(deploy, own_postgres):
    """Savepoints that were taken back and such that stay, larger than the server keeps in memory."""
    pg = own_postgres(logical_decoding_work_mem="64kB").create("spilled")
    pg.execute(SCHEMA)
    tandem = deploy(pg, config=CONFIG)
    tandem.sync()
    with pg.connect() as connection, connection.transaction():
        for turn in range(8):
            connection.execute(
                "INSERT INTO one SELECT n, repeat(n::text, 20), 'sad' FROM generate_series(%s::int, %s) n",
                (1000 + turn * 2000, 2999 + turn * 2000))
            connection.execute("SAVEPOINT here")
            connection.execute("UPDATE one SET note = 'never' WHERE id % 2 = 0")
            connection.execute("INSERT INTO two SELECT n, 1, 'never' FROM generate_series(1000, 3000) n")
            connection.execute("ROLLBACK TO here")
            connection.execute("DELETE FROM one WHERE id %% 16 = %s AND id > 999", (turn,))
    tandem.run_once().expect()
    check(tandem, pg)
    spilled = "SELECT sum(spill_bytes) > 64 * 1024 FROM pg_stat_replication_slots"
    eventually(lambda: pg.value(spilled), 30, "the server says that it spilled")


INSERTS = """
name: inserts
source:
  type: postgres
  url: "${DATABASE_URL}"
  tables: {events: {key: [at, what], insert_only: on}}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {All: {key: [PK]}}}
documents:
  Event: {table: All, root: events, item: {PK: "{at}#{what}"}}
  Thing: {table: All, root: things, item: {PK: "thing#{id}"}}
"""


@pytest.mark.parametrize("identity", ["DEFAULT", "NOTHING"])
def test_a_table_of_inserts_alone(deploy, pg, identity):
    """Without a primary key, and its updates neither fail for its writers nor are they captured."""
    pg.execute("CREATE TABLE events (at int NOT NULL, what text NOT NULL, UNIQUE (at, what));"
               " CREATE TABLE things (id int PRIMARY KEY);"
               f" ALTER TABLE events REPLICA IDENTITY {identity};"
               " INSERT INTO events VALUES (1, 'a'), (2, 'b'); INSERT INTO things VALUES (1)")
    tandem = deploy(pg, config=INSERTS)
    tandem.sync()

    def events():
        replica = sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True)
        try:
            return sorted(replica.execute("SELECT at, what FROM events"))
        finally:
            replica.close()

    assert events() == [(1, "a"), (2, "b")]
    pg.execute("INSERT INTO events VALUES (3, 'c')")
    pg.execute("DELETE FROM events WHERE at = 1")
    pg.execute("INSERT INTO things VALUES (2); DELETE FROM things WHERE id = 1")
    tandem.run_once().expect()
    assert events() == [(1, "a"), (2, "b"), (3, "c")]
    pg.execute("TRUNCATE events; INSERT INTO events VALUES (4, 'd')")
    tandem.run_once().expect()
    assert events() == [(4, "d")]
