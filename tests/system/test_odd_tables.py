"""Tables as SQLite allows them: odd keys, generated columns, cascades, triggers, REPLACE victims.

Every row becomes one item of all its columns in a local target, so the oracle is a plain SELECT.
"""

import random
import sqlite3

import pytest
from boto3.dynamodb.types import Binary

from eventually import eventually
from local_items import LocalItems
from oracle_chinook import attribute, present, short

SCHEMA = '''
CREATE TABLE folded (a TEXT COLLATE NOCASE, b INTEGER, v, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE bytes (k BLOB PRIMARY KEY NOT NULL, v);
CREATE TABLE untyped (k PRIMARY KEY NOT NULL, v);
CREATE TABLE strictly (id INTEGER PRIMARY KEY, n INT, t TEXT, r REAL, b BLOB, x ANY) STRICT;
CREATE TABLE generated (id INTEGER PRIMARY KEY, a INT, twice AS (a * 2), more AS (a + 1) STORED);
CREATE TABLE parent (id INTEGER PRIMARY KEY, v);
CREATE TABLE child (id INTEGER PRIMARY KEY, v,
  parent INTEGER REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE loose (id INTEGER PRIMARY KEY, v,
  parent INTEGER REFERENCES parent ON DELETE SET NULL ON UPDATE SET DEFAULT);
CREATE TABLE singles (id INTEGER PRIMARY KEY, u TEXT COLLATE NOCASE UNIQUE, w INT, v TEXT);
CREATE UNIQUE INDEX singles_positive ON singles (w) WHERE w > 0;
CREATE UNIQUE INDEX singles_lower ON singles (lower(v)) WHERE v NOT NULL;
CREATE TABLE "odd name; -- ""quoted""" (id INTEGER PRIMARY KEY, "select" TEXT, "a b" INT);
CREATE TABLE counted (id INTEGER PRIMARY KEY, v INT);
CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT);
CREATE TRIGGER counted_after AFTER UPDATE ON counted BEGIN
  INSERT INTO audit (what) VALUES ('update ' || new.id || ' to ' || coalesce(new.v, 'nothing'));
  UPDATE counted SET v = v + 100 WHERE id = new.id AND new.v < 50;
END;
CREATE TRIGGER counted_before BEFORE DELETE ON counted BEGIN
  DELETE FROM audit WHERE id % 5 = old.id % 5;
END;
'''

ODD = 'odd name; -- "quoted"'
KEYS = {
    "folded": ["a", "b"], "bytes": ["k"], "untyped": ["k"], "strictly": ["id"],
    "generated": ["id"], "parent": ["id"], "child": ["id"], "loose": ["id"], "singles": ["id"],
    ODD: ["id"], "counted": ["id"], "audit": ["id"],
}


def config():
    """One document a table; the bytes table's items have bytes for a key."""
    lines = [
        'source: {type: sqlite, path: "${LEGACY_DB}"}',
        'state: "${TANDEM_STATE}"',
        "target:",
        "  type: local",
        '  path: "${ITEMS}"',
        "  tables: {Rows: {key: [PK]}, Bytes: {key: [PK]}}",
        "documents:",
    ]
    for number, (table, key) in enumerate(KEYS.items()):
        target, template = "Rows", f"{number}" + "".join("#{" + column + "}" for column in key)
        if table == "bytes":
            target, template = "Bytes", "{k}"
        root = "'" + table.replace("'", "''") + "'"
        lines.append(
            f"  d{number}: {{table: {target}, root: {root}, item: {{PK: '{template}', $columns: all}}}}"
        )
    return "\n".join(lines) + "\n"


def expected(path):
    items = {"Rows": {}, "Bytes": {}}
    connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None, timeout=20)
    connection.execute("BEGIN")
    for number, (table, key) in enumerate(KEYS.items()):
        quoted = '"' + table.replace('"', '""') + '"'
        cursor = connection.execute(f"SELECT * FROM {quoted}")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            item = present(**{name: attribute(value) for name, value in zip(names, row)})
            if table == "bytes":
                target, item["PK"] = "Bytes", item["k"]
                place = bytes(item["k"].value)
            else:
                target, item["PK"] = "Rows", f"{number}" + "".join(f"#{item[c]}" for c in key)
                place = item["PK"]
            items[target][place] = item
    connection.close()
    return items


def found(target):
    items = {}
    for table in ("Rows", "Bytes"):
        by_key = {key[0]: item for key, item in target.scan(table).items()}
        items[table] = {bytes(k.value) if isinstance(k, Binary) else k: v for k, v in by_key.items()}
    return items


def check(path, target):
    want, have = expected(path), found(target)
    lines = [
        f"{table} {key!r}: expected {short(want[table].get(key))}, found {short(have[table].get(key))}"
        for table in want
        for key in sorted(want[table].keys() | have[table].keys(), key=str)
        if want[table].get(key) != have[table].get(key)
    ]
    assert not lines, "\n".join(lines[:20])
    return True


