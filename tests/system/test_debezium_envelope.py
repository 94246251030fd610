"""Our messages beside those that Debezium's own connector writes for the same statements: they differ
in what docs/kafka-messages.md lists, and in nothing else."""

import re

import debezium
from deployment import REPOSITORY
from eventually import eventually
from kafka_log import through_kafka
from kafka_messages import read_topic, read_topics

DOCS = REPOSITORY / "docs" / "kafka-messages.md"
# How Debezium writes what JSON has no type for, where it leaves the choice.
OPTIONS = {
    "schema.include.list": "public,sales",
    "decimal.handling.mode": "string",
    "binary.handling.mode": "base64",
    "time.precision.mode": "isostring",
    "interval.handling.mode": "string",
    "hstore.handling.mode": "json",
    "provide.transaction.metadata": "true",
    "publication.autocreate.mode": "filtered",
    "skipped.operations": "none",
}
TABLES = ("public.thing", "public.pair", "sales.whole")
PREPARE = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE SCHEMA sales;
    CREATE EXTENSION hstore;
    CREATE TABLE thing (
        id integer PRIMARY KEY, small smallint, big bigint, single real, weight double precision,
        price numeric(12,4), exact numeric, flag boolean, words text, short varchar(20), padded char(6),
        raw bytea, day date, clock time, clock_tz timetz, at timestamp, at_tz timestamptz, uid uuid,
        doc json, docb jsonb, span interval, tags text[], numbers integer[], address inet, feeling mood,
        cash money, bits bit(4), span_of int4range, place point, pairs hstore, page xml, number oid);
    CREATE TABLE pair (shop text, number integer, note text, PRIMARY KEY (shop, number));
    CREATE TABLE sales.whole (id bigint PRIMARY KEY, note text, amount numeric(8,2));
    ALTER TABLE sales.whole REPLICA IDENTITY FULL;
    ALTER TABLE thing ALTER words SET STORAGE EXTERNAL;
    INSERT INTO thing (id, words, price, at_tz) VALUES (1, 'first', 7, '2024-02-29 12:00:00+02');
    INSERT INTO pair VALUES ('a', 1, 'one'), ('a', 2, 'two'), ('z', 26, NULL);
    INSERT INTO sales.whole VALUES (9007199254740993, 'n', 1.50);
"""
CHANGES = (
    r"""INSERT INTO thing VALUES (2, -5, 9007199254740993, 1.1, 0.1, 12.5, 12345678901234567890.12345678900, true,
        E'Grüße "x" \\ \n y', 'short', 'ab', '\x00ff10', '2024-02-29', '23:59:59.000001', '23:59:59.5+02',
        '2024-02-29 23:59:59.123456', '2024-02-29 23:59:59.12+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        '{"a": 1.0}', '{"b":[1,null], "a":"ü"}', '1 year 2 mons 3 days 04:05:06.7', '{a,NULL,"b c"}', '{1,NULL,3}',
        '10.0.0.1/8', 'ok', 12.34, '1010', '[1,5)', '(1.5,2)', 'a=>1,b=>NULL', '<a/>', 26)""",
    "INSERT INTO thing (id, single, weight, exact, at_tz) VALUES (3, 'NaN', '-Infinity', 'NaN', 'infinity')",
    "INSERT INTO thing (id, weight, single, words) VALUES (4, 1e300, 1e10, repeat('x', 5000))",
    "UPDATE thing SET small = 7 WHERE id = 4",
    "UPDATE thing SET id = 40 WHERE id = 3",
    "UPDATE thing SET id = 41 WHERE id = 4",
    "DELETE FROM thing WHERE id = 2",
    "UPDATE sales.whole SET note = NULL",
    "DELETE FROM sales.whole",
    "INSERT INTO pair VALUES ('b', 1, NULL); UPDATE pair SET note = 'x' WHERE shop = 'b';"
    " UPDATE pair SET number = 10 WHERE shop = 'a' AND number = 1; DELETE FROM pair WHERE number = 2;"
    " INSERT INTO sales.whole VALUES (1)",
    "TRUNCATE pair",
)
CONFIG = """
name: ours
source: {type: postgres, url: "${DATABASE_URL}"}
log:
  type: embedded
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  thing: {table: Items, root: thing, item: {PK: "T#{id}"}}
  pair: {table: Items, root: pair, item: {PK: "P#{shop}#{number}"}}
  whole: {table: Items, root: sales.whole, item: {PK: "W#{id}"}}
