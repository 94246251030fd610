"""The permissions that docs/kafka.md names: each is needed, all are enough, and one that is missing is said."""

import sqlite3

import pytest

import kafka_users
from deployment import FAILED, REPOSITORY
from eventually import eventually
from kafka_log import through_kafka
from kafka_messages import read_topic
from local_items import chinook_config

DOCS = REPOSITORY / "docs" / "kafka.md"
REQUEST = b'{"kind":"snapshot","pipeline":"chinook","text":"Artist"}'
USERS = ("init", "capture", "apply", "reader", "check")


def permissions():
    """{user: (operations on the log, operations on the control topic)}, of the page's table."""
    section = DOCS.read_text().split("\n## Security\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|")[1:] for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) == len(USERS)
    return {user: tuple([name for name in cell.strip().split(", ") if name != "nothing"] for cell in row)
            for user, row in zip(USERS, rows)}


PERMISSIONS = permissions()
NEEDED = [(user, which, name) for user in ("init", "capture", "apply", "reader")
          for which in (0, 1) for name in PERMISSIONS[user][which] if name != "DescribeConfigs"]
COMMANDS = {"init": ("init",), "capture": ("run", "--role", "capture"), "apply": ("run", "--role", "apply"),
            "reader": ("log", "show")}


class Pipeline:
    """A deployment whose commands are run by users of their own, who may do nothing that was not granted."""

    def __init__(self, deploy, source, broker, authority):
        self.broker = broker
        name = broker.new_topic()
        self.topics = (name, name + ".control")
        self.tandem = deploy(source, config=through_kafka(chinook_config(), **kafka_users.properties(authority)),
                             environment={"KAFKA_BROKERS": broker.secure_address, "KAFKA_TOPIC": name})

    def grant(self, *users, without=()):
        """What the page names; `without`: but for these operations."""
        for user in users:
            for topic, names in zip(self.topics, PERMISSIONS[user]):
                self.broker.grant(user, topic, *(name for name in names if name not in without))

    def run(self, user, *command):
        return self.tandem.run(*command, environment=kafka_users.of(user), seconds=30)

    def start(self, user, *command):
        return self.tandem.start(*command, environment=kafka_users.of(user), until_owned=False)

    def prepare(self, user):
        """All that comes before what this user does."""
        if user == "init":
            return
        self.grant("init")
        self.run("init", "init").expect()
        if user in ("apply", "reader"):
            self.grant("capture")
            self.run("capture", "run", "--once", "--role", "capture").expect()


@pytest.fixture
def pipeline(deploy, small_source, secure_kafka, authority):
    return Pipeline(deploy, small_source, secure_kafka, authority)


def said_of(topic, name, text):
    wanted = f"grant the user of `log.properties` {name} on this topic"
    return any(f"Kafka topic {topic}: " in line and wanted in line for line in text.splitlines())


def test_what_the_page_names_is_enough(pipeline):
    pipeline.grant(*USERS)
    assert "made the Kafka topic" in pipeline.run("init", "init").expect().out
    pipeline.broker.produce(pipeline.topics[1], REQUEST)
    capture = pipeline.start("capture", "run", "--role", "capture")

    def done():
        return any(m.value["kind"] == "done" for m in read_topic(pipeline.broker.address, pipeline.topics[1]))

    eventually(done, 30, "capture says that it has done what was asked", alive=capture.alive)
    capture.stop()
    for user, command in (("apply", "run --once --role apply"), ("reader", "status"), ("reader", "log show"),
                          ("reader", "replay --from beginning"), ("check", "check")):
        result = pipeline.run(user, *command.split()).expect()
        assert "grant" not in result.out + result.err, str(result)
    assert pipeline.run("apply", "run", "--once", "--role", "apply").expect().out.startswith("326 items are right")


@pytest.mark.parametrize("user, which, name", NEEDED)
def test_what_is_missing_is_said(pipeline, user, which, name):
    pipeline.prepare(user)
    pipeline.grant(user)
    if user == "capture":
        pipeline.broker.produce(pipeline.topics[1], REQUEST)
    pipeline.broker.revoke(user, pipeline.topics[which], name)
    tandem = pipeline.start(user, *COMMANDS[user])

    def said():
        return said_of(pipeline.topics[which], name, tandem.output())

    eventually(said, 10, "what is missing is said", alive=lambda: said() or tandem.alive())


def test_a_capture_that_may_write_nowhere(pipeline):
    """A producer is refused as such, before its topic comes up."""
    pipeline.prepare("capture")
    for topic in pipeline.topics:
        pipeline.broker.grant("reader", topic, "Read")
    result = pipeline.run("reader", "run", "--once", "--role", "capture").expect(FAILED)
    assert said_of(pipeline.topics[0], "Write", result.err), str(result)


def test_without_describe_configs_all_works_with_a_warning(pipeline):
    pipeline.grant(*USERS, without=["DescribeConfigs"])
    pipeline.run("init", "init").expect()
    for user, command in (("capture", "run --once --role capture"), ("apply", "run --once --role apply"),
                          ("reader", "status")):
        result = pipeline.run(user, *command.split()).expect()
        assert f"the settings of Kafka topic {pipeline.topics[0]} cannot be read" in result.err, str(result)
        assert "grant DescribeConfigs" in result.err
    checked = pipeline.run("check", "check").expect()
    for topic in pipeline.topics:
        assert any(line.startswith(f"warning topic {topic}: its settings cannot be read") and "DescribeConfigs" in line
                   for line in checked.out.splitlines()), str(checked)


def test_init_leaves_topics_alone_that_somebody_else_made(pipeline):
    for topic in pipeline.topics:
        pipeline.broker.make_topic(topic)
    pipeline.grant("capture")
    assert "made the Kafka topic" not in pipeline.run("capture", "init").expect().out
    pipeline.run("capture", "run", "--once", "--role", "capture").expect()


def test_init_for_a_capture_needs_create_alone(pipeline):
    for topic in pipeline.topics:
        pipeline.broker.grant("init", topic, "Create")
    assert "made the Kafka topic" in pipeline.run("init", "init", "--role", "capture").expect().out


def test_a_permission_that_comes_back(pipeline, small_source):
    pipeline.prepare("capture")
    pipeline.grant("capture")
    capture = pipeline.start("capture", "run", "--role", "capture")
    log = pipeline.topics[0]

    def rows(name):
        return [message for message in read_topic(pipeline.broker.address, log)
                if message.record is None and message.table == "Artist" and message.value["after"]["Name"] == name]

    def add(name):
        with sqlite3.connect(small_source, timeout=20) as source:
            source.execute("INSERT INTO Artist (Name) VALUES (?)", [name])

    add("before")
    eventually(lambda: rows("before"), 30, "the row is in the topic", alive=capture.alive)
    pipeline.broker.revoke("capture", log, "Write")
    add("after")
    eventually(lambda: said_of(log, "Write", capture.output()), 15, "what is missing is said", alive=capture.alive)
    assert not rows("after")
    pipeline.broker.grant("capture", log, "Write")
    eventually(lambda: rows("after"), 30, "the row is in the topic", alive=capture.alive)
    capture.stop()
