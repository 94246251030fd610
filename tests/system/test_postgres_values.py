"""The value matrix: what PostgreSQL calls the text of a value is what the log and the replica carry.

Every type's edge values go by snapshot, insert, update, delete, key change and unchanged TOAST, under
each replica identity. PostgreSQL itself is the judge: what came out is handed back to it as text and
must have the same output as what went in; and what came by snapshot equals what came by stream.
"""

import collections
import contextlib
import decimal
import json
import sqlite3

import psycopg
import pytest

from postgres_values import EXTENSIONS, LONG, OUT_OF_LINE, PREPARE, VALUES

CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}"TABLES}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  value: {table: Items, root: matrix, item: {PK: "{id}"}}
"""

# What makes PostgreSQL take our SQL and put a value out as the agent asks for it.
SESSION = """SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET datestyle = 'ISO, YMD';
    SET intervalstyle = 'postgres'; SET extra_float_digits = 1; SET timezone = 'UTC'; SET bytea_output = 'hex';
    SET lc_monetary = 'C'; SET xmlbinary = 'base64'; SET xmloption = 'content'; SET array_nulls = on;
    SET quote_all_identifiers = off; SET search_path = public"""

# Of the database's own and of the role's own in it: they must change no byte.
OF_DATABASE = ["datestyle = 'German, DMY'", "intervalstyle = 'sql_standard'", "extra_float_digits = -3",
               "timezone = 'Asia/Kathmandu'", "bytea_output = 'escape'"]
OF_ROLE = ["client_encoding = 'LATIN1'", "intervalstyle = 'iso_8601'", "extra_float_digits = -15", "xmlbinary = 'hex'",
           "xmloption = 'document'", "standard_conforming_strings = off", "quote_all_identifiers = on",
           "array_nulls = off", "search_path = pg_temp", "lc_monetary = 'en_US.UTF-8'"]


def spoil_settings(database):
    """What sessions of this database begin with from here on."""
    with database.connect() as connection:
        for setting in OF_DATABASE:
            connection.execute(f'ALTER DATABASE "{database.name}" SET {setting}')
        for setting in OF_ROLE:
            # The server takes only locales that its machine has.
            with contextlib.suppress(psycopg.errors.InvalidParameterValue if "lc_" in setting else ()):
                connection.execute(f'ALTER ROLE postgres IN DATABASE "{database.name}" SET {setting}')


def session(database, **options):
    connection = database.connect(client_encoding="UTF8", **options)
    connection.execute(SESSION)
    return connection


def columns():
    return [(f"c{number}", kind) for number, kind in enumerate(VALUES)]


def edge(kind, number):
    """The kind's edge values again and again; null in between."""
    values = VALUES[kind]
    place = number % (len(values) + 1)
    return f"({values[place]})::{kind}" if place < len(values) else "NULL"


def make_matrix(database, identity):
    with session(database) as connection:
        for extension in EXTENSIONS:
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        connection.execute(PREPARE)
        listed = ", ".join(f"{name} {kind}" for name, kind in columns())
        key = "" if identity == "full without a key" else " PRIMARY KEY"
        connection.execute(f"CREATE TABLE matrix (id integer NOT NULL{key}, other integer NOT NULL, {listed})")
        # Out of line, whatever its size: unchanged values are not in the stream.
        for name, kind in columns():
            if kind in OUT_OF_LINE:
                connection.execute(f"ALTER TABLE matrix ALTER COLUMN {name} SET STORAGE EXTERNAL")
        if identity == "full without a key":
            connection.execute("CREATE UNIQUE INDEX ON matrix (id)")
        if identity.startswith("full"):
            connection.execute("ALTER TABLE matrix REPLICA IDENTITY FULL")
        elif identity == "nothing":
            connection.execute("ALTER TABLE matrix REPLICA IDENTITY NOTHING")
        elif identity == "index":
            connection.execute("CREATE UNIQUE INDEX matrix_other ON matrix (other)")
            connection.execute("ALTER TABLE matrix REPLICA IDENTITY USING INDEX matrix_other")
    spoil_settings(database)


def insert(connection, first, count, table="matrix"):
    for number in range(first, first + count):
        values = ", ".join(edge(kind, number) for _, kind in columns())
        connection.execute(f"INSERT INTO {table} VALUES ({number}, {number}, {values})")


def rows_of(tandem):
    """{id: {column: value}} of the replica, as sqlite3 reads it."""
    with contextlib.closing(sqlite3.connect(tandem.state / "replica.db", timeout=20)) as replica:
        replica.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        cursor = replica.execute("SELECT * FROM matrix")
        names = [column[0] for column in cursor.description]
        return {row[0]: dict(zip(names, row)) for row in cursor}


