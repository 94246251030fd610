"""From PostgreSQL into Kafka, measured beside Debezium's connector in the same run: the same server,
the same changes, the same broker. The time from commit to record, and a first sync out of a topic."""

import contextlib
import functools
import json
import sys
import time

import confluent_kafka

import kafka_server
import latency
import postgres_server
import stage

DEBEZIUM = "debezium"  # its slot, publication and prefix
LATENCY_ROWS = 1_000
WARM_CHANGES = 20_000  # at 1,000 a second, until a broker and a connector have compiled themselves
AS_INIT_MAKES_IT = {"max.message.bytes": "8388608"}


@contextlib.contextmanager
def servers(rows):
    """A PostgreSQL server and a broker for the block; None, and said so, if there can be none."""
    reason = postgres_server.missing() or kafka_server.missing()
    if reason:
        print(f"\n!! {reason}: nothing of this part is measured\n", file=sys.stderr)
        yield None, None
        return
    if not kafka_server.debezium_home():
        print("\n!! Debezium was not fetched: nothing is measured beside it\n", file=sys.stderr)
    with postgres_server.Server(rows) as database, kafka_server.Broker() as broker:
        yield database, broker


def capture(bench):
    """Snapshot and stream, by capture alone, and the stream by Debezium."""
    with servers(bench.size("pg_rows")) as (database, broker):
        if database:
            _capture(bench, database, broker)


def apply(bench):
    """The first sync out of a topic, by an agent that only applies, into the null endpoint."""
    rows, folder = bench.size("pg_rows"), bench.folder()
    with servers(rows) as (database, broker):
        if not database:
            return
        with stage.NullEndpoint() as endpoint:
            config = stage.write_config(
                folder, {"type": "dynamodb", "endpoint": endpoint.url},
                {"type": "postgres", "url": database.url}, postgres_server.TABLE,
                {"type": "kafka", "brokers": broker.address, "topic": "apply"})
            stage.tandem(config, "init")
            stage.tandem(config, "run", "--once", "--role", "capture")
            broker_cpu = broker.cpu()
            sync = stage.tandem(config, "run", "--once", "--role", "apply")
            broker_cpu = broker.cpu() - broker_cpu
    if f"{rows:,} items are right at the target: {rows:,} written" not in sync.output:
        raise SystemExit(f"{rows:,} items were expected, not: {sync.output}")
    bench.add("Kafka: first sync out of a topic", rows / sync.seconds, "items/s")
    bench.add("  agent's CPU", sync.cpu / rows * 1e5, "s per 100k items", digits=2)
    bench.add("  of it the busiest thread's", sync.busiest / rows * 1e5, "s", digits=2)
    bench.add("  broker's CPU", broker_cpu / rows * 1e5, "s per 100k items", digits=2)
    bench.add("  highest memory", sync.memory, "MiB")


def _capture(bench, database, broker):
    rows, changes = bench.size("pg_rows"), bench.size("pg_changes")
    _read_table(database, broker, "warm", rows)
    read = _read_table(database, broker, "tandem_socket", rows)
    bench.add("Kafka: snapshot into a topic", rows / read["seconds"], "rows/s")
    bench.add("  agent's CPU", read["cpu"] / rows * 1e6, "s per million rows", digits=2)
    bench.add("  broker's CPU", read["broker"] / rows * 1e6, "s per million rows", digits=2)
    bench.add("  highest memory", read["memory"], "MiB")
    _read_table(database, broker, "tandem_tcp", rows)
    beside = kafka_server.debezium_home()
    if beside:
        database.make_slot(DEBEZIUM)
    database.change(changes)
    # A broker compiles itself in its first minute, whoever writes to it then.
    _run(database, broker, "warm", "stream", changes)
    peer = _debezium(bench, database, broker, changes) if beside else None

    for way, slot, url in (("Unix socket", "tandem_socket", database.socket_url),
                           ("TCP", "tandem_tcp", database.url)):
        database.read_wal()
        with database.walsenders() as senders:
            read = _run(database, broker, slot, "stream", changes, url=url)
        _expect("changes", read["changes"], changes)
        million = 1e6 / changes
        bench.add(f"Kafka: stream into a topic, {way}", changes / read["seconds"], "changes/s")
        bench.add("  agent's CPU", read["cpu"] * million, "s per million changes", digits=2)
        bench.add("  of it the busiest thread's", read["busiest"] * million, "s", digits=2)
        bench.add("  broker's CPU", read["broker"] * million, "s per million changes", digits=2)
        bench.add("  walsender's CPU", senders.cpu() * million, "s per million changes", digits=2)
        bench.add("  highest memory", read["memory"], "MiB")
        if peer:
            bench.add("  changes/s beside Debezium's", changes / read["seconds"] / peer["rate"],
                      "times", 5, digits=1)
            bench.add("  CPU beside Debezium's", peer["cpu"] / read["cpu"], "times less", 7,
                      digits=1)
            bench.add("  memory beside Debezium's", peer["memory"] / read["memory"], "times less",
                      10, digits=1)


