"""A row whose primary key is null, as SQLite allows it: one clear message, and nothing is lost."""

from database import opened
from deployment import DONE, FAILED
from local_items import LocalItems

CONFIG = """
source: {type: sqlite, path: "${LEGACY_DB}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Rows: {key: [PK]}}}
documents:
  word: {table: Rows, root: Word, item: {PK: "word#{W}", $columns: all}}
  note: {table: Rows, root: Note, item: {PK: "note#{Id}", $columns: all}}
"""


def test_a_row_without_a_key(deploy, tmp_path):
    path = tmp_path / "words.db"
    with opened(path) as connection:
        connection.execute("CREATE TABLE Word (W TEXT PRIMARY KEY, N INT)")
        connection.execute("CREATE TABLE Note (Id INTEGER PRIMARY KEY, T TEXT)")
        connection.execute("INSERT INTO Word VALUES ('one', 1)")
    tandem = deploy(path, config=CONFIG)
    tandem.sync()
    with opened(path) as connection:
        connection.execute("INSERT INTO Word VALUES (NULL, 2)")
        connection.execute("INSERT INTO Word VALUES ('three', 3)")
        connection.execute("INSERT INTO Note VALUES (1, 'meanwhile')")
    for command in (["run", "--once"], ["check"]):
        result = tandem.run(*command).expect(FAILED)
        said = result.err + result.out
        assert "null in" in said and 'SELECT * FROM "Word" WHERE "W" IS NULL' in said, str(result)
    with opened(path) as connection:
        connection.execute("UPDATE Word SET W = 'two' WHERE W IS NULL")
    tandem.run_once().expect(DONE)
    items = LocalItems(tandem.environment["ITEMS"]).scan("Rows")
    assert sorted(key[0] for key in items) == ["note#1", "word#one", "word#three", "word#two"]
    tandem.run("verify", "--deep").expect(DONE)
