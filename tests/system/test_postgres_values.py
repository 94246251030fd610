"""The value matrix: what PostgreSQL calls the text of a value is what the log and the replica carry.

Every type's edge values go by snapshot, insert, update, delete, key change and unchanged TOAST, under
each replica identity. PostgreSQL itself is the judge: what came out is handed back to it as text and
must have the same output as what went in; and what came by snapshot equals what came by stream.
"""

import collections
import contextlib
import json
import sqlite3

import pytest

EXTENSIONS = ("hstore", "citext", "ltree")
PREPARE = """
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine", really');
    CREATE TYPE pair AS (a integer, b text);
    CREATE TYPE nested AS (p pair, more integer[]);
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE DOMAIN short_text AS varchar(10);
"""
LONG = "repeat('0123456789abcdef', 4000)"

# type -> SQL expressions of edge values
VALUES = {
    "int2": ["-32768", "0", "32767"],
    "int4": ["-2147483648", "2147483647"],
    "int8": ["-9223372036854775808", "9007199254740993", "9223372036854775807"],
    "oid": ["0", "4294967295"],
    "numeric": ["0", "0.0", "-0.10", "1.00", "'NaN'", "'Infinity'", "'-Infinity'", "1e100", "1e-100",
                "99999999999999999999999999999999999999999.000000000000000000000000000000000000001", "10::numeric ^ 4000"],
    "numeric(10,2)": ["0", "-12345678.90", "0.01"],
    "float4": ["0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "3.4028235e38", "1e-45", "0.1", "16777217", "1.5e-7"],
    "float8": ["0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "1.7976931348623157e308", "5e-324", "0.1", "1e22",
               "9007199254740993", "1e15", "1e16", "0.30000000000000004", "123456789.123"],
    "money": ["'0'", "'-92233720368547758.08'", "'1234567.89'"],
    "bool": ["true", "false"],
    "char(5)": ["''", "'ab'", "'ab   '", "'ünï'"],
    "varchar(20)": ["''", "'  '", "'trailing  '"],
    "text": ["''", "'NULL'", "'\\N'", r"E'\\'", r"E'\t\n\r\b\f\v\x01'",
             r"E'\\.'", "'{braces}'", "'\"quotes\" and ''more'''", "'🎷 東京 é'", "U&'\\FFFF'", LONG],
    '"char"': ["'a'", "''", "'\\377'"],
    "name": ["'a name'", "''"],
    "bytea": ["''", r"'\x00ff'", r"'\x5c4e'", "decode(repeat('00ff', 3000), 'hex')"],
    "date": ["'2024-02-29'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'4713-01-01 BC'", "'10000-01-01'", "'5874897-12-31'"],
    "time": ["'00:00'", "'24:00'", "'23:59:59.999999'", "'12:00:00.5'"],
    "timetz": ["'00:00+00'", "'24:00-12:30'", "'12:34:56.789+05:53:28'", "'23:59:59+14'"],
    "timestamp": ["'2024-02-29 12:34:56.789'", "'infinity'", "'-infinity'", "'0044-03-15 00:00 BC'", "'294276-12-31 23:59:59.999999'", "'2021-01-01'"],
    "timestamptz": ["'2024-07-01 00:00:00+02'", "'infinity'", "'-infinity'", "'0001-01-01 00:00:00+00'", "'12345-01-01 00:00:00+00'",
                    "'1880-01-01 00:00:00+00'", "'2024-02-29 12:34:56.789123+00'", "'4713-01-01 00:00+00 BC'"],
    "interval": ["'0'", "'1 year 2 months -3 days 04:05:06.789'", "'-178000000 years'", "'00:00:00.000001'", "'1 day -00:00:01'"],
    "uuid": ["'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'"],
    "json": ["'null'", "'{\"b\":1,  \"a\" : [1.0, 1e400, -0], \"a\": null}'", "'\"\\u00e9\"'", "'\"a \\\\u0000 b\"'"],
    "jsonb": ["'null'", "'{\"b\": 1, \"a\": [1.00, 12345678901234567890.123456789]}'", "'[]'", "'\"text\"'",
              "jsonb_build_object('long', " + LONG + ")"],
    "mood": ["'sad'", "'it''s \"fine\", really'"],
    "positive": ["1", "2147483647"],
    "short_text": ["''", "'ten chars!'"],
    "pair": ["ROW(1, 'x')", "ROW(NULL, NULL)", "ROW(NULL, '')", "ROW(2, 'com,ma \"q\" (p) \\ b')"],
    "nested": ["ROW(ROW(1, 'in \"ner'), ARRAY[1, NULL])", "ROW(NULL, '{}')"],
    "int4range": ["'empty'", "'[1,5)'", "'(,)'", "'[3,]'"],
    "numrange": ["'[1.0,1.50]'", "'(0.1,)'"],
    "tstzrange": ["'[2024-01-01 00:00+00,infinity)'", "'(,2024-01-01 00:00+00]'"],
    "int4multirange": ["'{}'", "'{[1,2),[5,9)}'"],
    "datemultirange": ["'{[2024-01-01,2024-02-01),[2024-03-01,)}'"],
    "int4[]": ["'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[2:3]={7,8}'", "'[-1:0][5:5]={{1},{2}}'"],
    "text[]": [r"""ARRAY[NULL, 'NULL', '', ' ', 'a,b', '{}', 'quo"te', 'back\slash']""", "ARRAY[E'new\\nline', 'é']"],
    "numeric[]": ["'{1.00,NaN,NULL}'"],
    "bytea[]": [r"ARRAY['\x00'::bytea, '\xff5c'::bytea, NULL]"],
    "bool[]": ["'{t,f,NULL}'"],
    "pair[]": ["ARRAY[ROW(1, 'a,b')::pair, NULL]"],
    "timestamptz[]": ["ARRAY['infinity'::timestamptz, '2024-01-01 00:00+00']"],
    "inet": ["'127.0.0.1'", "'10.1.2.3/8'", "'::1'", "'fe80::1/64'"],
    "cidr": ["'10.0.0.0/8'", "'2001:db8::/32'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "macaddr8": ["'08:00:2b:ff:fe:01:02:03'"],
    "bit(5)": ["B'00000'", "B'10101'"],
    "varbit": ["B''", "B'1011001'"],
    "xml": ["'<a b=\"1\">x &amp; y</a>'", "'text only'"],
    "tsvector": ["'fat:1A cat:2,3B \"it''''s\"'", "''"],
    "tsquery": ["'fat & !cat <-> dog:*'"],
    "hstore": ["''", "'a=>1, b=>NULL, \"c d\"=>\"NULL\"'"],
    "citext": ["'CaSe'", "''"],
    "ltree": ["'Top.Science.x_1'", "''"],
    "pg_lsn": ["'0/0'", "'FFFFFFFF/FFFFFFFF'"],
    "point": ["'(1.5,-0)'", "'(NaN,Infinity)'"],
    "line": ["'{1,2,3}'"],
    "lseg": ["'[(0,0),(1e300,1)]'"],
    "box": ["'(2,2),(0,0)'"],
    "path": ["'((0,0),(1,1))'", "'[(0,0),(1,1),(2,0)]'"],
    "polygon": ["'((0,0),(1,1),(2,0))'"],
    "circle": ["'<(1,2),0.1>'"],
    "regclass": ["'pg_class'"],
    "txid_snapshot": ["'10:20:10,14'"],
}

CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}"TABLES}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  value: {table: Items, root: matrix, item: {PK: "{id}"}}
"""

# What makes PostgreSQL put a value out as the agent asks for it.
SESSION = """SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET extra_float_digits = 1;
    SET timezone = 'UTC'; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET search_path = public"""


def columns():
    return [(f"c{number}", kind) for number, kind in enumerate(VALUES)]


def edge(kind, number):
    """The kind's edge values again and again; null in between."""
    values = VALUES[kind]
    place = number % (len(values) + 1)
    return f"({values[place]})::{kind}" if place < len(values) else "NULL"


def make_matrix(database, identity):
    with database.connect() as connection:
        for extension in EXTENSIONS:
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        connection.execute(PREPARE)
        # A database's and a role's own settings must change no byte.
        for setting in ("datestyle = 'German, DMY'", "intervalstyle = 'sql_standard'", "extra_float_digits = -3",
                        "timezone = 'Asia/Kathmandu'", "bytea_output = 'escape'"):
            connection.execute(f'ALTER DATABASE "{database.name}" SET {setting}')
        listed = ", ".join(f"{name} {kind}" for name, kind in columns())
        key = "" if identity == "full without a key" else " PRIMARY KEY"
        connection.execute(f"CREATE TABLE matrix (id integer NOT NULL{key}, other integer NOT NULL, {listed})")
        # Out of line, whatever its size: unchanged values are not in the stream.
        for name, kind in columns():
            if kind in ("text", "bytea", "jsonb"):
                connection.execute(f"ALTER TABLE matrix ALTER COLUMN {name} SET STORAGE EXTERNAL")
        if identity == "full without a key":
            connection.execute("CREATE UNIQUE INDEX ON matrix (id)")
        if identity.startswith("full"):
            connection.execute("ALTER TABLE matrix REPLICA IDENTITY FULL")
        elif identity == "index":
            connection.execute("CREATE UNIQUE INDEX matrix_other ON matrix (other)")
            connection.execute("ALTER TABLE matrix REPLICA IDENTITY USING INDEX matrix_other")


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


def judged(database, rows):
    """PostgreSQL compares, by its own output: the same text, and for text kinds the same bytes."""
    wrong = []
    with database.connect(autocommit=False) as connection:
        connection.execute(SESSION)
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
                elif isinstance(row[name], str) and row[name] != theirs:
                    wrong.append(f"{kind} of row {number}: the text is {theirs!r:.80}, not {row[name]!r:.80}")
    assert not wrong, f"{len(wrong)} values differ:\n" + "\n".join(wrong[:40])


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
                assert record["from"] is None and record["to"] is None, "one chunk for so few rows"
                self.rows = {row[self.key]: row for row in record["rows"]}
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


@pytest.mark.parametrize("identity", ["default", "full", "index", "full without a key"])
def test_every_value_by_every_way(deploy, pg, identity):
    make_matrix(pg, identity)
    settings = ", tables: {matrix: {key: [id]}}" if identity == "full without a key" else ""
    tandem = deploy(pg, config=CONFIG.replace("TABLES", settings))
    log = Log(tandem, key="other" if identity == "index" else "id")

    def compared(*ways):
        """Replica against PostgreSQL, and the log, in which the changes came by these ways alone."""
        replica = rows_of(tandem)
        judged(pg, replica)
        assert set(log.follow()) == set(ways)
        log.compare(replica)
        return replica

    with pg.connect() as connection:
        connection.execute("SET search_path = public")
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

        for number in range(1, COUNT + 1):  # updates that give each column its next value
            sets = ", ".join(f"{name} = {edge(kind, number + 1)}" for name, kind in columns())
            connection.execute(f"UPDATE matrix SET {sets} WHERE id = {number}")
        tandem.run_once().expect()
        compared("update")

        # With the old row at hand there is nothing that the log would not know.
        kept = [] if identity.startswith("full") else ["unchanged"]
        connection.execute("UPDATE matrix SET c0 = 5 WHERE id > 100")  # all else stays, TOAST unchanged
        tandem.run_once().expect()
        compared("update", *kept)
        connection.execute("UPDATE matrix SET id = id + 1000, other = other + 1000 WHERE id > 100")
        tandem.run_once().expect()
        compared("key change", *kept)

        connection.execute("DELETE FROM matrix WHERE id % 2 = 0")
        tandem.run_once().expect()
        before = compared("delete")

        tandem.run("snapshot", "matrix").expect()  # the same again by snapshot: nothing is different
        tandem.run_once().expect()
        after = compared("snapshot")
        assert {n: {c: repr(v) for c, v in row.items()} for n, row in after.items()} == {
            n: {c: repr(v) for c, v in row.items()} for n, row in before.items()
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
                if value is not LONG and "4000" not in value:
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
