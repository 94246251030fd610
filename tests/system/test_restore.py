"""A source file that is put back from a backup, or replaced: noticed, and read again as a whole."""

import json
import pathlib
import shutil
import signal

import pytest

import chinook
import oracle_chinook as oracle
from database import opened
from eventually import eventually
from local_items import LocalItems
from workload_chinook import Application


def backup(source, path):
    """As an application makes one: a consistent copy, Tandem's tables in it and all."""
    with opened(source) as live, opened(path) as copy:
        live.backup(copy)
    return path


def put_back(path, source):
    for suffix in ("-wal", "-shm"):
        source.with_name(source.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(path, source)


@pytest.fixture
def synced(deploy, small_source, dynamodb):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    return tandem


def test_an_older_backup_put_back(synced, small_source, dynamodb, tmp_path, seed):
    application = Application(small_source, seed)
    application.burst(30)
    synced.run_once().expect()
    copy = backup(small_source, tmp_path / "backup.db")
    application.burst(60)
    synced.run_once().expect()
    application.close()
    put_back(copy, small_source)
    synced.run_once().expect()
    oracle.check(small_source, dynamodb)


def test_a_backup_from_before_tandem(synced, small_source, dynamodb, tmp_path, seed):
    application = Application(small_source, seed)
    application.burst(60)
    synced.run_once().expect()
    application.close()
    put_back(chinook.small_copy_to(tmp_path / "original.db"), small_source)
    synced.init()
    synced.run_once().expect()
    oracle.check(small_source, dynamodb)


def test_a_backup_put_back_under_a_running_agent(synced, small_source, dynamodb, tmp_path, seed):
    """By SQLite's own backup, the one way in which a file may be replaced while others have it open."""
    copy = backup(small_source, tmp_path / "backup.db")
    application = Application(small_source, seed)
    agent = synced.start()
    application.burst(60)
    eventually(lambda: oracle.check(small_source, dynamodb), 60, "the burst", alive=agent.alive)
    with opened(copy) as old, opened(small_source) as live:
        old.backup(live)
    eventually(lambda: oracle.check(small_source, dynamodb), 60, "the backup", alive=agent.alive)
    application.burst(30)
    eventually(lambda: oracle.check(small_source, dynamodb), 60, "and later", alive=agent.alive)
    agent.stop()
    application.close()


@pytest.mark.quick
def test_a_backup_of_our_state_put_back(synced, small_source, dynamodb, tmp_path, seed):
    """An old state believes old hashes and knows nothing of newer items: all is read back."""
    shutil.copytree(synced.state, tmp_path / "old-state")
    application = Application(small_source, seed)
    name = application.one("SELECT Name FROM Artist WHERE ArtistId = 1")
    application.sql("UPDATE Artist SET Name = 'for a while' WHERE ArtistId = 1")
    application.burst(60)
    # Last, so that no row comes to refer to it.
    application.sql("INSERT INTO Artist VALUES (9999, 'for a while')")
    synced.run_once().expect()
    oracle.check(small_source, dynamodb)
    shutil.rmtree(synced.state)
    shutil.copytree(tmp_path / "old-state", synced.state)
    # As the old state knows it: neither row tells that it was ever different.
    application.sql("UPDATE Artist SET Name = ? WHERE ArtistId = 1", name)
    application.sql("DELETE FROM Artist WHERE ArtistId = 9999")
    application.burst(30)
    synced.run_once().expect()
    oracle.check(small_source, dynamodb)
    synced.run("verify", "--deep").expect()
    application.close()


def test_a_death_while_a_put_back_state_is_mended(
    synced, small_source, dynamodb, tmp_path, seed, debug_binary
):
    """Between reading back what stands at the target and deleting what is not wanted there."""
    shutil.copytree(synced.state, tmp_path / "old-state")
    application = Application(small_source, seed)
    application.burst(60)
    application.sql("INSERT INTO Artist VALUES (9999, 'for a while')")
    synced.run_once().expect()
    shutil.rmtree(synced.state)
    shutil.copytree(tmp_path / "old-state", synced.state)
    application.sql("DELETE FROM Artist WHERE ArtistId = 9999")
    application.close()
    synced.binary = debug_binary
    for passes in (3, 10):
        point = f"ledger.commit.after=kill@{passes}"
        synced.run_once(environment={"TANDEM_FAILPOINTS": point}).expect(-signal.SIGKILL)
    synced.run_once().expect()
    oracle.check(small_source, dynamodb)


# ---- the replica alone is lost ---------------------------------------------------------------------

THINGS = """
source: {type: %s}
state: "${TANDEM_STATE}"
log: {type: embedded, retention: {size: %s}}
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  thing: {table: Items, root: things, item: {PK: "{id}", $columns: all}}
"""


class Things:
    """A table and its items, in a source of either kind."""

    def __init__(self, kind, request, deploy, tmp_path, retention="1GB"):
        if kind == "postgres":
            self.source = request.getfixturevalue("pg")
            address = 'postgres, url: "${DATABASE_URL}"'
        else:
            self.source = tmp_path / "things.db"
            address = 'sqlite, path: "${LEGACY_DB}"'
        self.sql("CREATE TABLE things (id integer PRIMARY KEY, name text)")
        self.sql("INSERT INTO things VALUES (1, 'one'), (2, 'two'), (3, 'three')")
        self.tandem = deploy(self.source, config=THINGS % (address, retention))
        self.tandem.sync()
        for name in ("first", "second"):
            self.sql(f"UPDATE things SET name = '{name}' WHERE id = 1")
            self.tandem.run_once().expect()
        self.sql("DELETE FROM things WHERE id = 2")

    def sql(self, statement):
        if isinstance(self.source, pathlib.Path):
            with opened(self.source) as database:
                return database.execute(statement).fetchall()
        with self.source.connect() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def lose_replica(self):
        for path in self.tandem.state.glob("replica.db*"):
            path.unlink()

    def are_equal(self):
        found = LocalItems(self.tandem.environment["ITEMS"]).scan("Items").values()
        assert sorted((item["id"], item["name"]) for item in found) == sorted(self.sql("SELECT * FROM things"))
        return True

    def records(self, kind):
        """The log's records of this kind, as text."""
        lines = self.tandem.run("log", "show", "--from", "1", "--json").expect().out.splitlines()
        return [line for line in lines if json.loads(line)["record"] == kind]

    def reads(self):
        """How often the log has the table read."""
        return len(self.records("gap")) + sum('"reread":true' in line for line in self.records("schema"))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_replica_deleted_beside_a_whole_log(request, deploy, tmp_path, kind):
    """It is folded anew: the source is asked for nothing, and no item goes back to what it was."""
    things = Things(kind, request, deploy, tmp_path)
    things.lose_replica()
    things.tandem.run_once().expect()
    assert things.are_equal()
    assert things.reads() == 1
    things.lose_replica()
    agent = things.tandem.start()
    things.sql("INSERT INTO things VALUES (4, 'four')")
    eventually(things.are_equal, 30, "a later change", alive=agent.alive)
    agent.stop()
    things.tandem.run("verify", "--deep").expect()
    assert things.reads() == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_replica_deleted_beside_a_log_whose_beginning_is_gone(request, deploy, tmp_path, kind):
    things = Things(kind, request, deploy, tmp_path, retention="1B")
    things.lose_replica()
    result = things.tandem.run_once().expect()
    assert "the log no longer holds what the replica needs" in result.err, str(result)
    assert things.are_equal()
    things.tandem.run("verify", "--deep").expect()
