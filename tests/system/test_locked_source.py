"""A source that the application keeps locked, or that nobody may write: lag or one clear message."""

import contextlib
import re
import subprocess
import time

import pytest

import oracle_chinook as oracle
from conftest import missing
from database import opened
from deployment import FAILED
from eventually import eventually


@contextlib.contextmanager
def locked(path):
    """Nobody else writes meanwhile; in a rollback journal's mode nobody reads either."""
    with opened(path) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE Artist SET Name = Name || '!' WHERE ArtistId = 1")
        yield
        connection.execute("COMMIT")


@pytest.fixture(params=["wal", "delete"])
def source(request, small_source):
    with opened(small_source) as connection:
        connection.execute(f"PRAGMA journal_mode = {request.param}")
    return small_source


def test_a_stop_while_the_source_is_locked_at_the_start(deploy, source, dynamodb):
    tandem = deploy(source, endpoint=dynamodb.endpoint)
    tandem.init()
    with locked(source):
        agent = tandem.start(until_owned=False)
        time.sleep(2)  # it waits for the lock by then; earlier stops must do as well
        agent.alive()
        agent.stop()


def test_a_stop_while_the_source_is_locked_on_the_way(deploy, source, dynamodb):
    tandem = deploy(source, endpoint=dynamodb.endpoint)
    tandem.sync()
    agent = tandem.start()
    agent_is_claimed = tandem.state / "status.json"
    eventually(agent_is_claimed.exists, 20, "the agent is running", alive=agent.alive)
    with opened(source) as connection:
        connection.execute("UPDATE Track SET Name = Name || ' (live)'")
    with locked(source):
        time.sleep(1)
        agent.alive()
        agent.stop()
    tandem.run_once().expect()
    oracle.check(source, dynamodb)


def test_a_short_lock_goes_unnoticed(deploy, source, dynamodb):
    tandem = deploy(source, endpoint=dynamodb.endpoint)
    tandem.init()
    with locked(source):
        agent = tandem.start(until_owned=False)
        time.sleep(6)
        agent.alive()
    eventually(lambda: oracle.check(source, dynamodb), 60, "all is there", alive=agent.alive)
    with opened(source) as connection:
        connection.execute("UPDATE Track SET Name = Name || ' (live)'")
    with locked(source):
        time.sleep(6)
        agent.alive()
    eventually(lambda: oracle.check(source, dynamodb), 60, "all is there", alive=agent.alive)
    agent.stop()
    for word in ("error", "warning", "trying again", "locked"):
        assert word not in agent.output().lower(), agent.output()


# ---- nobody may write it -------------------------------------------------------------------------


@contextlib.contextmanager
def read_only(path):
    """The same file or folder, mounted once more over itself without the right to write."""
    bind = ["mount", "--bind", str(path), str(path)]
    if subprocess.run(bind, capture_output=True).returncode != 0:
        missing("a read-only file system needs the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("part", ["folder", "file"])
def test_a_source_that_cannot_be_written(deploy, source, dynamodb, tmp_path, part):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = folder / "app.db"
    path.write_bytes(source.read_bytes())
    tandem = deploy(path, endpoint=dynamodb.endpoint)
    tandem.init()
    with read_only(folder if part == "folder" else path):
        for command in (["check"], ["init"], ["run", "--once"]):
            result = tandem.run(*command).expect(FAILED)
            said = [line for line in (result.err + result.out).splitlines() if "cannot be written" in line]
            assert len(said) == 1, str(result)
            assert "app.db" in said[0] and re.search("let this user write|mount", result.err + result.out)
    tandem.run_once().expect()
    oracle.check(path, dynamodb)
