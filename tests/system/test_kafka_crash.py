"""kill -9 around what is sent to Kafka, and two captures of one log: each record counts once, in its order."""

import signal

import pytest

import failpoints
import kafka_topic
import oracle_chinook as oracle
from deployment import CHINOOK_CONFIG, DIFFERENCES, DONE
from kafka_log import through_kafka
from test_zombies import expect_fenced, there, wait_until_stopped
from workload_chinook import Application

KILLED = -signal.SIGKILL

# Everything between what the source told and what it is let go of.
POINTS = failpoints.of_kafka() + [
    "capture.append.before", "capture.append.after", "capture.claim.between", "log.claim.before", "log.claim.after",
]


class Chinook:
    def __init__(self, tandem, source, dynamodb, topic, seed):
        self.tandem, self.source, self.dynamodb, self.topic = tandem, source, dynamodb, topic
        self.application = Application(source, seed)

    def starts(self, point, action, at, command=("run", "--once")):
        return self.tandem.start(*command, environment=failpoints.armed(point, action, at))

    def dies(self, point, at):
        process = self.starts(point, "kill", at)
        status = process.wait(60)
        assert status in (DONE, DIFFERENCES, KILLED), f"{status}, and not at {point}: {process.output()}"
        return status == KILLED

    def recovers(self):
        self.tandem.run_once().expect()
        self.is_right()

    def is_right(self):
        oracle.check(self.source, self.dynamodb)
        assert kafka_topic.check(self.topic["KAFKA_BROKERS"], self.topic["KAFKA_TOPIC"])


@pytest.fixture
def chinook(deploy, small_source, dynamodb, debug_binary, topic, seed):
    tandem = deploy(small_source, config=through_kafka(CHINOOK_CONFIG), endpoint=dynamodb.endpoint, use=debug_binary,
                    environment=topic)
    tandem.init()
    made = Chinook(tandem, small_source, dynamodb, topic, seed)
    yield made
    made.application.close()


@pytest.mark.parametrize("point", POINTS)
def test_kill_at(chinook, full, point):
    """In the first snapshot, and in what comes after."""
    assert chinook.dies(point, 1), f"a first sync does not come past {point}"
    chinook.application.burst(25)
    for at in (1, 2, 3, 5) if full else (2,):
        if not chinook.dies(point, at) and point.startswith("kafka."):
            raise AssertionError(f"a sync does not come past {point} so often")
        chinook.application.burst(25)
    chinook.recovers()


@pytest.mark.parametrize("point", [*failpoints.of_kafka(), "capture.append.before", "log.claim.before"])
def test_a_capture_that_was_succeeded_writes_late(chinook, point):
    """What it still had to send comes to lie behind the other's epoch, and counts for nobody."""
    chinook.tandem.run_once().expect()
    back = there(chinook.application)
    zombie = chinook.starts(point, "stop", 1 if point.startswith("log.") else 2, ("run",))
    wait_until_stopped(zombie)
    back()
    chinook.application.burst(15)
    second = chinook.tandem.beside("second")
    second.run_once().expect()
    chinook.is_right()
    zombie.resume()
    expect_fenced(zombie)
    chinook.application.burst(15)
    second.run_once().expect()
    chinook.is_right()


def test_killed_half_way_through_a_large_transaction(chinook):
    """A part of it is in the topic, without its end: it never happened, and is published again whole."""
    chinook.tandem.run_once().expect()
    # More than is appended at once.
    chinook.application.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)"
        " INSERT INTO Artist (ArtistId, Name) SELECT 10000 + i, i || printf('%.900c', 'x') FROM n")
    before = kafka_topic.kinds(chinook.topic["KAFKA_BROKERS"], chinook.topic["KAFKA_TOPIC"])
    assert chinook.dies("capture.append.after", 1)
    after = kafka_topic.kinds(chinook.topic["KAFKA_BROKERS"], chinook.topic["KAFKA_TOPIC"])
    assert after["begin"] > before["begin"] and after["end"] == before["end"], (before, after)
    chinook.recovers()
