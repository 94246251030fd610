"""An agent that runs beside a busy application: after each burst the target equals the source."""

import pytest

import oracle_chinook as oracle
from eventually import eventually
from reader import SamplingReader
from workload_chinook import Application
from workload_schema import add_column, random_migration, rebuild_table


def settled(source, dynamodb, agent, what, seconds=200):
    eventually(
        lambda: oracle.check(source, dynamodb), seconds, what, pause=0.1, alive=agent.alive
    )


def run_bursts(deploy, source, dynamodb, seed, rounds, transactions):
    tandem = deploy(source, endpoint=dynamodb.endpoint)
    tandem.init()
    application = Application(source, seed)
    agent = tandem.start()
    with SamplingReader(dynamodb):
        application.burst(transactions)  # while the first snapshot is being read
        settled(source, dynamodb, agent, "the first sync", 120)
        for number in range(rounds):
            application.burst(transactions)
            if number % 2:
                random_migration(application)
            settled(source, dynamodb, agent, f"burst {number} of seed {seed}")
    agent.stop()
    application.close()
    oracle.check(source, dynamodb)


@pytest.mark.quick
def test_bursts_on_a_small_chinook(deploy, small_source, dynamodb, seed):
    run_bursts(deploy, small_source, dynamodb, seed, rounds=16, transactions=60)


@pytest.mark.timeout(900)  # each round may write every item anew
def test_bursts_on_the_real_chinook(deploy, source, dynamodb, seed):
    run_bursts(deploy, source, dynamodb, seed, rounds=6, transactions=200)


def test_migrations(deploy, small_source, dynamodb, seed):
    """Each kind by itself: what differs afterwards is the migration's doing."""
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.init()
    application = Application(small_source, seed)
    agent = tandem.start()
    settled(small_source, dynamodb, agent, "the first sync")
    application.transaction(lambda: add_column(application, "Track"))
    settled(small_source, dynamodb, agent, "ADD COLUMN")
    rebuild_table(application, "Track")
    settled(small_source, dynamodb, agent, "a rebuilt table")
    application.transaction(lambda: add_column(application, "Invoice"))
    rebuild_table(application, "Invoice")
    application.burst(20)
    settled(small_source, dynamodb, agent, "both, and writes right after")
    agent.stop()


def test_changes_made_while_no_agent_runs(deploy, small_source, dynamodb, seed):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    application = Application(small_source, seed)
    for _ in range(4):
        application.burst(80)
        random_migration(application)
        tandem.run_once().expect()
        oracle.check(small_source, dynamodb)


def test_changed_and_changed_back_is_not_written(deploy, small_source, proxy, dynamodb, seed):
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.sync()
    application = Application(small_source, seed)
    for name in ("away", "and back"):
        undone = application.one("SELECT Name FROM Genre WHERE GenreId = 1")
        application.sql("UPDATE Genre SET Name = ? WHERE GenreId = 1", name)
        application.sql("UPDATE Genre SET Name = ? WHERE GenreId = 1", undone)
    proxy.counts.clear()
    tandem.run_once().expect()
    assert proxy.writes == 0, proxy.counts
    oracle.check(small_source, dynamodb)