"""


def flat(value, path=""):
    """{"after.id": 1, "source.lsn": 2, …}"""
    if not isinstance(value, dict):
        return {path: value}
    return {name: leaf for key, each in value.items() for name, leaf in flat(each, f"{path}.{key}".strip(".")).items()}


def leaves(message):
    made = {f"header {name}": value for name, value in message.headers.items()}
    made |= flat(message.key, "key")
    made |= {"value": None} if message.value is None else flat(message.value)
    # Of the moment in which a message was written, only that it is told.
    return {name: "told" if name in ("ts_ms", "ts_us", "ts_ns") else leaf for name, leaf in made.items()}


def differences(theirs, ours):
    """{path: (theirs, ours)}; what one of them does not have is "absent"."""
    theirs, ours = leaves(theirs), leaves(ours)
    return {
        path: (theirs.get(path, "absent"), ours.get(path, "absent"))
        for path in theirs.keys() | ours.keys()
        if theirs.get(path, "absent") != ours.get(path, "absent")
    }


def listed(heading):
    """The paths in the table under a heading of the page."""
    section = DOCS.read_text().split(f"\n### {heading}\n")[1].split("\n#")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {path for row in rows for path in re.findall(r"`([^`]+)`", row)}


def shortened(match):
    return "source.forms" if match[0].startswith("source") else "header __debezium.context.*"


def by_table(messages):
    """{table: its messages in order}; a tombstone belongs to the message before it."""
    made = {table: [] for table in TABLES}
    table = None
    for message in messages:
        if message.record is None:
            table = message.table if message.value is not None else table
            made[table].append(message)
    return made


def test_differences_are_those_listed(deploy, pg, kafka, topic, connect):
    pg.execute(PREPARE)
    prefix = topic["KAFKA_TOPIC"] + "-debezium"
    topics = [f"{prefix}.{name}" for name in (*TABLES, "transaction")]
    for name in topics:
        kafka.make_topic(name)
    connector = connect(debezium.connector(pg, prefix, **OPTIONS))
    config = through_kafka(CONFIG).replace("  type: kafka\n", "  type: kafka\n  tombstones: on\n")
    tandem = deploy(pg, config=config, environment=topic)
    tandem.sync()

    def streams():
        return any(slot["active"] and prefix.replace("-", "_") == name for name, slot in pg.server.slots().items())

    eventually(streams, 60, "Debezium streams", alive=connector.alive)
    for statement in CHANGES:
        pg.execute(statement)
    tandem.run_once().expect()
    ours = by_table(read_topic(kafka.address, topic["KAFKA_TOPIC"]))
    count = sum(map(len, ours.values()))

    def everything():
        found = read_topics(kafka.address, *topics)
        return found if sum(len(found[name]) for name in topics[:-1]) >= count else None

    theirs = eventually(everything, 60, "Debezium has written as much", alive=connector.alive)

    found = {"Every message": {}, "Rows of a snapshot": {}, "Values": {}}
    for table in TABLES:
        assert [m.key for m in theirs[f"{prefix}.{table}"]] == [m.key for m in ours[table]]
        for one, other in zip(theirs[f"{prefix}.{table}"], ours[table]):
            for path, both in differences(one, other).items():
                kind = "Every message"
                if path.startswith("before") and table == "sales.whole":  # its REPLICA IDENTITY is FULL
                    path = "before"
                elif re.match(r"(before|after)\b", path):
                    kind, path = "Values", path.split(".")[1]
                elif one.value is not None and one.value["op"] == "r":
                    kind = "Rows of a snapshot"
                path = re.sub(r"^source\.forms\..*|^header __debezium\.context\..*", shortened, path)
                found[kind].setdefault(path, both)
    everywhere = listed("Every message")
    assert found["Every message"].keys() == everywhere, shown(found["Every message"], everywhere)
    of_snapshots = {path: both for path, both in found["Rows of a snapshot"].items() if path not in everywhere}
    assert of_snapshots.keys() == listed("Rows of a snapshot"), shown(of_snapshots, listed("Rows of a snapshot"))
    assert found["Values"].keys() == listed("Values"), shown(found["Values"], listed("Values"))

    # The markers of transactions: the same counts in the same order.
    markers = [m.value for m in theirs[topics[-1]] if m.value["status"] == "END"]
    own = [m.value for m in read_topic(kafka.address, topic["KAFKA_TOPIC"]) if m.record == "end"]
    counts = [(m["event_count"], m["data_collections"]) for m in own if m["event_count"] > 0]
    assert [(m["event_count"], m["data_collections"]) for m in markers] == counts[-len(markers):]
    assert len(markers) == len(CHANGES)


def shown(found, wanted):
    lines = [f"not listed: {path}: {found[path]}" for path in sorted(found.keys() - wanted)]
    return "\n".join(lines + [f"listed, but not found: {path}" for path in sorted(wanted - found.keys())])