def _debezium(bench, database, broker, changes):
    """Rate and CPU are those after its first record: the start of its process is not counted."""
    records = changes + changes * 2 // 10  # a delete is followed by a tombstone
    broker_cpu = broker.cpu()
    database.read_wal()
    with database.walsenders() as senders, kafka_server.Debezium(
            database, broker, DEBEZIUM, kafka_server.TUNED,
            kafka_server.TUNED_PRODUCER) as debezium:
        first, last = debezium.wait_for(broker, records)
        broker_cpu = broker.cpu() - broker_cpu
        memory = stage.memory_of(debezium.pid, "VmHWM")
    counted = (last[2] - first[2]) / records * changes
    peer = {"rate": counted / (last[0] - first[0]), "cpu": (last[1] - first[1]) / counted * changes,
            "memory": memory}
    million = 1e6 / changes
    bench.add("Kafka: Debezium's stream into a topic, tuned", peer["rate"], "changes/s")
    bench.add("  Debezium's CPU", peer["cpu"] * million, "s per million changes", digits=2)
    bench.add("  its CPU from the start of its process on", last[1] * million, "s", digits=2)
    bench.add("  broker's CPU", broker_cpu * million, "s per million changes", digits=2)
    bench.add("  walsender's CPU", senders.cpu() * million, "s per million changes", digits=2)
    bench.add("  highest memory", memory, "MiB")
    return peer


def _read_table(database, broker, slot, rows):
    """Makes a slot and a topic and reads the whole table into it, so that a stream can follow."""
    database.make_slot(slot)
    broker.make_topic(slot, **AS_INIT_MAKES_IT)
    read = _run(database, broker, slot, "snapshot")
    _expect("rows", read["rows"], rows)
    return read


def _run(database, broker, slot, *what, url=None):
    """What bench_postgres_capture says of one run, with what can only be seen from outside."""
    broker_cpu = broker.cpu()
    done = stage.watched(stage.BUILD / "bench_postgres_capture", url or database.url, slot, slot,
                         postgres_server.TABLE, broker.log_name(slot), *what)
    return json.loads(done.output) | {"memory": done.memory, "busiest": done.busiest,
                                      "broker": broker.cpu() - broker_cpu}


def _expect(what, measured, made):
    if measured != made:
        raise SystemExit(f"{made:,} {what} were made, and {int(measured):,} were captured")


def commit_to_record(bench):
    """From commit to a record that a consumer has, at 1,000 single-row updates a second."""
    with servers(LATENCY_ROWS) as (database, broker):
        if not database:
            return
        _read_table(database, broker, "tandem", LATENCY_ROWS)
        with stage.Beside(stage.BUILD / "bench_postgres_capture", database.url, "tandem", "tandem",
                          postgres_server.TABLE, broker.log_name("tandem"), "stream",
                          sys.maxsize) as agent:
            _commit_to_record(bench, "Tandem", database, broker, "tandem", agent.pid, (4, 12))
        if not kafka_server.debezium_home():
            return
        database.make_slot(DEBEZIUM)
        with kafka_server.Debezium(database, broker, DEBEZIUM, kafka_server.PROMPT,
                                   kafka_server.PROMPT_PRODUCER) as debezium:
            _commit_to_record(bench, "Debezium, tuned for it", database, broker, debezium.topic,
                              debezium.pid, (None, None))


def _commit_to_record(bench, name, database, broker, topic, pid, goals):
    def connect():
        connection = database.connect()
        return lambda number, row: connection.execute(
            "UPDATE accounts SET status = %s WHERE id = %s", (number, row))

    def measure(changes):
        watch = functools.partial(_see, broker.address, topic, broker.next_offset(topic))
        return latency.measure(connect, watch, LATENCY_ROWS, 1_000, changes)

    # It streams when changes of this have come through.
    before = broker.next_offset(topic)
    update = connect()
    for row in range(LATENCY_ROWS):
        update(0, 1 + row)
    stage.wait_until(lambda: broker.next_offset(topic) >= before + LATENCY_ROWS,
                     f"{name} captures nothing")
    measure(WARM_CHANGES)
    start, cpu, broker_cpu = time.monotonic(), stage.cpu_of(pid), broker.cpu()
    took, missed, reached = measure(bench.size("changes"))
    seconds = time.monotonic() - start
    bench.add(f"Kafka: commit to record, {name}, p50", latency.percentile(took, 50), "ms", goals[0],
              False, 2)
    bench.add(f"Kafka: commit to record, {name}, p99", latency.percentile(took, 99), "ms", goals[1],
              False, 2)
    bench.add("  longest", took[-1], "ms", digits=1)
    bench.add("  changes a second that the writer reached", reached)
    bench.add("  changes that were not seen", missed)
    bench.add("  its CPU", (stage.cpu_of(pid) - cpu) / seconds * 100, "% of a core", digits=0)
    bench.add("  broker's CPU", (broker.cpu() - broker_cpu) / seconds * 100, "% of a core",
              digits=0)


def _see(brokers, topic, offset, changes, ready, results):
    """When each number was first seen by a consumer; runs in a process of its own."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": brokers, "group.id": "latency", "log_level": 0,
        "enable.auto.commit": False, "fetch.wait.max.ms": 100})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, offset)])
    consumer.poll(0.5)
    seen = [None] * changes
    missing = changes
    ready.set()
    deadline = time.monotonic() + 600
    while missing and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        now = time.monotonic()
        if message is None or message.error() or not message.value():
            continue
        row = json.loads(message.value()).get("after")
        number = row["status"] - latency.FIRST_NUMBER if row else -1
        if 0 <= number and seen[number] is None:
            seen[number] = now
            missing -= 1
    consumer.close()
    results.put(seen)
