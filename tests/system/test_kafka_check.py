"""What `check` says of a log's topics, and that its advice helps."""

import pytest

from deployment import FAILED, REPOSITORY
from kafka_log import through_kafka

CHINOOK = REPOSITORY / "config" / "chinook-kafka.yaml"


def lines(result, topic):
    return [line for line in result.out.splitlines() if f"topic {topic}:" in line]


def test_the_topics_are_judged(deploy, small_pg_source, dynamodb, kafka, topic):
    tandem = deploy(small_pg_source, config=CHINOOK, endpoint=dynamodb.endpoint, environment=topic)
    name = topic["KAFKA_TOPIC"]
    before = tandem.run("check").expect()
    assert "tandem init" in lines(before, name)[0], before.out
    tandem.init()
    # The tests' only broker can have no second replica.
    said = lines(tandem.run("check").expect(), name)
    assert len(said) == 1 and "one replica" in said[0] and said[0].startswith("warning")
    kafka.alter_topic(name, **{"unclean.leader.election.enable": "true", "retention.ms": "3600000"})
    said = lines(tandem.run("check").expect(), name)
    assert len(said) == 3 and any("retention.ms=604800000" in line for line in said), said
    kafka.alter_topic(name, **{"cleanup.policy": "compact"})
    refused = tandem.run("check").expect(FAILED)
    assert any(line.startswith("failure") and "compacted" in line for line in lines(refused, name))
    kafka.alter_topic(name + ".control", **{"retention.ms": "1000"})
    assert any("retention.ms=-1" in line for line in lines(tandem.run("check").expect(FAILED), name + ".control"))


def test_init_gives_the_topic_its_settings(deploy, small_pg_source, dynamodb, kafka, topic):
    config = through_kafka(REPOSITORY / "config" / "chinook-postgres.yaml").replace(
        "  type: kafka\n", "  type: kafka\n  replication: 1\n  settings: {max.message.bytes: 2000000, unclean.leader.election.enable: true}\n"
        "  retention: {age: 3d, size: 1GB}\n")
    tandem = deploy(small_pg_source, config=config, endpoint=dynamodb.endpoint, environment=topic)
    tandem.init()
    has = kafka.settings(topic["KAFKA_TOPIC"])
    assert has["max.message.bytes"] == "2000000" and has["cleanup.policy"] == "delete"
    assert has["retention.ms"] == str(3 * 24 * 3600 * 1000) and has["retention.bytes"] == "1000000000"
    control = kafka.settings(topic["KAFKA_TOPIC"] + ".control")
    assert control["retention.ms"] == "-1" and control["unclean.leader.election.enable"] == "true"
    assert "made the Kafka topic" not in tandem.run("init").expect().out


@pytest.mark.parametrize("line, words", [
    ("replication: 5", "replication factor"),
    ("settings: {retention.ms: soon}", "retention.ms"),
])
def test_init_says_in_the_brokers_words_what_is_refused(deploy, small_pg_source, dynamodb, topic, line, words):
    config = through_kafka(REPOSITORY / "config" / "chinook-postgres.yaml").replace(
        "  type: kafka\n", f"  type: kafka\n  {line}\n")
    refused = deploy(small_pg_source, config=config, endpoint=dynamodb.endpoint, environment=topic).run("init")
    last = refused.expect(FAILED).err.strip().splitlines()[-1]
    assert words in last and "correct `log.replication` and `log.settings`" in last, str(refused)
