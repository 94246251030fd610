"""Offset for offset: what an independent client finds in the topic, beside the source's own SQL."""

import json

from database import opened
from deployment import REPOSITORY
from kafka_log import through_kafka
from kafka_messages import fold, read_topic

OWN = {"log", "epoch", "begin", "end", "schema", "chunk", "heartbeat", "gap"}

TABLES = """
    CREATE SCHEMA sales;
    CREATE TABLE item (shop text, number integer, name text, price numeric(10,2), sold boolean, at timestamptz,
                       large text, PRIMARY KEY (shop, number));
    CREATE TABLE sales.note (id bigint PRIMARY KEY, words text, weight double precision, raw bytea);
    ALTER TABLE item ALTER large SET STORAGE EXTERNAL;
    INSERT INTO item SELECT 's' || i % 3, i, 'item ' || i, i * 1.10, i % 2 = 0, '2024-02-29 10:00:00.25+00',
                            repeat('x', 3000) FROM generate_series(1, 40) i;
    INSERT INTO sales.note VALUES (1, 'first', 0.5, '\\x00ff'), (2, NULL, 'NaN', NULL);
"""
# Each is a transaction, and what it does: (op, table, key, the key that a header names).
TRANSACTIONS = (
    ("INSERT INTO item VALUES ('new', 1, 'Grüße', 1.5, true, NULL, NULL)",
     [("c", "public.item", {"shop": "new", "number": 1})]),
    ("UPDATE item SET price = 2 WHERE shop = 'new'; DELETE FROM sales.note WHERE id = 2;"
     " INSERT INTO sales.note VALUES (3, 'third', 1e300, '')",
     [("u", "public.item", {"shop": "new", "number": 1}), ("d", "sales.note", {"id": 2}),
      ("c", "sales.note", {"id": 3})]),
    ("UPDATE item SET number = 100 WHERE number = 10",
     [("d", "public.item", {"shop": "s1", "number": 10}, "__debezium.newkey", {"shop": "s1", "number": 100}),
      ("c", "public.item", {"shop": "s1", "number": 100}, "__debezium.oldkey", {"shop": "s1", "number": 10})]),
    ("UPDATE item SET name = 'toast' WHERE number = 3", [("u", "public.item", {"shop": "s0", "number": 3})]),
    ("DELETE FROM item WHERE shop = 's2' AND number < 6",
     [("d", "public.item", {"shop": "s2", "number": 2}), ("d", "public.item", {"shop": "s2", "number": 5})]),
    ("TRUNCATE sales.note; INSERT INTO sales.note VALUES (9, 'after', 2, '\\x01')",
     [("t", "sales.note", None), ("c", "sales.note", {"id": 9})]),
)
CONFIG = """
name: messages
source:
  type: postgres
  url: "${DATABASE_URL}"
log:
  type: embedded
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  item: {table: Items, root: item, item: {PK: "ITEM#{shop}#{number}"}}
  note: {table: Items, root: sales.note, item: {PK: "NOTE#{id}"}}
"""


def transactions(messages):
    """[(begin, rows and our records between, end)], and that nothing else lies around them."""
    found, inside = [], None
    for message in messages:
        if message.record == "begin":
            assert inside is None, message
            inside = (message, [])
        elif message.record == "end":
            found.append((*inside, message))
            inside = None
        elif message.record in ("log", "epoch", "heartbeat", "gap"):
            assert inside is None, message
        else:
            assert inside is not None, message
            inside[1].append(message)
    assert inside is None
    return found


def check_markers(begin, between, end):
    """The transaction's markers tell what lies between them."""
    rows = [message for message in between if message.record is None]
    assert begin.value["status"] == "BEGIN" and end.value["status"] == "END"
    assert begin.value["id"] == end.value["id"] and begin.value["ts_ms"] == end.value["ts_ms"]
    assert begin.value["event_count"] is None and begin.value["data_collections"] is None
    assert end.value["event_count"] == len(rows)
    counts = {}
    for number, message in enumerate(rows, 1):
        counts[message.table] = counts.get(message.table, 0) + 1
        assert message.value["transaction"] == {
            "id": begin.value["id"], "total_order": number, "data_collection_order": counts[message.table],
        }, message
        assert message.value["source"]["ts_ms"] == begin.value["ts_ms"]
        assert message.value["ts_ms"] >= 1_600_000_000_000
    told = {each["data_collection"]: each["event_count"] for each in end.value["data_collections"]}
    assert told == counts, end