def typed(value):
    """A value as text that PostgreSQL's input function takes."""
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float):
        return repr(value)
    return None if value is None else str(value)


def digits(text):
    """Of a number: its sign, digits and exponent, however it is written."""
    return decimal.Decimal(text).normalize().as_tuple()


def judged(database, rows):
    """PostgreSQL compares, by its own output: the same text, and for text kinds the same bytes."""
    wrong = []
    with session(database, autocommit=False) as connection:
        found = connection.execute("SELECT id FROM matrix").fetchall()
        assert {number for (number,) in found} == set(rows), "the rows themselves differ"
        both = ", ".join(f"{name}, %s::{kind}" for name, kind in columns())
        for number, row in rows.items():
            texts = [typed(row[name]) for name, _ in columns()]
            result = connection.execute(f"SELECT {both} FROM matrix WHERE id = %s", (*texts, number)).pgresult
            answers = [result.get_value(0, place) for place in range(2 * len(texts))]
            answers = [value if value is None else value.decode() for value in answers]
            for (name, kind), theirs, again in zip(columns(), answers[::2], answers[1::2]):
                if theirs != again:
                    wrong.append(f"{kind} of row {number}: {theirs!r:.80} became {row[name]!r:.80}")
                elif isinstance(row[name], float) and digits(repr(row[name])) != digits(theirs):
                    wrong.append(f"{kind} of row {number}: the digits are {theirs}, not {row[name]!r}")
                elif isinstance(row[name], str) and row[name] != theirs:
                    wrong.append(f"{kind} of row {number}: the text is {theirs!r:.80}, not {row[name]!r:.80}")
    assert not wrong, f"{len(wrong)} values differ:\n" + "\n".join(wrong[:40])


class Witness:
    """A slot beside Tandem's: what the stream has, whatever Tandem makes of it."""

    def __init__(self, database):
        self.database = database
        self.publication = database.value("SELECT pubname FROM pg_publication")
        with session(database) as connection:
            connection.execute("SELECT pg_create_logical_replication_slot('witness', 'pgoutput')")

    def left_out(self):
        """The names of the columns whose values some update left out."""
        with session(self.database) as connection:
            taken = connection.execute(
                "SELECT data FROM pg_logical_slot_get_binary_changes('witness', NULL, NULL,"
                " 'proto_version', '1', 'publication_names', %s)", [self.publication]).fetchall()
        names, found = [], set()
        for (message,) in taken:
            if message[:1] == b"R":
                names = _names(message)
            elif message[:1] == b"U":
                found |= {name for name, kind in zip(names, _new_tuple(message), strict=True) if kind == b"u"}
        return found


