"""The servers that the tests start: they come back from each kind of end with what was committed."""

import signal

import pytest



def test_the_real_chinook_is_there(pg_source):
    assert pg_source.value("SELECT count(*) FROM track") == 3503
    assert pg_source.value("SHOW wal_level") == "logical"


def test_the_small_chinook_keeps_every_shape(small_pg_source):
    assert small_pg_source.query("SELECT count(*) FROM customer") == [(12,)]
    longest = "SELECT max(n) FROM (SELECT count(*) AS n FROM playlist_track GROUP BY playlist_id) AS counts"
    assert small_pg_source.value(longest) > 100


@pytest.mark.parametrize("how", ["kill", "stop", "immediate"])
def test_what_was_committed_survives(own_postgres, how):
    server = own_postgres()
    server.execute("CREATE TABLE kept AS SELECT 1 AS number")
    server.kill() if how == "kill" else server.stop(signal.SIGINT if how == "stop" else signal.SIGQUIT)
    assert server.process.poll() is not None
    server.start(work_mem="5MB")
    assert server.query("SELECT number FROM kept") == [(1,)]
    assert server.query("SHOW work_mem") == [("5MB",)]


def test_a_database_is_dropped_with_its_slot(postgres_server):
    database = postgres_server.create("with_a_slot")
    database.execute("SELECT pg_create_logical_replication_slot('left_over', 'pgoutput')")
    assert database.slot()["plugin"] == "pgoutput"
    postgres_server.drop(database.name)
    assert "left_over" not in postgres_server.slots()


def test_other_versions_decode_as_well(other_postgres):
    database = other_postgres.create("decoding")
    database.execute("CREATE TABLE t (id int PRIMARY KEY)")
    database.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
    database.execute("CREATE PUBLICATION p FOR TABLE t")
    database.execute("INSERT INTO t VALUES (1)")
    changes = "SELECT count(*) FROM pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')"
    assert database.value(changes) >= 3
    other_postgres.drop("decoding")
