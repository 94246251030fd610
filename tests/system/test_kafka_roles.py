"""Capture and apply in processes of their own, with nothing but the topic between them."""

import json
import shutil
import sqlite3

import pytest

import oracle_chinook as oracle
from deployment import CHINOOK_CONFIG, REPOSITORY
from eventually import eventually
from kafka_log import through_kafka
from workload_chinook import Application

CHINOOK = REPOSITORY / "config" / "chinook-kafka.yaml"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


class Apart:
    """A pipeline of two deployments: one that captures, one that has no source."""

    def __init__(self, deploy, source, dynamodb, topic, **options):
        self.source, self.dynamodb = source, dynamodb
        self.capture = deploy(source, config=CHINOOK, environment=topic, name="capture", **options)
        self.apply = deploy(source, config=CHINOOK, endpoint=dynamodb.endpoint, environment={**topic, "DATABASE_URL": NOWHERE},
                            name="apply", **options)
        # The capture has no target: this one does not exist.
        self.capture.environment["DYNAMODB_ENDPOINT"] = "http://127.0.0.1:1"
        self.both = deploy(source, config=CHINOOK, endpoint=dynamodb.endpoint, environment=topic, name="both", **options)
        self.both.init()

    def check(self):
        oracle.check(self.source, self.dynamodb)

    def sync(self):
        self.capture.run("run", "--once", "--role", "capture").expect()
        self.apply.run("run", "--once", "--role", "apply").expect()
        self.check()


@pytest.fixture
def apart(deploy, small_pg_source, dynamodb, topic):
    return Apart(deploy, small_pg_source, dynamodb, topic)


def test_each_half_by_itself(apart):
    done = apart.capture.run("run", "--once", "--role", "capture").expect()
    assert "is in the log, up to offset" in done.out
    assert {file.name for file in (apart.capture.state / "capture").iterdir()} <= {"lock", "inbox.db", "status.json"}
    apart.apply.run("run", "--once", "--role", "apply").expect()
    apart.check()
    apart.source.execute("UPDATE artist SET name = 'told apart' WHERE artist_id = 1")
    apart.sync()


def test_an_apply_without_its_state_folds_anew_and_writes_nothing(apart, proxy):
    apart.sync()
    shutil.rmtree(apart.apply.state)
    apart.apply.environment["DYNAMODB_ENDPOINT"] = proxy.endpoint
    apart.apply.run("run", "--once", "--role", "apply").expect()
    assert proxy.writes == 0, proxy.counts
    apart.check()
