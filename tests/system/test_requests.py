"""What a command asks of the agent survives whatever happens to the agent before it is done."""

import signal

import pytest

import failpoints
import oracle_chinook as oracle
from database import opened
from deployment import DIFFERENCES, DONE
from eventually import eventually

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
