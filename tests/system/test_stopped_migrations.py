"""What the application does to its tables while no agent runs: the next `run --once` knows of it
before it says that all is right, although no row was logged as changed."""

import pytest

from database import opened
from deployment import DIFFERENCES, DONE
from local_items import LocalItems

ROUNDS = 6  # an agent that ends too soon does so by a race
ROWS = 3000

CONFIG = """
source: {type: sqlite, path: "${LEGACY_DB}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Rows: {key: [PK]}}}
documents:
  row: {table: Rows, root: T, item: {PK: "T#{Id}", $columns: all}}
"""


def rebuild(connection, number):
    """As SQLite's documentation tells it, for a change that ALTER TABLE can't do."""
    connection.execute("CREATE TABLE Fresh (Id INTEGER PRIMARY KEY, V)")
    connection.execute("INSERT INTO Fresh SELECT Id, ? FROM T", (f"round {number}",))
    connection.execute("DROP TABLE T")
    connection.execute("ALTER TABLE Fresh RENAME TO T")


def lose_the_triggers(connection, number):
    triggers = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'T'"
    ).fetchall()
    for (name,) in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    connection.execute("UPDATE T SET V = ?", (f"round {number}",))


def add_a_column(connection, number):
    connection.execute(f"ALTER TABLE T ADD COLUMN C{number} DEFAULT 'round {number}'")


def drop_a_column(connection, _):
    connection.execute("ALTER TABLE T DROP COLUMN V")


@pytest.fixture
def stopped(deploy, tmp_path):
    path = tmp_path / "app.db"
    with opened(path) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE T (Id INTEGER PRIMARY KEY, V)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO T VALUES (?, 'old')", ((i,) for i in range(ROWS)))
        connection.execute("COMMIT")
    tandem = deploy(path, config=CONFIG)
    tandem.sync()
    return tandem


def migrate(tandem, migration, number):
    with opened(tandem.source) as connection:
        connection.execute("BEGIN")
        migration(connection, number)
        connection.execute("COMMIT")


@pytest.mark.parametrize("migration", [rebuild, lose_the_triggers, add_a_column])
def test_a_run_once_heeds_what_was_done_while_no_agent_ran(stopped, migration):
    for number in range(ROUNDS):
        migrate(stopped, migration, number)
        stopped.run_once().expect(DONE)
        items = LocalItems(stopped.environment["ITEMS"]).scan("Rows")
        stale = [key for key, item in items.items() if f"round {number}" not in item.values()]
        assert len(items) == ROWS and not stale, f"{len(stale)} stale items in round {number}"


@pytest.mark.parametrize("migration", [rebuild, lose_the_triggers, add_a_column, drop_a_column])
def test_verify_knows_of_what_was_done_while_no_agent_ran(stopped, migration):
    """A new column is in no row that the replica knows: rows alone do not tell."""
    migrate(stopped, migration, 1)
    said = stopped.run("verify", "--deep").expect(DIFFERENCES)
    assert "agree" not in said.out, str(said)
    if migration in (add_a_column, drop_a_column):
        assert "table T has other columns" in said.out and "run --once" in said.out, str(said)
        assert stopped.run("verify", "--json").expect(DIFFERENCES).json["tables_changed"] == ["T"]
    stopped.run_once().expect(DONE)
    stopped.run("verify", "--deep").expect(DONE)


def test_verify_beside_an_agent_waits_until_new_columns_are_captured(stopped):
    agent = stopped.start()
    for number in range(4):
        migrate(stopped, add_a_column, number)
        said = stopped.run("verify", "--deep", "--json").expect(DONE, DIFFERENCES).json
        assert not said["tables_changed"] and not said["row_differences"], said
    agent.stop()
    stopped.run("verify", "--deep").expect(DONE)
