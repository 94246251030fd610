"""A source file that is put back from a backup, or replaced: noticed, and read again as a whole."""

import shutil
import signal

import pytest

import chinook
import oracle_chinook as oracle
from database import opened
from eventually import eventually
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
    application.sql("INSERT INTO Artist VALUES (9999, 'for a while')")
    application.burst(60)
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
