"""A log's topic as an independent client finds it: whole transactions, in order, with nothing in them missing."""

import json

from confluent_kafka import Consumer, TopicPartition


def messages(address, topic):
    """All that the topic keeps: (offset, headers, key, value), the values as JSON."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "tests", "enable.auto.commit": False,
                         "auto.offset.reset": "error", "log_level": 0})
    try:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
        found = []
        if first == end:
            return found
        consumer.assign([TopicPartition(topic, 0, first)])
        while not found or found[-1][0] < end - 1:
            message = consumer.poll(20)
            assert message is not None, f"the topic says it goes to {end}, and {len(found)} messages came"
            assert message.error() is None, message.error()
            headers = {name: (value or b"").decode() for name, value in message.headers() or []}
            value = None if message.value() is None else json.loads(message.value())
            key = None if message.key() is None else json.loads(message.key())
            found.append((message.offset(), headers, key, value))
        return found
    finally:
        consumer.close()


def check(address, topic):
    """What every reader of the topic relies on. Returns the positions of the whole transactions.

    Offsets are dense; epochs count by their record; a transaction of the newest epoch is whole, its
    events are numbered without a hole, and its End says how many there were; positions grow but
    where what was in doubt is published again.
    """
    epoch, open_at, events, whole, last, amid = 0, None, 0, [], None, False
    lost = False
    for offset, headers, _, value in messages(address, topic):
        assert last is None or offset == last + 1, f"offset {offset} follows {last}"
        if last is None:
            amid = offset > 0  # retention has cut what came before
        last = offset
        if value is None:
            continue
        kind = headers.get("tandem.record")
        if kind == "log":
            lost = False
            continue
        if kind:
            lost = value["offset"] > offset  # written into a topic that was made again meanwhile
        if lost:
            continue
        its_epoch = value["epoch"] if kind else value["source"]["epoch"]
        if its_epoch < epoch:
            continue  # written late by one that was succeeded
        if its_epoch > epoch:
            assert kind == "epoch" or (amid and not epoch), f"at {offset} epoch {its_epoch} begins without its record"
            epoch, open_at = its_epoch, None
        amid = amid and kind in (None, "chunk", "schema", "end")
        if amid:
            continue
        if kind == "begin":
            open_at, events = tuple(value["position"]), 0
        elif kind == "end":
            assert open_at is not None, f"at {offset} ends what has not begun"
            assert value["event_count"] == events, f"at {offset}: {events} events, told {value['event_count']}"
            assert tuple(value["position"]) >= open_at, f"at {offset}: {value['position']} ends {open_at}"
            whole.append(open_at)
            open_at = None
        elif kind == "gap":
            open_at, whole = None, []
        elif kind == "heartbeat":
            assert open_at is None, f"at {offset} a heartbeat within a transaction"
        elif kind is None:
            assert open_at is not None, f"at {offset} a row without a transaction"
            events += 1
            assert value["transaction"]["total_order"] == events, f"at {offset}: {value['transaction']}, not {events}"
    for before, after in zip(whole, whole[1:]):
        assert before <= after, f"{after} comes behind {before}"
    return whole


def kinds(address, topic):
    """How many records there are of each kind; None: rows."""
    counts = {}
    for _, headers, _, _ in messages(address, topic):
        kind = headers.get("tandem.record")
        counts[kind] = counts.get(kind, 0) + 1
    return counts
