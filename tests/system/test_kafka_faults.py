"""A broker that is killed, stopped, slow, cut off, or that loses what it had: nothing is lost, nothing is wrong."""

import threading
import time

import pytest

import kafka_topic
import oracle_chinook as oracle
from deployment import REPOSITORY
from eventually import eventually
from kafka_log import through_kafka
from workload_postgres import Crowd, prepare

CHINOOK = REPOSITORY / "config" / "chinook-postgres.yaml"
# Impatient, so that a test need not wait for what is the same after minutes.
IMPATIENT = {"socket.timeout.ms": 3000, "request.timeout.ms": 2000, "delivery.timeout.ms": 2500}


class Chinook:
    """An agent over the small Chinook and a broker that it reaches by a proxy, and sessions that write."""

    def __init__(self, deploy, database, dynamodb, broker, seed, use=None):
        self.database, self.dynamodb, self.broker = database, dynamodb, broker
        self.proxy, self.topic = broker.proxy, broker.new_topic()
        prepare(database)
        self.crowd = Crowd(database, seed)
        self.tandem = deploy(database, config=through_kafka(CHINOOK, **IMPATIENT), endpoint=dynamodb.endpoint, use=use,
                             environment={"KAFKA_BROKERS": broker.address, "KAFKA_TOPIC": self.topic})
        self.tandem.init()
        self.agent = None

    def start(self):
        self.agent = self.tandem.start()
        return self.settles()

    def settles(self, seconds=60):
        eventually(lambda: oracle.check(self.database, self.dynamodb), seconds, "the target equals the source",
                   pause=0.2, alive=self.agent.alive)
        return self

    def writing(self):
        """`with writing():` transactions go on while the block runs."""
        return Writing(self.crowd)

    def kinds(self):
        return kafka_topic.kinds(self.broker.address, self.topic)

    def ends_well(self, gaps=0):
        self.settles()
        self.agent.stop()
        assert kafka_topic.check(self.broker.address, self.topic)
        assert gaps is None or self.kinds().get("gap", 0) == gaps, self.agent.output()


class Writing:
    def __init__(self, crowd):
        self.crowd, self.ended, self.failure = crowd, threading.Event(), None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        if self.failure:
            raise self.failure

    def _run(self):
        try:
            while not self.ended.is_set():
                self.crowd.burst(8)
                self.ended.wait(0.02)
        except BaseException as error:  # the test must hear of it
            self.failure = error


@pytest.fixture
def chinook(deploy, small_pg_source, dynamodb, rough_kafka, seed):
    made = Chinook(deploy, small_pg_source, dynamodb, rough_kafka, seed)
    yield made
    made.crowd.close()


def test_the_broker_is_killed_and_comes_back(chinook, full):
    chinook.start()
    for _ in range(5 if full else 2):
        with chinook.writing():
            time.sleep(chinook.crowd.random.uniform(0.1, 0.6))  # when it dies is part of the dice
            chinook.broker.kill()
            time.sleep(chinook.crowd.random.uniform(0, 1))
            chinook.broker.start()
        chinook.settles()
    chinook.ends_well()


def test_the_broker_is_away_for_longer_than_is_waited_for(chinook):
    chinook.start()
    chinook.broker.stop()
    chinook.crowd.burst(20)
    chinook.agent.wait_for_line("trying again")
    chinook.crowd.burst(20)
    chinook.broker.start()
    chinook.ends_well()


def status(chinook):
    return chinook.tandem.run("status", "--json").expect().json


@pytest.mark.parametrize("how", ["stopped", "silent"])
@pytest.mark.parametrize("roles", [["all"], ["capture", "apply"]], ids=["together", "apart"])
def test_a_stop_does_not_wait_for_the_broker(chinook, how, roles):
    agents = [chinook.tandem.start("run", "--role", role, until_owned=False) for role in roles]
    chinook.agent = agents[-1]
    chinook.settles()
    if how == "silent" and len(agents) == 2:
        eventually(lambda: status(chinook)["level"], 20, "all is there", alive=agents[1].alive)
    if how == "stopped":
        chinook.broker.stop()
    else:
        chinook.broker.pause()
    if how == "silent" and len(agents) == 2:
        eventually(lambda: status(chinook)["log"]["silent_seconds"] >= 5, 20, "it is heard of", alive=agents[1].alive)
        assert status(chinook)["replica"]["lag_offsets"] == 0 and not status(chinook)["level"]
        assert "no broker has answered" in chinook.tandem.run("status").expect().out
    chinook.crowd.burst(20)
    time.sleep(0.3)  # an append is on its way
    try:
        for agent in agents:
            agent.stop()
    finally:
        if how == "stopped":
            chinook.broker.start()
        else:
            chinook.broker.resume()
    chinook.start().ends_well()


def test_the_broker_is_slow(chinook):
    chinook.start()
    with chinook.writing():
        chinook.broker.pause()
        time.sleep(3)  # longer than a request is waited for: it is sent again
        chinook.broker.resume()
        chinook.proxy.delay = 0.05
        time.sleep(1)
    chinook.settles()
    chinook.proxy.delay = 0.0
    chinook.ends_well()


def test_connections_are_cut_and_forgotten(chinook, full):
    chinook.start()
    with chinook.writing():
        for number in range(40 if full else 8):
            time.sleep(chinook.crowd.random.uniform(0.02, 0.4))
            if number % 4 == 3:
                chinook.proxy.forget()
            else:
                chinook.proxy.cut()
    chinook.ends_well()


@pytest.mark.parametrize("again", ["at once", "later"])
def test_the_topic_is_deleted_and_made_again(chinook, again):
    """Another log: everything is read anew, and that is said."""
    chinook.start()
    with chinook.writing():
        chinook.broker.delete_topic(chinook.topic)
        if again == "later":
            chinook.agent.wait_for_line("run `tandem init`")
        chinook.tandem.init()
    chinook.agent.wait_for_line("trying again")
    chinook.ends_well(gaps=None)


def test_records_are_deleted_that_the_replica_needs(chinook):
    chinook.start()
    chinook.agent.stop()
    chinook.crowd.burst(20)
    for file in chinook.tandem.state.glob("replica*"):
        file.unlink()
    middle = kafka_topic.messages(chinook.broker.address, chinook.topic)[-1][0] // 2
    chinook.broker.delete_records(chinook.topic, middle)
    chinook.start()
    assert "the log no longer holds what the replica needs" in chinook.agent.output()
    chinook.ends_well(gaps=1)


def test_retention_lets_go_of_everything(chinook):
    """An empty topic does not say that it is the same log: everything is read anew."""
    chinook.start()
    chinook.agent.stop()
    chinook.broker.alter_topic(chinook.topic, **{"retention.ms": "100", "segment.ms": "100"})
    eventually(lambda: chinook.broker.is_empty(chinook.topic), 30, "retention has let go of everything")
    chinook.broker.alter_topic(chinook.topic, **{"retention.ms": "-1", "segment.ms": "600000"})
    chinook.crowd.burst(20)
    chinook.start()
    chinook.ends_well(gaps=None)
