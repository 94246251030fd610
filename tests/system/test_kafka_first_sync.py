"""Through Kafka the whole way: from an empty target to every item, and the changes after."""

import pytest

import oracle_chinook as oracle
import oracle_examples
from deployment import CHINOOK_CONFIG, REPOSITORY
from kafka_log import through_kafka
from test_postgres_first_sync import CHANGES
from workload_chinook import Application

CHINOOK = REPOSITORY / "config" / "chinook-kafka.yaml"


@pytest.mark.quick
def test_every_item_of_the_real_chinook(deploy, pg_source, dynamodb, topic):
    tandem = deploy(pg_source, config=CHINOOK, endpoint=dynamodb.endpoint, environment=topic)
    tandem.sync()
    want = oracle.expected(pg_source)
    assert sum(map(len, want.values())) == 4709
    lines = oracle.differences(want, oracle.scanned(dynamodb))
    assert not lines, "\n".join(lines)


def test_every_item_of_the_real_chinook_in_sqlite(deploy, source, dynamodb, topic):
    config = through_kafka(CHINOOK_CONFIG)
    tandem = deploy(source, config=config, endpoint=dynamodb.endpoint, environment=topic)
    tandem.sync()
    oracle.check(source, dynamodb)


@pytest.mark.parametrize("name", CHANGES)
def test_an_example_and_its_changes(deploy, pg, dynamodb, topic, name):
    pg.execute(oracle_examples.script(name))
    config = through_kafka(REPOSITORY / "config" / f"{name}.yaml")
    tandem = deploy(pg, config=config, endpoint=dynamodb.endpoint, environment=topic)
    tandem.sync()
    oracle_examples.check(name, pg, dynamodb)
    for change in CHANGES[name]:
        pg.execute(change)
        tandem.run_once().expect()
        oracle_examples.check(name, pg, dynamodb)


def test_a_second_run_writes_nothing(deploy, small_pg_source, proxy, dynamodb, topic):
    tandem = deploy(small_pg_source, config=CHINOOK, endpoint=proxy.endpoint, environment=topic)
    tandem.sync()
    proxy.counts.clear()
    tandem.run_once().expect()
    assert proxy.writes == 0, proxy.counts
