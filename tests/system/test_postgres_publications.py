"""What publications hold that Tandem did not ask for, and what those of others leave out for a while."""

import re
import sqlite3

import pytest

from eventually import eventually
from test_postgres_bad_input import CONFIG


THEIRS = CONFIG.replace('URL}"}', 'URL}", publication: theirs}')
SCHEMA = """
CREATE TABLE things (id integer PRIMARY KEY, name text);
INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, 10) AS n;
"""


def replica(tandem, columns="id, name"):
    opened = sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True)
    try:
        return opened.execute(f"SELECT {columns} FROM things ORDER BY id").fetchall()
    finally:
        opened.close()


def records(tandem):
    return tandem.run("log", "show").expect().out.splitlines()


def equal(tandem, database, columns="id, name"):
    assert replica(tandem, columns) == database.query(f"SELECT {columns} FROM things ORDER BY id")
    return True


def test_a_schema_that_was_added_by_hand_is_taken_out(deploy, pg):
    if pg.server.version < 15:
        pytest.skip("publications have schemas from version 15 on")
    pg.execute(SCHEMA)
    pg.execute('CREATE SCHEMA "By hand"; CREATE TABLE "By hand".bare (x integer)')
    tandem = deploy(pg, config=CONFIG)
    schemas = "SELECT count(*) FROM pg_publication_namespace"
    for claim in (tandem.init, lambda: tandem.run_once().expect()):
        tandem.sync()
        pg.execute('ALTER PUBLICATION tandem_tandem ADD TABLES IN SCHEMA public, "By hand"')
        claim()
        assert pg.value(schemas) == 0
        assert pg.query("SELECT tablename FROM pg_publication_tables") == [("things",)]
    # What the table is a member for is its own: it was not read again.
    assert sum("chunk" in line for line in records(tandem)) == 1, records(tandem)


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_a_schema_that_was_not_published_for_a_while(deploy, pg, running):
    """Of others: nobody but the publication itself says that changes are missing."""
    if pg.server.version < 15:
        pytest.skip("publications have schemas from version 15 on")
    pg.execute(SCHEMA)
    pg.execute("CREATE PUBLICATION theirs FOR TABLES IN SCHEMA public")
    tandem = deploy(pg, config=THEIRS)
    tandem.sync()
    agent = tandem.start() if running else None
    # A look at the catalog between the two would end the agent: the table is not published then.
    pg.execute(
        "ALTER PUBLICATION theirs DROP TABLES IN SCHEMA public;"
        " UPDATE things SET name = 'unpublished' WHERE id = 3; DELETE FROM things WHERE id = 4;"
        " ALTER PUBLICATION theirs ADD TABLES IN SCHEMA public"
    )
    if running:
        eventually(lambda: equal(tandem, pg), 30, "the table is read again", alive=agent.alive)
        agent.stop()
    else:
        tandem.run_once().expect()
        assert equal(tandem, pg)


def test_updates_and_deletes_of_a_table_that_is_insert_only(deploy, pg):
    """A publication of others has them; so a log does not depend on who made the publication."""
    pg.execute(SCHEMA)
    pg.execute("CREATE PUBLICATION theirs FOR ALL TABLES")
    tandem = deploy(pg, config=THEIRS.replace("theirs}", "theirs, tables: {things: {insert_only: on}}}"))
    tandem.sync()
    before = replica(tandem)
    pg.execute("UPDATE things SET name = 'never seen' WHERE id = 1")
    pg.execute("UPDATE things SET id = 20 WHERE id = 2")
    pg.execute("DELETE FROM things WHERE id = 3")
    pg.execute("BEGIN; DELETE FROM things WHERE id = 4; INSERT INTO things VALUES (11, 'new'); COMMIT")
    tandem.run_once().expect()
    assert replica(tandem) == [*before, (11, "new")]
    pg.execute("TRUNCATE things; INSERT INTO things VALUES (12, 'after all')")
    tandem.run_once().expect()
    assert replica(tandem) == [(12, "after all")]


@pytest.mark.parametrize("other_postgres", ["18"], indirect=True)
@pytest.mark.parametrize("theirs", [True, False], ids=["theirs", "ours"])
@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_generated_columns_that_are_published(deploy, other_postgres, theirs, identity):
    """No chunk has them: a column that the stream alone knew would make each start read the table."""
    database = other_postgres.create("generated")
    try:
        database.execute(
            "CREATE TABLE things (twice integer GENERATED ALWAYS AS (id * 2) STORED, id integer PRIMARY KEY,"
            " upper text GENERATED ALWAYS AS (upper(name)) STORED, name text);"
            " INSERT INTO things (id, name) SELECT n, 'thing ' || n FROM generate_series(1, 10) AS n;"
            # Out of line, so that a change of its key leaves it unchanged.
            " ALTER TABLE things ALTER COLUMN name SET STORAGE EXTERNAL;"
            " INSERT INTO things (id, name) VALUES (50, repeat('long', 1000))"
        )
        database.execute(f"ALTER TABLE things REPLICA IDENTITY {identity}")
        if theirs:
            database.execute("CREATE PUBLICATION theirs FOR TABLE things")
        tandem = deploy(database, config=THEIRS if theirs else CONFIG)
        tandem.init()
        name = "theirs" if theirs else "tandem_tandem"
        database.execute(f"ALTER PUBLICATION {name} SET (publish_generated_columns = stored)")
        tandem.run_once().expect()
        for number in range(3):
            database.execute(f"INSERT INTO things (id, name) VALUES (1{number}0, 'new {number}')")
            database.execute(f"UPDATE things SET name = 'changed {number}' WHERE id = 1")
            database.execute(f"UPDATE things SET id = id + 1 WHERE id IN (5{number}, 1{number}0)")
            database.execute(f"DELETE FROM things WHERE id = {number + 2}")
            tandem.run_once().expect()
            assert equal(tandem, database)
        told = [line[:200] for line in records(tandem) if re.search("chunk|reread=true", line)]
        assert len(told) == 2 and "twice" not in told[0], told
    finally:
        other_postgres.drop("generated")
