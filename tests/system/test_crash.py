"""kill -9 at every failpoint, then a restart: nothing is lost, nothing is wrong, nothing goes back.

At each point a process dies three times or less: on a way that is known to come by, and then at the
first and the second pass of a sync. While it is dead the source changes, changes back, or loses
rows. A point that no way comes by fails its test.
"""

import signal
import time

import pytest

import failpoints
import oracle_chinook as oracle
import ways
from deployment import CHINOOK_CONFIG, DIFFERENCES, DONE
from local_items import LocalItems, chinook_config
from reader import SamplingReader
from workload_chinook import Application
from workload_schema import random_migration

KILLED = -signal.SIGKILL


def changed(application):
    application.burst(25)
    random_migration(application)


def changed_back(application):
    """What the dead process had read, and perhaps sent, is no longer so; what came before is."""
    names = application.sql("SELECT ArtistId, Name FROM Artist").fetchall()
    application.sql("UPDATE Artist SET Name = 'elsewhere'")
    for artist, name in names:
        application.sql("UPDATE Artist SET Name = ? WHERE ArtistId = ?", name, artist)
    while application.undo:
        application.sql(*application.undo.pop())


def deleted(application):
    application.sql("PRAGMA foreign_keys = OFF")
    application.sql("BEGIN")
    for table in ("Artist", "Track", "Playlist"):
        application.sql(f"DELETE FROM {table} WHERE {table}Id % 5 = 0")
    for table in ("InvoiceLine", "Invoice"):
        application.sql(f"DELETE FROM {table} WHERE InvoiceId % 5 = 0")
    application.sql("COMMIT")


def dies(tandem, point, arguments, at=1):
    """Runs the command until it ends; True if it died at the point."""
    process = tandem.start(*arguments, environment=failpoints.armed(point, "kill", at))
    status = process.wait(60)
    assert status in (DONE, DIFFERENCES, KILLED), f"{status}, and not at {point}: {process.output()}"
    return status == KILLED


@pytest.mark.parametrize("point", failpoints.names())
def test_kill_at(tandem, target, small_source, seed, point):
    application = Application(small_source, seed)

    def recovers(after):
        after(application)
        tandem.init()
        tandem.run_once().expect()
        oracle.check(small_source, target)

    with SamplingReader(target, pause=0.2):
        arguments = ways.past(point)(tandem, application)
        assert dies(tandem, point, arguments), f"`{' '.join(arguments)}` does not come past {point}"
        recovers(changed)
        for at, meanwhile in ((1, changed_back), (2, deleted)):
            application.burst(12)
            if dies(tandem, point, ["run", "--once"], at):
                recovers(meanwhile)
    application.close()


def test_kill_at_any_moment(deploy, small_source, dynamodb, seed):
    """Not at a named point but at a random time, again and again, while the application writes."""
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.init()
    application = Application(small_source, seed)
    with SamplingReader(dynamodb):
        for _ in range(12):
            agent = tandem.start("run")
            deadline = time.monotonic() + application.random.uniform(0.02, 1.0)
            while time.monotonic() < deadline:
                application.burst(3)
                time.sleep(0.01)  # an application is not always busy
            agent.kill()
        tandem.run_once().expect()
        oracle.check(small_source, dynamodb)
    application.close()


@pytest.mark.parametrize("point", ["fold.commit.before", "ledger.commit.before", "reconciler.submit.after"])
def test_killed_while_the_ledger_is_rebuilt(tandem, target, small_source, seed, point):
    """The state is lost as a whole; the agent dies while it reads back what the target holds."""
    application = Application(small_source, seed)
    tandem.sync()
    application.burst(25)
    tandem.run("reset", "--confirm").expect()
    tandem.init()
    assert dies(tandem, point, ["run", "--once"])
    deleted(application)
    tandem.run_once().expect()
    oracle.check(small_source, target)
    application.close()


def test_killed_again_and_again(tandem_of_dynamodb, dynamodb, small_source, seed):
    """Each start dies, one pass of the ledger's commit later than the last one, until one gets through."""
    application = Application(small_source, seed)
    tandem = tandem_of_dynamodb
    tandem.init()
    application.burst(25)
    with SamplingReader(dynamodb, pause=0.2):
        for at in range(1, 30):
            if not dies(tandem, "ledger.commit.after", ["run", "--once"], at):
                break
            application.burst(2)
        else:
            raise AssertionError("no start gets through")
        tandem.run_once().expect()
        oracle.check(small_source, dynamodb)
    application.close()


@pytest.fixture
def tandem_of_dynamodb(deploy, small_source, debug_binary, dynamodb):
    return deploy(small_source, endpoint=dynamodb.endpoint, use=debug_binary)
