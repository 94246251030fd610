"""kill -9 of the agent, of the walsender and of the whole server: nothing is lost, nothing is wrong.

TANDEM_FULL=1 in the environment repeats each blow more often.
"""

import signal
import time

import pytest

import failpoints
import oracle_chinook as oracle
from conftest import missing
from deployment import DIFFERENCES, DONE, FAILED
from eventually import eventually
from reader import SamplingReader
from test_postgres_first_sync import CHINOOK
from workload_postgres import Crowd, prepare

KILLED = -signal.SIGKILL

# Of what lies behind capture, a few: the others are held by the same tests over SQLite.
SHARED = (
    "capture.append.before", "capture.append.after", "capture.claim.between", "log.append.commit",
    "fold.commit.before", "fold.commit.after", "ledger.commit.before", "ledger.commit.after",
)


class Chinook:
    """A deployment over the small Chinook, and sessions that write to it."""

    def __init__(self, tandem, database, dynamodb, seed):
        self.tandem, self.database, self.dynamodb = tandem, database, dynamodb
        prepare(database)
        self.crowd = Crowd(database, seed)
        self.random = self.crowd.random

    def recovers(self):
        self.tandem.init()
        self.tandem.run_once().expect()
        oracle.check(self.database, self.dynamodb)

    def settles(self, agent, seconds=120):
        """Until all is equal; an agent that gave up with a message is started again, as a supervisor does."""

        def equal():
            nonlocal agent
            if agent.process.poll() is not None:
                assert agent.process.returncode == FAILED, agent.output()
                agent = self.tandem.start()
            return oracle.check(self.database, self.dynamodb)

        eventually(equal, seconds, "the target equals the source", pause=0.2)
        return agent


@pytest.fixture
def chinook(deploy, small_pg_source, dynamodb, debug_binary, seed):
    tandem = deploy(small_pg_source, config=CHINOOK, endpoint=dynamodb.endpoint, use=debug_binary)
    made = Chinook(tandem, small_pg_source, dynamodb, seed)
    yield made
    made.crowd.close()


def dies(tandem, point, at=1, command=("run", "--once")):
    process = tandem.start(*command, environment=failpoints.armed(point, "kill", at))
    status = process.wait(60)
    assert status in (DONE, DIFFERENCES, KILLED), f"{status}, and not at {point}: {process.output()}"
    return status == KILLED


@pytest.mark.parametrize("point", failpoints.of_postgres())
def test_kill_at(chinook, dynamodb, full, point):
    chinook.tandem.init()
    with SamplingReader(dynamodb, pause=0.2):
        assert dies(chinook.tandem, point), f"a first sync does not come past {point}"
        chinook.crowd.burst(40)
        chinook.crowd.migration()
        chinook.recovers()
        for at in (1, 2, 3, 5) if full else (1, 3):
            chinook.crowd.burst(40)
            if dies(chinook.tandem, point, at):
                chinook.crowd.burst(40)
                chinook.recovers()
        chinook.recovers()


@pytest.mark.parametrize("point", SHARED)
def test_kill_behind_capture(chinook, full, point):
    chinook.tandem.init()
    for at in (1, 2, 5) if full else (2,):
        if dies(chinook.tandem, point, at):
            chinook.crowd.burst(40)
        chinook.recovers()
        chinook.crowd.burst(20)
    chinook.recovers()


def test_the_agent_is_killed_at_any_moment(chinook, dynamodb, full):
    chinook.tandem.init()
    with SamplingReader(dynamodb):
        for number in range(40 if full else 8):
            agent = chinook.tandem.start("run")
            deadline = time.monotonic() + chinook.random.uniform(0.02, 1.0)
            while time.monotonic() < deadline:
                chinook.crowd.burst(8)
            if number % 4 == 3:
                chinook.crowd.migration()
            agent.kill()
        chinook.recovers()


@pytest.fixture
def own_chinook(own_postgres, deploy, dynamodb, debug_binary, seed):
    """On a server of its own, to be killed."""
    server = own_postgres()
    if not server.has("small_chinook"):
        missing("the Chinook script is not here: CHINOOK_POSTGRES=FILE names it")
    database = server.create("legacy", template="small_chinook")
    tandem = deploy(database, config=CHINOOK, endpoint=dynamodb.endpoint, use=debug_binary)
    made = Chinook(tandem, database, dynamodb, seed)
    yield made
    made.crowd.close()


def reconnected(chinook, seed):
    chinook.crowd.close()
    chinook.crowd = Crowd(chinook.database, seed)


def test_the_walsender_is_killed(own_chinook, dynamodb, seed, full):
    """The server goes through recovery each time, with all its sessions."""
    own_chinook.tandem.init()
    agent = own_chinook.tandem.start()
    with SamplingReader(dynamodb):
        for number in range(10 if full else 2):
            own_chinook.crowd.burst(40)
            eventually(own_chinook.database.server.kill_walsender, 30, "there is a walsender to kill")
            reconnected(own_chinook, f"{seed}-{number}")
            own_chinook.crowd.burst(40)
            agent = own_chinook.settles(agent)
    agent.stop()


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_the_server_is_killed(own_chinook, dynamodb, seed, full, how):
    server = own_chinook.database.server
    own_chinook.tandem.init()
    agent = own_chinook.settles(own_chinook.tandem.start())
    with SamplingReader(dynamodb):
        for number in range(10 if full else 2):
            own_chinook.crowd.burst(40)
            if how == "kill":
                server.kill()
            else:
                server.stop()
            time.sleep(own_chinook.random.uniform(0, 1.5))  # how long it is gone is part of the dice
            server.start()
            reconnected(own_chinook, f"{seed}-{number}")
            own_chinook.crowd.burst(40)
            agent = own_chinook.settles(agent)
    agent.stop()
    assert "gap" not in own_chinook.tandem.run("log", "show").expect().out, "nothing had to be read anew"


def test_server_and_agent_are_killed_in_a_first_snapshot(own_chinook, seed, full):
    own_chinook.tandem.init()
    for number in range(12 if full else 3):
        agent = own_chinook.tandem.start()
        time.sleep(own_chinook.random.uniform(0.05, 0.6))  # somewhere in the snapshot
        own_chinook.database.server.kill()
        if number % 2:
            agent.kill()
        own_chinook.database.server.start()
        reconnected(own_chinook, f"{seed}-{number}")
        own_chinook.crowd.burst(40)
        agent.kill()
    own_chinook.recovers()
