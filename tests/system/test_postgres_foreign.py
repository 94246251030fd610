"""What a PostgreSQL server has that is not Tandem's: slots of others, and bytes in no known encoding."""

import sqlite3

import pytest

from deployment import FAILED
from eventually import eventually
from postgres import PostgresDatabase

CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  thing: {table: Items, root: things, item: {PK: "{id}", name: "{name}"}}
"""
LITTLE_WAL = {"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB", "wal_keep_size": 0}


def make_things(database):
    database.execute("CREATE TABLE things (id integer PRIMARY KEY, name text);"
                     " INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, 10) n")


def replica(tandem, columns="*"):
    opened = sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True)
    try:
        return opened.execute(f"SELECT {columns} FROM things ORDER BY id").fetchall()
    finally:
        opened.close()


def lose(server, database, slot):
    def lost():
        database.execute("CREATE TABLE noise AS SELECT repeat('x', 900) AS x FROM generate_series(1, 20000)")
        database.execute("DROP TABLE noise")
        database.execute("SELECT pg_switch_wal()")
        database.execute("CHECKPOINT")
        return server.slots()[slot]["wal_status"] == "lost"

    eventually(lost, 60, "the server gives the slot up")


@pytest.mark.parametrize("kind", ["another database's", "physical", "another plugin's", "nobody knows whose", "lost"])
def test_a_slot_of_others_is_left_alone(deploy, own_postgres, kind):
    server = own_postgres(**LITTLE_WAL)
    database, other = server.create("one"), server.create("two")
    make_things(database)
    maker, text = {
        "another database's": (other, "SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')"),
        "physical": (other, "SELECT pg_create_physical_replication_slot('theirs', true)"),
        "another plugin's": (database, "SELECT pg_create_logical_replication_slot('theirs', 'test_decoding')"),
        "nobody knows whose": (database, "SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')"),
        "lost": (other, "SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')"),
    }[kind]
    maker.execute(text)
    if kind == "lost":
        lose(server, database, "theirs")
    before = server.slots()
    tandem = deploy(database, config=CONFIG.replace('URL}"}', 'URL}", slot: theirs}'))
    result = tandem.run("init").expect(FAILED)
    assert "theirs" in result.err and "source.slot" in result.err, str(result)
    tandem.run("run", "--once").expect(FAILED)
    after = server.slots()
    assert list(after) == ["theirs"]
    for what in ("plugin", "database", "restart_lsn", "confirmed_flush_lsn"):
        assert after["theirs"][what] == before["theirs"][what]


def test_two_databases_of_a_server_and_one_name_of_a_pipeline(deploy, own_postgres):
    server = own_postgres()
    one, two = server.create("one"), server.create("two")
    make_things(one)
    make_things(two)
    first = deploy(one, config=CONFIG)
    first.sync()
    first.environment["DATABASE_URL"] = two.url
    result = first.run("init").expect(FAILED)
    assert "belongs to the database one" in result.err and "source.slot" in result.err, str(result)
    first.environment["DATABASE_URL"] = one.url
    one.execute("INSERT INTO things VALUES (77, 'still captured')")
    first.run_once().expect()
    assert len(replica(first)) == 11
    assert "gap" not in first.run("log", "show").expect().out


def test_a_database_that_knows_no_encoding(deploy, own_postgres):
    """SQL_ASCII: bytes go through as they are, by snapshot and by stream."""
    server = own_postgres()
    server.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    database = PostgresDatabase(server, "bytes")
    with database.connect(client_encoding="SQL_ASCII") as connection:
        connection.execute("CREATE TABLE things (id integer PRIMARY KEY, name text)")
        connection.execute(b"INSERT INTO things VALUES (1, E'caf\\351'), (2, E'caf\\303\\251')")
    tandem = deploy(database, config=CONFIG)
    tandem.init()
    tandem.run_once()  # an item with bytes that are no text is a dead letter
    with database.connect(client_encoding="SQL_ASCII") as connection:
        connection.execute(b"INSERT INTO things VALUES (3, E'\\377\\376')")
    tandem.run_once()
    assert replica(tandem, "id, CAST(name AS BLOB)") == [(1, b"caf\xe9"), (2, b"caf\xc3\xa9"), (3, b"\xff\xfe")]