def check_places(messages):
    """Every message is where it says it was to be, and only ours say so."""
    assert [message.offset for message in messages] == list(range(len(messages)))
    assert messages[0].record == "log" and messages[0].headers == {"tandem.record": "log"}
    identity = messages[0].value["log"]
    assert [message.record for message in messages].count("log") == 1
    epoch = None
    for message in messages[1:]:
        if message.record is None:
            assert message.value["source"]["epoch"] == epoch, message
            assert "tandem.record" not in message.headers
        else:
            assert message.record in OWN, message
            assert message.headers == {"tandem.record": message.record}
            assert message.key is None
            if message.record == "epoch":
                assert message.value["epoch"] > (epoch or 0)
                epoch = message.value["epoch"]
            assert (message.value["epoch"], message.value["offset"], message.value["log"]) == (
                epoch, message.offset, identity), message


def check_schemas(messages):
    """A table's columns are told before its first row."""
    known = {}
    for message in messages:
        if message.record == "schema":
            (change,) = message.value["tableChanges"]
            known[change["id"]] = [column["name"] for column in change["table"]["columns"]]
        elif message.record is None and message.value["after"] is not None:
            name = message.table.removeprefix("public.")
            assert list(message.value["after"]) == known[name], message
    return known


def check_chunks(messages):
    """A chunk's record comes behind its rows and counts them; the last one is open at its end."""
    rows, last = {}, {}
    for message in messages:
        if message.record is None and message.value["op"] == "r":
            assert message.value["source"]["snapshot"] == "incremental"
            name = message.table.removeprefix("public.")
            rows[name] = rows.get(name, 0) + 1
        elif message.record == "chunk":
            assert message.value["rows"] == rows.pop(message.value["table"], 0), message
            last[message.value["table"]] = message.value["to"]
        elif message.record is None:
            assert message.value["source"]["snapshot"] == "false"
    assert not rows
    return last


def test_every_message_of_postgres(deploy, pg, kafka, topic):
    pg.execute(TABLES)
    tandem = deploy(pg, config=through_kafka(CONFIG), environment=topic)
    tandem.sync()
    snapshot = read_topic(kafka.address, topic["KAFKA_TOPIC"])
    for statement, _ in TRANSACTIONS:
        pg.execute(statement)
    tandem.run_once().expect()
    messages = read_topic(kafka.address, topic["KAFKA_TOPIC"])
    assert [m.value for m in messages[:len(snapshot)]] == [m.value for m in snapshot]

    check_places(messages)
    assert check_schemas(messages).keys() == {"item", "sales.note"}
    assert check_chunks(messages) == {"item": [], "sales.note": []}
    done = transactions(messages)
    for each in done:
        check_markers(*each)

    # The snapshot: every row once.
    assert sum(m.record is None for m in snapshot) == 42
    assert {m.value["op"] for m in snapshot if m.record is None} == {"r"}
    # The transactions, in their order, with exactly their changes. A table that was emptied is read again behind.
    streamed = [(b, rows, e) for b, rows, e in done if b.offset >= len(snapshot)]
    with_rows = [rows for _, between, _ in streamed if (rows := [m for m in between if m.record is None])]
    again = [rows.pop() for rows in with_rows if rows[0].value["op"] == "r"]
    assert [(m.table, m.key) for m in again] == [("sales.note", {"id": 9})]
    with_rows = [rows for rows in with_rows if rows]
    told = [
        [(m.value["op"], m.table, m.key, *(x for n, v in m.headers.items() for x in (n, json.loads(v)))) for m in rows]
        for rows in with_rows
    ]
    assert told == [changes for _, changes in TRANSACTIONS]
    positions = [b.value["position"] for b, _, _ in done]
    assert positions == sorted(positions)

    # The envelope of one row.
    (row,) = with_rows[0]
    (xid,) = pg.query("SELECT xmin::text::bigint FROM item WHERE shop = 's1' AND number = 100")[0]
    moved = with_rows[2][0].value["source"]
    assert (moved["txId"], moved["db"], moved["connector"], moved["name"]) == (xid, pg.name, "postgresql", "messages")
    assert moved["ts_us"] // 1000 == moved["ts_ms"] and moved["ts_ns"] == 1000 * moved["ts_us"]
    assert list(row.value) == ["before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns"]
    assert row.value["before"] is None
    assert row.value["after"] == {"shop": "new", "number": 1, "name": "Grüße", "price": "1.50", "sold": True,
                                  "at": None, "large": None}
    # What is gone: its key alone is known.
    gone = with_rows[1][1]
    assert gone.value["before"] == {"id": 2, "words": None, "weight": None, "raw": None}
    assert gone.value["after"] is None
    # A value out of line that the statement left alone.
    (toast,) = with_rows[3]
    assert toast.value["after"]["large"] == "__debezium_unavailable_value"
    assert toast.value["source"]["forms"] == {"large": "unchanged"}
    truncated = with_rows[5][0]
    assert (truncated.key, truncated.value["before"], truncated.value["after"]) == (None, None, None)

    # Folded as any consumer of Debezium's does, the topic is the database.
    as_text = "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    items = pg.query(f"SELECT shop, number, name, price::text, sold, {as_text}, large FROM item")
    notes = pg.query("SELECT id, words, weight, encode(raw, 'base64') FROM sales.note")
    want = {
        "public.item": [dict(zip(("shop", "number", "name", "price", "sold", "at", "large"), row)) for row in items],
        "sales.note": [dict(zip(("id", "words", "weight", "raw"), row)) for row in notes],
    }
    assert fold(messages) == {table: sorted(rows, key=json.dumps) for table, rows in want.items()}


