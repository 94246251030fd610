"""A sink under Kafka Connect, set up as docs/kafka-messages.md says, gets the rows and nothing of our own."""

import json
import re
import sqlite3

from deployment import REPOSITORY
from eventually import eventually
from kafka_log import through_kafka
from kafka_messages import read_topic
from local_items import chinook_config

DOCS = REPOSITORY / "docs" / "kafka-messages.md"
LARGE = 40_000  # bytes of a row that comes in parts
# Messages of our own, of which there is one at least.
KINDS = {"log", "epoch", "schema", "chunk", "begin", "end", "part"}


def filter_of_the_page():
    block = DOCS.read_text().split("```properties\n")[1].split("```")[0]
    return dict(line.split("=", 1) for line in block.splitlines())


def as_java_shows(value):
    """A JSON value as Java prints its maps, but for the order of the members."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={as_java_shows(member)}" for name, member in value.items()) + "}"
    return value if isinstance(value, str) else json.dumps(value)


def words(text):
    return sorted(re.findall(r"[^{},\s]+", text))


def test_a_sink_gets_the_rows_in_their_order(deploy, small_source, kafka, topic, connect, tmp_path):
    config = through_kafka(chinook_config()).replace(
        "  type: kafka\n", f"  type: kafka\n  tombstones: on\n  settings: {{max.message.bytes: {LARGE // 2}}}\n")
    tandem = deploy(small_source, config=config, environment=topic)
    tandem.init()
    tandem.run("run", "--once", "--role", "capture").expect()
    with sqlite3.connect(small_source, timeout=20) as source:
        source.execute("PRAGMA foreign_keys = off")
        source.execute("INSERT INTO Artist (ArtistId, Name) VALUES (1001, 'one'), (1002, ?)", ["x" * LARGE])
        source.execute("UPDATE Artist SET Name = 'other' WHERE ArtistId = 1001")
        source.execute("UPDATE Artist SET ArtistId = 1003 WHERE ArtistId = 1001")
        source.execute("DELETE FROM Artist WHERE ArtistId = 1003")
    tandem.run("run", "--once", "--role", "capture").expect()
    messages = read_topic(kafka.address, topic["KAFKA_TOPIC"])
    assert KINDS <= {message.record for message in messages}
    rows = [message.value for message in messages if message.record is None]
    assert {"r", "u", "d"} <= {row["op"] for row in rows if row is not None} and None in rows

    out = tmp_path / "rows.txt"
    worker = connect({"name": "sink", "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                      "topics": topic["KAFKA_TOPIC"], "file": out, **filter_of_the_page()})

    def lines():
        found = out.read_text().splitlines() if out.exists() else []
        assert len(found) >= len(rows), worker.said()
        return found

    for line, row in zip(eventually(lines, 60, "the sink has all rows", alive=worker.alive), rows, strict=True):
        assert words(line) == words(as_java_shows(row))
