"""A real Kafka of the tests' own: one node, broker and controller at once, on free ports."""

import itertools
import os
import pathlib
import shutil
import signal
import subprocess

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from child import free_port, start_child
from eventually import eventually

HERE = pathlib.Path(__file__).parent / "kafka"
# Little work at the start: tests live for seconds.
JVM = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
CLUSTER = "VGFuZGVtVGVzdHNLYWZrYQ"  # sixteen bytes, as Kafka writes them

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={directory}/data
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
# A broker that was killed comes back as soon as its old session has ended.
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
log.retention.check.interval.ms=500
log.initial.task.delay.ms=500
"""

# Of two entries of one name, the last one counts.
SECURE = """
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SECURE://127.0.0.1:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://localhost:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=\
  org.apache.kafka.common.security.plain.PlainLoginModule required {passwords};
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


def home():
    """Where ./dev has put its archives; None if they are not there."""
    named = os.environ.get("TANDEM_KAFKA")
    if not named or not shutil.which("java"):
        return None
    path = pathlib.Path(named)
    return path if list(path.glob("kafka_2.13-*.jar")) else None


class KafkaBroker:
    """`proxy`: what clients are sent to instead. `secure`: of a listener with TLS and passwords, a
    keystore and {user: password}; clients find it at secure_address, and may do there what was
    granted."""

    jvm = JVM

    def __init__(self, directory, proxy=None, secure=None):
        self.directory = pathlib.Path(directory)
        self.port, controller = free_port(), free_port()
        self.proxy, self._topics = proxy, itertools.count(1)
        advertised = proxy.port if proxy else None
        if proxy:
            proxy.target = self.port
        self.address = f"127.0.0.1:{advertised or self.port}"
        self.log = self.directory / "kafka.log"
        self.properties = self.directory / "server.properties"
        self.properties.write_text(PROPERTIES.format(
            port=self.port, controller=controller, advertised=advertised or self.port, directory=self.directory)
            + (self._secured(controller, secure) if secure else ""))
        subprocess.run(
            self._java("kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER, "-c", self.properties),
            check=True, capture_output=True, timeout=120)
        self.start()

    def _secured(self, controller, secure):
        port = free_port()
        self.secure_address = f"localhost:{port}"
        passwords = " ".join(f'user_{user}="{password}"' for user, password in secure["users"].items())
        return SECURE.format(plain=self.port, controller=controller, secure=port, keystore=secure["keystore"],
                             passwords=passwords)

    def _java(self, *arguments):
        return [str(argument) for argument in (
            "java", *self.jvm, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", f"-Dkafka.log={self.log}",
            "-cp", f"{home()}/*", *arguments)]

    def start(self):
        with open(self.directory / "stdout.log", "ab") as out:
            self.process = start_child(self._java("kafka.Kafka", self.properties), stdout=out, stderr=out)
        self.admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.port}", "log_level": 0,
                                  "socket.timeout.ms": 10000})
        eventually(self._answers, 90, "Kafka answers", alive=self._alive)

    def _answers(self):
        try:
            return bool(self.admin.list_topics(timeout=1).brokers)
        except Exception:
            return False

    def _alive(self):
        if self.process.poll() is not None:
            raise RuntimeError("Kafka ended: " + self.log.read_text(errors="replace")[-4000:]
                               + (self.directory / "stdout.log").read_text(errors="replace")[-4000:])

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def grant(self, user, topic, *operations):
        """Operations as they are called in Kafka's documentation: Read, DescribeConfigs, …"""
        for operation in operations:
            acl = AclBinding(*self._permission(user, topic, operation))
            self.admin.create_acls([acl])[acl].result(30)

    def revoke(self, user, topic, operation):
        acl = AclBindingFilter(*self._permission(user, topic, operation))
        assert len(self.admin.delete_acls([acl])[acl].result(30)) == 1

    def _permission(self, user, topic, operation):
        kinds = {kind.name.replace("_", ""): kind for kind in AclOperation}
        return (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{user}", "*",
                kinds[operation.upper()], AclPermissionType.ALLOW)

    def new_topic(self):
        """A name that no topic has had."""
        return f"rough-{next(self._topics)}"

    def make_topic(self, name, **config):
        future = self.admin.create_topics(
            [NewTopic(name, num_partitions=1, replication_factor=1, config=config)])[name]
        future.result(30)

    def settings(self, name):
        """Of a topic, by name."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        return {key: entry.value for key, entry in self.admin.describe_configs([resource])[resource].result(30).items()}

    def alter_topic(self, name, **settings):
        entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                   for key, value in settings.items()]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(30)
        eventually(lambda: settings.items() <= self.settings(name).items(), 20, "the topic has its settings")

    def delete_topic(self, name):
        self.admin.delete_topics([name])[name].result(30)

    def produce(self, topic, value):
        producer = Producer({"bootstrap.servers": self.address, "log_level": 0})
        producer.produce(topic, value)
        assert producer.flush(30) == 0

    def delete_records(self, topic, before):
        partition = TopicPartition(topic, 0, before)
        for future in self.admin.delete_records([partition]).values():
            future.result(30)

    def is_empty(self, topic):
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "tests", "log_level": 0})
        try:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
            return first == end
        finally:
            consumer.close()