class Writer:
    def __init__(self, path, seed):
        self.random = random.Random(seed)
        self.connection = sqlite3.connect(path, timeout=30, isolation_level=None)

    def statements(self, pick, number):
        """One random statement a call; `number` gives small numbers, so that rows collide."""
        letters = pick(["a", "A", "b", "B", "ß", "é", "É", ""])
        key = pick([number(), f"k{number()}", number() + 0.5])
        yield "INSERT OR REPLACE INTO folded VALUES (?, ?, ?)", letters, number(), number()
        yield "UPDATE OR REPLACE folded SET a = ?, b = ? WHERE b = ?", letters, number(), number()
        yield "UPDATE OR IGNORE folded SET a = upper(a) WHERE b = ?", number()
        yield "DELETE FROM folded WHERE b = ? AND a = ?", number(), letters
        yield "REPLACE INTO bytes VALUES (?, ?)", bytes([1, number()]), None
        yield "UPDATE OR REPLACE bytes SET k = ? WHERE k = ?", bytes([1, number()]), bytes([1, number()])
        yield "INSERT INTO untyped VALUES (?1, 1) ON CONFLICT DO UPDATE SET v = v + 1", key
        yield "UPDATE OR REPLACE untyped SET k = ? WHERE k = ?", key, number()
        yield ("INSERT OR REPLACE INTO strictly VALUES (?, ?, ?, ?, ?, ?)", number(), 2**60 + number(),
               letters, number() / 7, b"\0" + bytes([number()]), pick([1, "x", 2.5, b"y", None]))
        yield "INSERT OR REPLACE INTO generated (id, a) VALUES (?, ?)", number(), number()
        yield "UPDATE generated SET a = a + 1 WHERE id < ?", number()
        yield "INSERT OR IGNORE INTO parent VALUES (?, ?)", number(), letters
        yield "INSERT OR REPLACE INTO parent VALUES (?, ?)", number(), letters
        yield "UPDATE OR IGNORE parent SET id = ? WHERE id = ?", number(), number()
        yield "DELETE FROM parent WHERE id = ?", number()
        yield "INSERT OR REPLACE INTO child SELECT ?, ?, max(id) FROM parent", number(), letters
        yield "INSERT OR REPLACE INTO loose SELECT ?, ?, max(id) FROM parent", number(), letters
        yield ("INSERT OR REPLACE INTO singles VALUES (?, ?, ?, ?)", number(), pick([None, letters]),
               number() - 4, pick([None, f"V{number()}", f"v{number()}"]))
        yield "UPDATE OR REPLACE singles SET w = ?, u = ? WHERE id = ?", number(), letters, number()
        yield "UPDATE OR REPLACE singles SET id = ? WHERE id = ?", number(), number()
        yield "INSERT INTO singles VALUES (?, ?, 0, NULL) ON CONFLICT DO UPDATE SET w = -1", number(), letters
        yield f'REPLACE INTO "{ODD.replace(chr(34), chr(34) * 2)}" VALUES (?, ?, ?)', number(), letters, number()
        yield "INSERT OR REPLACE INTO counted VALUES (?, ?)", number(), number()
        yield "UPDATE counted SET v = ? WHERE id = ?", number(), number()
        yield "DELETE FROM counted WHERE id = ?", number()

    def transaction(self):
        number = lambda: self.random.randrange(12)  # noqa: E731
        for setting in ("foreign_keys", "recursive_triggers"):
            self.connection.execute(f"PRAGMA {setting} = {self.random.randrange(2)}")
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in self.random.choices(
                list(self.statements(self.random.choice, number)), k=self.random.randrange(1, 9)
            ):
                self.connection.execute(statement[0], statement[1:])
            self.connection.execute("COMMIT")
        except sqlite3.IntegrityError:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")


@pytest.fixture
def odd(deploy, tmp_path):
    path = tmp_path / "odd.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA)
    connection.close()
    tandem = deploy(path, config=config())
    tandem.target = LocalItems(tandem.environment["ITEMS"])
    return tandem


def test_random_writes_beside_an_agent(odd, seed):
    writer = Writer(odd.source, seed)
    for _ in range(40):
        writer.transaction()
    odd.init()
    agent = odd.start()
    for number in range(40):
        for _ in range(15):
            writer.transaction()
        eventually(lambda: check(odd.source, odd.target), 30, f"round {number}", alive=agent.alive)
    agent.stop()
    odd.run("verify", "--deep").expect()


@pytest.mark.quick
def test_random_writes_between_runs(odd, seed):
    writer = Writer(odd.source, seed)
    odd.init()
    for _ in range(8):
        for _ in range(30):
            writer.transaction()
        odd.run_once().expect()
        check(odd.source, odd.target)
