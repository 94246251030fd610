"""What a command asks of the agent survives whatever happens to the agent before it is done."""

import datetime
import signal

import pytest

import failpoints
import oracle_chinook as oracle
from database import opened
from deployment import DIFFERENCES, DONE
from eventually import eventually
from local_items import chinook_config

KILLED = -signal.SIGKILL
# Points at which a request is known to the agent, and what it asks for may not be durable yet.
POINTS = (
    "capture.claim.after",
    "fold.commit.before",
    "fold.commit.after",
    "inbox.remove.before",
    "inbox.remove.after",
    "ledger.commit.before",
    "ledger.commit.after",
    "reconciler.submit.before",
    "dynamodb.send.before",
)


@pytest.mark.parametrize("point", POINTS)
def test_a_repair_survives_a_kill(deploy, small_source, dynamodb, debug_binary, point):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint, use=debug_binary)
    tandem.sync()
    key = {"PK": {"S": "CUSTOMER#2"}, "SK": {"S": "PROFILE"}}
    dynamodb.client.delete_item(TableName="CustomerOrders", Key=key)
    tandem.run("verify", "--repair").expect(DIFFERENCES)
    killed = tandem.run("run", "--once", environment=failpoints.armed(point, "kill"))
    assert killed.status == KILLED, str(killed)
    tandem.run_once().expect(DONE)
    oracle.check(small_source, dynamodb)


def test_a_run_once_does_what_was_asked(deploy, small_source, dynamodb):
    """Though nothing has changed at the source since the last run."""
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    for _ in range(5):
        dynamodb.client.delete_item(
            TableName="Playlists", Key={"PK": {"S": "PLAYLIST#1"}, "SK": {"S": "METADATA"}}
        )
        tandem.run("verify", "--repair").expect(DIFFERENCES)
        tandem.run_once().expect(DONE)
        oracle.check(small_source, dynamodb)


def test_a_place_in_the_log_by_time(deploy, small_source):
    tandem = deploy(small_source, config=chinook_config(), endpoint="")
    tandem.sync()
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    with opened(small_source) as connection:
        connection.execute("UPDATE Artist SET Name = 'later' WHERE ArtistId = 1")
    tandem.run_once().expect()
    shown = tandem.run("log", "show", "--from", now).expect().out
    assert "later" in shown and "chunk" not in shown
    assert "chunk" in tandem.run("log", "show", "--from", "2020-01-01").expect().out
    tandem.run("replay", "--from", now).expect()
    assert "nor a time" in tandem.run("replay", "--from", "yesterday").expect(2).err
    tandem.run_once().expect()


def test_replays_of_a_running_agent_stop_nothing(deploy, small_source, dynamodb):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    agent = tandem.start()
    for _ in range(3):
        tandem.run("replay", "--from", "1").expect()
        with opened(small_source) as connection:
            connection.execute("UPDATE Track SET Milliseconds = Milliseconds + 1")
    eventually(lambda: oracle.check(small_source, dynamodb), 60, "all is there", alive=agent.alive)
    agent.stop()
    assert "warning" not in agent.output().lower(), agent.output()
