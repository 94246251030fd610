"""Topics and brokers that a log cannot be kept in: each a sentence that says what to do."""

import pytest
from confluent_kafka.admin import NewTopic

from deployment import CHINOOK_CONFIG, FAILED
from kafka_log import through_kafka


@pytest.fixture
def tandem(deploy, small_source, dynamodb, topic):
    return deploy(small_source, config=through_kafka(CHINOOK_CONFIG), endpoint=dynamodb.endpoint, environment=topic)


def said(tandem, *texts, seconds=30):
    result = tandem.run("run", "--once", seconds=seconds).expect(FAILED)
    for text in texts:
        assert text in result.err, str(result)


def test_a_topic_that_was_not_made(tandem):
    said(tandem, "run `tandem init`")


def test_a_topic_of_two_partitions(tandem, kafka, topic):
    name = topic["KAFKA_TOPIC"]
    kafka.admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])[name].result(30)
    said(tandem, "2 partitions", "`log.topic`")


def test_a_compacted_topic(tandem, kafka, topic):
    kafka.make_topic(topic["KAFKA_TOPIC"], **{"cleanup.policy": "compact"})
    said(tandem, "is compacted", "cleanup.policy")


def test_a_topic_of_another_program(tandem, kafka, topic):
    kafka.make_topic(topic["KAFKA_TOPIC"])
    kafka.produce(topic["KAFKA_TOPIC"], b"no JSON")
    said(tandem, "a message that Tandem did not write", "offset 0")


def test_brokers_that_are_not_there(tandem):
    tandem.environment["KAFKA_BROKERS"] = "127.0.0.1:1"
    said(tandem, "Connection refused", "start the brokers", seconds=90)
