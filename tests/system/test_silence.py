"""Silence when equal: what has not changed costs no call to the target."""

import oracle_chinook as oracle
from database import opened


def test_a_second_run_makes_no_write_call(deploy, source, proxy, dynamodb):
    tandem = deploy(source, endpoint=proxy.endpoint)
    tandem.sync()
    assert proxy.writes > 0
    proxy.counts.clear()
    tandem.run_once().expect()
    assert proxy.writes == 0, proxy.counts
    oracle.check(source, dynamodb)


def test_reading_a_table_again_makes_no_write_call(deploy, small_source, proxy, dynamodb):
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.sync()
    proxy.counts.clear()
    tandem.run("snapshot", "Track").expect()
    tandem.run_once().expect()
    assert proxy.writes == 0, proxy.counts
    oracle.check(small_source, dynamodb)


def test_replay_from_the_beginning_makes_no_write_call(deploy, small_source, proxy, dynamodb):
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.sync()
    proxy.counts.clear()
    tandem.run("replay", "--from", "beginning").expect()
    tandem.run_once().expect()
    assert proxy.writes == 0, proxy.counts
    oracle.check(small_source, dynamodb)


def test_a_lost_state_directory_writes_nothing_again(deploy, small_source, proxy, dynamodb):
    """Another machine takes over with nothing but the config: what stands there is right already."""
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.sync()
    other = tandem.beside("elsewhere")
    proxy.counts.clear()
    other.sync()
    assert proxy.writes == 0, proxy.counts
    oracle.check(small_source, dynamodb)


def test_each_change_costs_one_write(deploy, small_source, proxy, dynamodb):
    """A document changed many times before it is sent is written once."""
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.sync()
    with opened(small_source) as connection:
        for number in range(50):
            connection.execute("UPDATE Artist SET Name = ? WHERE ArtistId = 25", (f"take {number}",))
    proxy.counts.clear()
    tandem.run_once().expect()
    assert proxy.counts["PutItem"] + proxy.counts["BatchWriteItem"] == 1, proxy.counts
    oracle.check(small_source, dynamodb)
