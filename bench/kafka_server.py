"""A Kafka for measurements, and Debezium's connector for PostgreSQL beside ours.

The broker is one of the system tests' (tests/system/kafka_broker.py) with the memory and the
garbage collector that Kafka's own scripts give it. Debezium runs under Kafka Connect as its scripts
start that.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import stage

sys.path.append(str(stage.ROOT / "tests" / "system"))

import confluent_kafka  # noqa: E402
import kafka_broker  # noqa: E402  (of the system tests)
from child import free_port, start_child  # noqa: E402

# What Debezium is faster by; each was tried by itself.
TUNED = {"poll.interval.ms": 10, "max.batch.size": 20_480, "max.queue.size": 81_920}
TUNED_PRODUCER = {"producer.linger.ms": 20, "producer.batch.size": 262_144,
                  "producer.compression.type": "lz4", "producer.buffer.memory": 134_217_728}
# What its latency is shortest by.
PROMPT = {"poll.interval.ms": 10}
PROMPT_PRODUCER = {"producer.linger.ms": 0}


def missing():
    """Why there can be no broker; "" if there can."""
    return "" if kafka_broker.home() else "no Kafka was fetched, or there is no java"


def debezium_home():
    """Where ./dev has put Debezium's archives; None if they are not there."""
    named = os.environ.get("TANDEM_DEBEZIUM")
    return Path(named) if named and list(Path(named).glob("debezium-connector-*.jar")) else None


class Broker(kafka_broker.KafkaBroker):
    """Gone at the end of the block."""

    jvm = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="tandem_bench_kafka_")
        super().__init__(self._folder.name)
        self._consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.address, "group.id": "bench", "log_level": 0})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._consumer.close()
        self.stop()
        self._folder.cleanup()

    def make_topic(self, name, **config):
        super().make_topic(name, **config)
        # It is made before every answer of the broker's tells of it.
        stage.wait_until(lambda: name in self.admin.list_topics(timeout=5).topics,
                         f"the broker does not tell of topic {name}")

    def cpu(self):
        return stage.cpu_of(self.process.pid)

    def next_offset(self, topic):
        partition = confluent_kafka.TopicPartition(topic, 0)
        return self._consumer.get_watermark_offsets(partition, timeout=10, cached=False)[1]

    def log_name(self, topic):
        """As bench_postgres_capture takes it."""
        return f"kafka:{self.address}/{topic}"


class Debezium:
    """Debezium's connector, streaming accounts from a slot of its own, until the block ends."""

    JVM = ["-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
           "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]

    def __init__(self, server, broker, slot, connector, worker):
        """`slot`: also its publication's name, and what its topics' names begin with."""
        self._folder = tempfile.TemporaryDirectory(prefix="tandem_bench_debezium_")
        self._folder_path = Path(self._folder.name)
        self.topic = f"{slot}.public.accounts"
        broker.make_topic(self.topic)
        converter = "org.apache.kafka.connect.json.JsonConverter"
        self._write("worker.properties", {
            "bootstrap.servers": broker.address, "key.converter": converter,
            "value.converter": converter, "key.converter.schemas.enable": "false",
            "value.converter.schemas.enable": "false",
            "offset.storage.file.filename": self._folder_path / "offsets",
            "listeners": f"http://127.0.0.1:{free_port()}",
            "plugin.discovery": "service_load", **worker})
        self._write("connector.properties", {
            "name": slot, "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "tasks.max": 1, "plugin.name": "pgoutput", "database.hostname": "127.0.0.1",
            "database.port": server.port, "database.user": "postgres",
            "database.password": "none", "database.dbname": "bench", "topic.prefix": slot,
            "table.include.list": "public.accounts", "slot.name": slot, "publication.name": slot,
            "publication.autocreate.mode": "disabled", "snapshot.mode": "no_data", **connector})

    def _write(self, name, properties):
        lines = (f"{key}={value}\n" for key, value in properties.items())
        (self._folder_path / name).write_text("".join(lines))

    def __enter__(self):
        log_settings = stage.ROOT / "tests" / "system" / "kafka" / "log4j2.properties"
        with open(self._folder_path / "stdout.log", "wb") as out:
            self.process = start_child(
                ["java", *self.JVM, f"-Dlog4j2.configurationFile={log_settings}",
                 f"-Dkafka.log={self._folder_path / 'connect.log'}", "-cp", f"{debezium_home()}/*",
                 "org.apache.kafka.connect.cli.ConnectStandalone",
                 self._folder_path / "worker.properties",
                 self._folder_path / "connector.properties"], stdout=out, stderr=out)
        self.pid = self.process.pid
        return self

    def wait_for(self, broker, records, seconds=900):
        """The time and its CPU seconds when its first record was seen, and when so many were."""
        deadline, first = time.monotonic() + seconds, None
        while (there := broker.next_offset(self.topic)) < records:
            if there and not first:
                first = time.monotonic(), stage.cpu_of(self.pid), there
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"Debezium wrote {there:,} records of {records:,}: {self._said()}")
            time.sleep(0.05)
        return first, (time.monotonic(), stage.cpu_of(self.pid), there)

    def _said(self):
        logs = [self._folder_path / "connect.log", self._folder_path / "stdout.log"]
        return "".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self._folder.cleanup()
