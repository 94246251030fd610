"""A topic as somebody else reads it: an independent client, and no code of Tandem's."""

import json

from confluent_kafka import Consumer, TopicPartition

from eventually import eventually

RECORD = "tandem.record"


class Message:
    """One message, its JSON read."""

    def __init__(self, message):
        self.offset = message.offset()
        self.headers = {name: value.decode() for name, value in message.headers() or []}
        self.record = self.headers.get(RECORD)  # None: a row of Debezium's kind
        self.key = json.loads(message.key()) if message.key() is not None else None
        self.value = json.loads(message.value()) if message.value() is not None else None
        self.size = len(message.key() or b"") + len(message.value() or b"")

    @property
    def table(self):
        source = self.value["source"]
        return f"{source['schema']}.{source['table']}" if "schema" in source else source["table"]

    def __repr__(self):
        return f"{self.offset} {self.headers} {self.key} {json.dumps(self.value)[:600]}"


def read_topics(address, *topics):
    """{topic: every message that it has}"""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "messages", "enable.auto.commit": False,
                         "log_level": 0})
    try:
        ends = {}
        for topic in topics:
            partition = TopicPartition(topic, 0)
            low, high = consumer.get_watermark_offsets(partition, timeout=20)
            if low < high:
                ends[topic] = high
        found = {topic: [] for topic in topics}
        if not ends:
            return found
        consumer.assign([TopicPartition(topic, 0, 0) for topic in ends])

        def whole():
            for message in consumer.consume(1000, timeout=0.5):
                assert message.error() is None, message.error()
                found[message.topic()].append(Message(message))
            return all(found[topic] and found[topic][-1].offset >= end - 1 for topic, end in ends.items())

        eventually(whole, 60, "the topics are read to their end", pause=0)
        return found
    finally:
        consumer.close()


def read_topic(address, topic):
    return read_topics(address, topic)[topic]


class Fold:
    """Tables as a consumer of Debezium's messages keeps them, which knows nothing of our records."""

    def __init__(self):
        self.tables = {}
        self.moved = {}

    def take(self, message):
        if message.value is None:  # a tombstone
            return
        rows = self.tables.setdefault(message.table, {})
        if message.value["op"] == "t":
            rows.clear()
        elif message.value["op"] == "d":
            gone = rows.pop(json.dumps(message.key), None)
            self.moved = gone if "__debezium.newkey" in message.headers else {}
        else:
            moves = "__debezium.oldkey" in message.headers
            before = self.moved if moves else rows.get(json.dumps(message.key), {})
            rows[json.dumps(message.key)] = {
                name: before.get(name, value) if value == "__debezium_unavailable_value" else value
                for name, value in message.value["after"].items()
            }


def fold(messages):
    made = Fold()
    for message in messages:
        if message.record is None:
            made.take(message)
    return {table: sorted(rows.values(), key=json.dumps) for table, rows in made.tables.items()}