def test_every_message_of_sqlite(deploy, small_source, kafka, topic):
    config = through_kafka(REPOSITORY / "config" / "chinook.yaml")
    config = config[:config.index("target:")] + (
        'target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}\n'
        "documents:\n"
        '  album: {table: Items, root: Album, item: {PK: "A#{AlbumId}"}}\n'
        '  entry: {table: Items, root: PlaylistTrack, item: {PK: "P#{PlaylistId}#{TrackId}"}}\n')
    tandem = deploy(small_source, config=config, environment=topic)
    tandem.sync()
    before = read_topic(kafka.address, topic["KAFKA_TOPIC"])
    with opened(small_source) as connection:
        for statement in (
            "INSERT INTO Album (AlbumId, Title, ArtistId) VALUES (9001, 'neu ü', 1)",
            "UPDATE Album SET Title = Title || ' II' WHERE AlbumId < 5",
            "UPDATE Album SET AlbumId = 9002 WHERE AlbumId = 9001",
            "DELETE FROM PlaylistTrack WHERE TrackId % 9 = 0",
            "UPDATE Album SET Title = x'00ff' WHERE AlbumId = 2",
        ):
            connection.execute(statement)
        tandem.run_once().expect()
        want = {
            table: [dict(zip([column[0] for column in cursor.description], row)) for row in cursor]
            for table in ("Album", "PlaylistTrack")
            for cursor in [connection.execute(f"SELECT * FROM {table}")]
        }
    messages = read_topic(kafka.address, topic["KAFKA_TOPIC"])
    assert len(messages) > len(before)
    check_places(messages)
    assert check_schemas(messages).keys() == {"Album", "PlaylistTrack"}
    assert check_chunks(messages) == {"Album": [], "PlaylistTrack": []}
    for each in transactions(messages):
        check_markers(*each)
    for row in want["Album"]:
        if row["Title"] == b"\x00\xff":
            row["Title"] = "AP8="
    assert fold(messages) == {table: sorted(rows, key=json.dumps) for table, rows in want.items()}
    sources = [message.value["source"] for message in messages if message.record is None]
    assert {(s["connector"], s["db"], s["name"]) for s in sources} == {("sqlite", "small.db", "chinook")}
    assert all("lsn" not in source and source["seq"] >= 0 for source in sources)
