"""Rows, and what else a log holds, that are larger than a message of the topic may be."""

import base64
import contextlib
import json
import sqlite3

from kafka_log import through_kafka
from kafka_messages import read_topic
from local_items import LocalItems

LIMIT = 100_000
# What an item has is limited, so the largest column is in none: the replica is looked at.
CONFIG = """
name: large
source: {type: postgres, url: "${DATABASE_URL}"}
log:
  type: embedded
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  page: {table: Items, root: page, item: {PK: "PAGE#{id}", Words: "{words}", Raw: "{raw}", Note: "{note}"}}
"""
PREPARE = """
    CREATE TABLE page (id integer PRIMARY KEY, words text, raw bytea, note text, huge text);
    INSERT INTO page SELECT i, repeat('ü"' || i, 40000), NULL, 'read', repeat('Ü\\', 150000) FROM generate_series(1, 3) i;
"""
CHANGES = (
    # 3 MB that do not compress.
    "INSERT INTO page SELECT 10, repeat('w', 150000), decode(repeat('00ff10', 50000), 'hex'), 'new',"
    " string_agg(md5(i::text), '') FROM generate_series(1, 100000) i",
    "UPDATE page SET words = repeat('changed', 20000), huge = 'small' WHERE id = 1",
    "UPDATE page SET note = 'words left alone' WHERE id = 2",
    "UPDATE page SET id = 30, words = words || '!' WHERE id = 3",
    "UPDATE page SET note = 'small'",
)


def joined(messages):
    """[(the message, its whole value)] of those that were cut."""
    made, parts = [], []
    for message in messages:
        if message.record == "part":
            assert message.value["part"] == len(parts)
            parts.append(base64.b64decode(message.value["data"]))
        elif parts:
            told = message.value if message.record else message.value["source"]
            assert told["parts"] == len(parts)
            made.append((message, json.loads(b"".join(parts))))
            parts = []
    assert not parts
    return made


def test_values_of_megabytes_through_a_topic_of_small_messages(deploy, pg, kafka, topic):
    kafka.make_topic(topic["KAFKA_TOPIC"], **{"max.message.bytes": str(LIMIT)})
    pg.execute(PREPARE)
    config = through_kafka(CONFIG)
    tandem = deploy(pg, config=config, environment=topic)
    tandem.sync()
    for change in CHANGES:
        pg.execute(change)
    tandem.run_once().expect()

    want = {
        f"PAGE#{number}": {"PK": f"PAGE#{number}", "Words": words, "Note": note} | ({"Raw": raw} if raw else {})
        for number, words, raw, note in pg.query("SELECT id, words, raw, note FROM page")
    }
    huge = dict(pg.query("SELECT id, huge FROM page"))
    assert len(huge[10]) == 3_200_000 and len(want) == 4
    # Once out of the memory of the process that wrote, once out of the topic.
    reader = deploy(pg, config=config, environment=topic, name="reader")
    reader.init()
    reader.run("run", "--once", "--role", "apply").expect()
    for each in (tandem, reader):
        assert items(each) == want
        (file,) = each.state.rglob("replica.db")
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as replica:
            assert dict(replica.execute("SELECT id, huge FROM page")) == huge

    messages = read_topic(kafka.address, topic["KAFKA_TOPIC"])
    assert max(message.size for message in messages) <= LIMIT
    cut = joined(messages)
    inserted = [(message, whole) for message, whole in cut if message.key == {"id": 10} and message.value["op"] == "c"]
    (message, whole), = inserted
    assert whole["after"]["huge"] == huge[10]
    assert base64.b64decode(whole["after"]["raw"]) == want["PAGE#10"]["Raw"]
    unavailable = "__debezium_unavailable_value"
    assert message.value["after"] == {"id": 10, "words": unavailable, "raw": unavailable, "note": "new",
                                      "huge": unavailable}
    assert {name: message.value["source"][name] for name in whole["source"] if name != "forms"} == {
        name: value for name, value in whole["source"].items() if name != "forms"}
    assert message.value["transaction"] == whole["transaction"]


def items(tandem):
    found = LocalItems(tandem.environment["ITEMS"]).scan("Items")
    return {item["PK"]: {name: getattr(value, "value", value) for name, value in item.items()}
            for item in found.values()}