class Bytes:
    """A message of pgoutput from byte to byte."""

    def __init__(self, message, at):
        self.message, self.at = message, at

    def take(self, count):
        self.at += count
        return self.message[self.at - count : self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def string(self):
        return self.take(self.message.index(0, self.at) + 1 - self.at)[:-1].decode()


def _names(relation):
    """'R', oid, schema, table, identity, count; a column is flags, name, type, modifier."""
    rest = Bytes(relation, 5)
    rest.string(), rest.string(), rest.take(1)
    names = []
    for _ in range(rest.number(2)):
        rest.take(1)
        names.append(rest.string())
        rest.take(8)
    return names


def _new_tuple(update):
    """'U', oid, perhaps 'K' or 'O' and the old tuple, 'N' and the new one, of which this is the kinds."""
    rest = Bytes(update, 5)
    while True:
        which, kinds = rest.take(1), []
        for _ in range(rest.number(2)):
            kinds.append(rest.take(1))
            if kinds[-1] == b"t":
                rest.take(rest.number(4))
        if which == b"N":
            return kinds


def unchanged(value):
    return value == {"unchanged": True}


class Log:
    """What the log carries, followed record by record: `rows` is what it makes of the table."""

    def __init__(self, tandem, key):
        self.tandem, self.key = tandem, key
        self.offset, self.rows = 0, {}

    def follow(self):
        """Takes the records that are new. Returns how many of each kind there were."""
        kinds = collections.Counter()
        shown = self.tandem.run("log", "show", "--json", "--from", str(self.offset + 1)).expect().out
        for record in map(json.loads, shown.splitlines()):
            self.offset = record["offset"]
            if record["record"] == "chunk":
                kinds["snapshot"] += 1
                if record["from"] is None:
                    self.rows.clear()  # the table's first
                self.rows |= {row[self.key]: row for row in record["rows"]}
            elif record["record"] == "change":
                kinds.update(self._take(**{name: record[name] for name in ("op", "key_before", "after")}))
        return kinds

    def _take(self, op, key_before, after):
        if op == "d":
            del self.rows[key_before[self.key]]
            return ["delete"]
        key = after[self.key]
        if op == "c":
            assert key not in self.rows, f"row {key} is there already"
            assert not any(map(unchanged, after.values())), after
            self.rows[key] = after
            return ["insert"]
        assert op == "u", op
        former = self.rows.pop(key_before[self.key] if key_before else key)
        self.rows[key] = {name: former[name] if unchanged(value) else value for name, value in after.items()}
        return ["key change" if key_before else "update"] + ["unchanged"] * any(map(unchanged, after.values()))

    def compare(self, replica):
        """Value by value, kind of value by kind of value."""
        rows = {row["id"]: row for row in self.rows.values()}
        assert set(rows) == set(replica)
        for number, row in replica.items():
            for name, value in row.items():
                want = {"hex": value.hex()} if isinstance(value, bytes) else value
                assert repr(rows[number][name]) == repr(want), (number, name, rows[number][name], want)


COUNT = 1 + max(map(len, VALUES.values()))  # rows: the longest list of values, and the null


@pytest.mark.parametrize("identity", ["default", "full", "index", "full without a key", "nothing"])
def test_every_value_by_every_way(deploy, pg, identity):
    make_matrix(pg, identity)
    settings = {"full without a key": "key: [id]", "nothing": "insert_only: on"}.get(identity)
    tables = f", tables: {{matrix: {{{settings}}}}}" if settings else ""
    tandem = deploy(pg, config=CONFIG.replace("TABLES", tables))
    log = Log(tandem, key="other" if identity == "index" else "id")

    def compared(*ways):
        """Replica against PostgreSQL, and the log, in which the changes came by these ways alone."""
        replica = rows_of(tandem)
        judged(pg, replica)
        assert set(log.follow()) == set(ways)
        log.compare(replica)
        return replica

    with session(pg) as connection:
        insert(connection, 1, COUNT)
        tandem.sync()
        compared("snapshot")

        insert(connection, 101, COUNT)
        tandem.run_once().expect()
        rows = compared("insert")
        for number in range(1, COUNT + 1):
            for name, kind in columns():
                if (100 + number) % (len(VALUES[kind]) + 1) == number % (len(VALUES[kind]) + 1):
                    one, other = rows[number][name], rows[100 + number][name]
                    assert repr(one) == repr(other) and type(one) is type(other), (
                        f"{kind}: {one!r} by snapshot, {other!r} by stream"
                    )

        if identity != "nothing":
            for number in range(1, COUNT + 1):  # updates that give each column its next value
                sets = ", ".join(f"{name} = {edge(kind, number + 1)}" for name, kind in columns())
                connection.execute(f"UPDATE matrix SET {sets} WHERE id = {number}")
            tandem.run_once().expect()
            compared("update")

            witness = Witness(pg)
            # With the old row at hand there is nothing that the log would not know.
            kept = [] if identity.startswith("full") else ["unchanged"]
            connection.execute("UPDATE matrix SET c0 = 5 WHERE id > 100")  # all else stays, TOAST unchanged
            tandem.run_once().expect()
            compared("update", *kept)
            missing = set(OUT_OF_LINE) - {dict(columns())[name] for name in witness.left_out()}
            assert not missing, f"no value of these was left out: {missing}"
            connection.execute("UPDATE matrix SET id = id + 1000, other = other + 1000 WHERE id > 100")
            tandem.run_once().expect()
            compared("key change", *kept)
            assert {dict(columns())[name] for name in witness.left_out()} >= set(OUT_OF_LINE)

            connection.execute("DELETE FROM matrix WHERE id % 2 = 0")
            tandem.run_once().expect()
            rows = compared("delete")

        tandem.run("snapshot", "matrix").expect()  # the same again by snapshot: nothing is different
        tandem.run_once().expect()
        after = compared("snapshot")
        assert {n: {c: repr(v) for c, v in row.items()} for n, row in after.items()} == {
            n: {c: repr(v) for c, v in row.items()} for n, row in rows.items()
        }


def test_keys_of_every_kind_that_can_be_one(deploy, pg):
    """A key's own text finds its row again: by update, by delete, and in a second snapshot."""
    pg.execute("CREATE EXTENSION IF NOT EXISTS citext; CREATE EXTENSION IF NOT EXISTS ltree;" + PREPARE)
    kinds = ["int8", "numeric", "float8", "bool", "char(5)", "text", "bytea", "date", "timestamptz", "interval",
             "uuid", "mood", "positive", "inet", "int4range", "text[]", "citext", "ltree", "pg_lsn", "jsonb", "timetz"]
    documents, tables = [], {}
    with pg.connect() as connection:
        for number, kind in enumerate(kinds):
            table = tables[f"k{number}"] = kind
            connection.execute(f"CREATE TABLE k{number} (id {kind} PRIMARY KEY, n integer)")
            for place, value in enumerate(VALUES[kind]):
                if value != OUT_OF_LINE.get(kind) and "4000" not in value:
                    connection.execute(f"INSERT INTO k{number} VALUES (({value})::{kind}, {place}) ON CONFLICT DO NOTHING")
            documents.append(f"  d{number}: {{table: Items, root: k{number}, item: {{PK: \"{number}#{{n}}\"}}}}")
    config = CONFIG.replace("TABLES", "").split("documents:")[0] + "documents:\n" + "\n".join(documents) + "\n"
    tandem = deploy(pg, config=config)
    tandem.sync()

    def compared():
        with contextlib.closing(sqlite3.connect(tandem.state / "replica.db")) as replica, pg.connect() as connection:
            connection.execute(SESSION)
            for table, kind in tables.items():
                have = replica.execute(f"SELECT id, n FROM {table} ORDER BY n").fetchall()
                want = connection.execute(f"SELECT id::text, n FROM {table} ORDER BY n").fetchall()
                again = [(connection.execute(f"SELECT (%s::text)::{kind}::text", (typed(bool(key) if kind == "bool" else key),)).fetchone()[0], n) for key, n in have]
                assert again == want, f"{kind}: {again} instead of {want}"

    compared()
    for table in tables:
        pg.execute(f"UPDATE {table} SET n = n + 100")
    tandem.run_once().expect()
    compared()
    for table in tables:
        pg.execute(f"DELETE FROM {table} WHERE n % 2 = 0")
    tandem.run_once().expect()
    compared()
    for table in tables:
        tandem.run("snapshot", table).expect()
    tandem.run_once().expect()
    compared()


@pytest.mark.parametrize("identity", ["default", "full"])
def test_keys_that_are_swapped_by_one_statement(deploy, pg, identity):
    """A deferrable key lets `SET id = 3 - id` through; only FULL lets such a table be published."""
    deferrable = "" if identity == "default" else " DEFERRABLE INITIALLY DEFERRED"
    pg.execute(f"CREATE TABLE matrix (id integer PRIMARY KEY{deferrable}, body text, long text)")
    pg.execute("ALTER TABLE matrix ALTER COLUMN long SET STORAGE EXTERNAL")
    if identity == "full":
        pg.execute("ALTER TABLE matrix REPLICA IDENTITY FULL")
    pg.execute(f"INSERT INTO matrix VALUES (1, 'one', {LONG}), (2, 'two', {LONG} || '2')")
    tandem = deploy(pg, config=CONFIG.replace("TABLES", ""))
    tandem.sync()
    if identity == "full":
        pg.execute("UPDATE matrix SET id = 3 - id")
    else:
        pg.execute("UPDATE matrix SET id = -1 WHERE id = 1; UPDATE matrix SET id = 1 WHERE id = 2;"
                   " UPDATE matrix SET id = 2 WHERE id = -1")
    tandem.run_once().expect()
    want = {row[0]: row for row in pg.query("SELECT id, body, long FROM matrix")}
    have = {number: tuple(row.values()) for number, row in rows_of(tandem).items()}
    assert have == want and have[1][1] == "two"


def test_what_dynamodb_cannot_hold_is_a_dead_letter(deploy, pg, dynamodb):
    pg.execute("CREATE TABLE matrix (id integer PRIMARY KEY, n numeric, f float8)")
    pg.execute("INSERT INTO matrix VALUES (1, 1.50, 0.1), (2, 'NaN', 0), (3, 0, 'Infinity'),"
               " (4, 123456789012345678901234567890123456789, 0), (5, NULL, NULL)")
    config = """
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: dynamodb, region: us-east-1, endpoint: "${DYNAMODB_ENDPOINT}", tables: {Items: {key: [PK]}, Texts: {key: [PK]}}}
documents:
  number: {table: Items, root: matrix, item: {PK: "{id:pad(1)}", $columns: all}}
  text: {table: Texts, root: matrix, item: {PK: "{id:pad(1)}", n: {$value: "{n}", as: string}, f: {$value: "{f}", as: string}}}
"""
    tandem = deploy(pg, config=config, endpoint=dynamodb.endpoint)
    tandem.init()
    tandem.run_once().expect(3)
    letters = tandem.run("dead-letters", "list", "--json").expect(3).json
    assert sorted(letter["row"] for letter in letters) == ["matrix 2", "matrix 3", "matrix 4"], letters
    texts = {item["PK"]: item.get("n") for item in dynamodb.scan_raw("Texts")}
    assert texts == {"1": "1.50", "2": "NaN", "3": "0", "4": "123456789012345678901234567890123456789", "5": None}
    pg.execute("UPDATE matrix SET n = 1, f = 1 WHERE id > 1")
    tandem.run_once().expect()
