"""Whether the server is still the one that the log was read from: another server at the same address,
backups put back behind and ahead of the log, standbys that took over, a database made again.

Each is told as a gap that says why, and read again as a whole: rows that the source has no more go."""

import shutil
import sqlite3
import subprocess

import pytest

from deployment import FAILED, USAGE
from eventually import eventually
from postgres import PostgresDatabase, PostgresServer, _user
from test_postgres_bad_input import CONFIG, equal, items, things


def backup(server, name="backup", *options):
    """By pg_basebackup, as a DBA makes one: without replication slots."""
    folder = server.data.with_name(f"{server.data.name}-{name}")
    command = [server.binaries / "pg_basebackup", "-h", "127.0.0.1", "-p", server.port, "-U", "postgres",
               "-D", folder, "-c", "fast", "--no-sync", *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/", **_user())
    assert done.returncode == 0, done.stderr
    return folder


def storage_snapshot(server):
    """All files at one moment, slots and all, without the server's knowing."""
    folder = server.data.with_name(f"{server.data.name}-snapshot")
    with server.standing_still():
        subprocess.run(["cp", "-a", str(server.data), str(folder)], check=True)
    (folder / "postmaster.pid").unlink()
    return folder


def put_back(server, folder, **settings):
    """The same address, other files."""
    server.stop()
    shutil.rmtree(server.data)
    subprocess.run(["cp", "-a", str(folder), str(server.data)], check=True)
    server.start(**settings)
    eventually(lambda: not in_recovery(server), 60, "the server is back from recovery")


def in_recovery(server):
    return server.query("SELECT pg_is_in_recovery()")[0][0]


def position(server):
    return int(server.query("SELECT pg_current_wal_lsn() - '0/0'")[0][0])


def heard(database):
    return int(database.value("SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots"))


def overtake(server, past):
    """Other changes, until the log is longer than it was before."""
    for _ in range(100):
        if position(server) > past:
            return
        server.execute("CREATE TABLE IF NOT EXISTS noise (x int)")
        server.execute("INSERT INTO noise VALUES (1)")
        server.execute("SELECT pg_switch_wal()")
    raise AssertionError("the log does not grow")


def gaps(tandem):
    lines = tandem.run("log", "show", "--from", "1").expect().out.splitlines()
    return [line for line in lines if " gap" in line]


def replica_equals(tandem, database):
    replica = sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True)
    try:
        found = replica.execute("SELECT id, name FROM things ORDER BY id").fetchall()
    finally:
        replica.close()
    assert found == database.query("SELECT id, name FROM things ORDER BY id")


def check_all(tandem, database, reason):
    """One gap, and it says so."""
    assert equal(tandem, database)
    replica_equals(tandem, database)
    (gap,) = gaps(tandem)
    assert reason in gap, gap


@pytest.fixture
def source(own_postgres):
    database = own_postgres().create("legacy")
    things(database)
    yield database
    remove_copies(database.server)


def remove_copies(server):
    for folder in server.data.parent.glob(f"{server.data.name}-*"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def synced(deploy, source):
    tandem = deploy(source, config=CONFIG)
    tandem.sync()
    return tandem


def change(database):
    """What a backup from before does not have: rows that vanish, that come back, that are as they were."""
    database.execute("INSERT INTO things VALUES (100, 'later')")
    database.execute("UPDATE things SET name = 'later' WHERE id = 1")
    database.execute("DELETE FROM things WHERE id = 2")


# ---- another server ------------------------------------------------------------------------------


@pytest.fixture
def other_server(postgres_installation, source):
    """Made by itself, so that it has a system identifier of its own, for the same port."""
    binaries, data = source.server.binaries, source.server.data.with_name(source.server.data.name + "-other")
    initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    done = subprocess.run(list(map(str, initdb)), capture_output=True, text=True, cwd="/", **_user())
    assert done.returncode == 0, done.stdout + done.stderr
    server = PostgresServer(binaries, data, {})
    server.port = source.server.port
    yield server
    server.stop()


def test_another_server_at_the_same_address(synced, source, other_server):
    change(source)
    synced.run_once().expect()
    source.server.stop()
    other_server.start()
    # One that has not even the table: nothing is taken for gone.
    other_server.create("legacy")
    before = items(synced)
    result = synced.run_once().expect(FAILED, USAGE)
    assert "no table things" in result.err and len(result.err.splitlines()) == 1, str(result)
    assert items(synced) == before
    # A copy of the source, as pg_upgrade or a dump and restore makes it.
    other = PostgresDatabase(other_server, "legacy")
    things(other, 5)
    other.execute("UPDATE things SET name = 'of another server' WHERE id = 3")
    result = synced.run_once().expect()
    check_all(synced, other, "another PostgreSQL server stands at the source's address")
    assert "another PostgreSQL server" in result.err, "said in the agent's log as well"
    # And back at the first, which did not stand still meanwhile.
    other_server.stop()
    source.server.start()
    source.execute("DELETE FROM things WHERE id = 4")
    synced.run_once().expect()
    assert equal(synced, source) and len(gaps(synced)) == 2


def test_a_database_dropped_and_made_again(synced, source):
    change(source)
    synced.run_once().expect()
    source.server.drop("legacy")
    source.server.create("legacy")
    things(source, 7)
    synced.run_once().expect()
    check_all(synced, source, "was gone")
    change(source)
    synced.run_once().expect()
    check_all(synced, source, "was gone")


def test_a_database_made_again_and_initialised(synced, source):
    """`init` makes what is missing; a slot that is there must not hide that it is another's."""
    change(source)
    synced.run_once().expect()
    source.server.drop("legacy")
    source.server.create("legacy")
    things(source, 7)
    synced.init()
    source.execute("DELETE FROM things WHERE id = 5")
    synced.run_once().expect()
    check_all(synced, source, "")


# ---- backups -------------------------------------------------------------------------------------


def test_a_backup_put_back(synced, source):
    """Without slots, and its log ends before ours."""
    source.execute("UPDATE things SET name = 'before the backup' WHERE id = 3")
    copy = backup(source.server)
    change(source)
    synced.run_once().expect()
    put_back(source.server, copy)
    check = synced.run("check")
    assert "slot" in check.out, str(check)
    result = synced.run_once().expect()
    assert "was gone" in result.err
    check_all(synced, source, "was gone")
    change(source)
    synced.run_once().expect()
    check_all(synced, source, "was gone")


def test_a_backup_put_back_under_a_running_agent(synced, source):
    copy = backup(source.server)
    agent = synced.start()
    change(source)
    eventually(lambda: equal(synced, source), 30, "the change", alive=agent.alive)
    put_back(source.server, copy)
    eventually(lambda: equal(synced, source) and gaps(synced), 60, "the backup's rows", alive=agent.alive)
    change(source)
    eventually(lambda: equal(synced, source), 30, "and later ones", alive=agent.alive)
    agent.stop()
    check_all(synced, source, "was gone")


@pytest.mark.parametrize("made", ["behind", "among what is heard"])
def test_a_backup_put_back_and_initialised(synced, source, made):
    """By a person who makes the slot that is missing: what it can't have kept is no less lost."""
    agent = synced.start()
    source.execute("UPDATE things SET name = 'before the backup' WHERE id = 3")
    eventually(lambda: equal(synced, source), 30, "the change", alive=agent.alive)
    copy = backup(source.server)
    change(source)
    eventually(lambda: equal(synced, source), 30, "what the backup has not", alive=agent.alive)
    newest = position(source.server)
    overtake(source.server, newest + (32 << 20))
    past = position(source.server)
    eventually(lambda: heard(source) >= past, 30, "what is not for the log", alive=agent.alive)
    agent.stop()
    put_back(source.server, copy)
    source.execute("INSERT INTO things VALUES (300, 'of the other history')")
    if made != "behind":
        overtake(source.server, newest)
    synced.init()
    assert heard(source) < past
    overtake(source.server, past)
    synced.run_once().expect()
    check_all(synced, source, "")


@pytest.mark.parametrize("ahead", [False, True], ids=["behind", "ahead"])
@pytest.mark.parametrize("changed", ["ours", "theirs", "both"])
def test_a_storage_snapshot_put_back(synced, source, ahead, changed):
    """Files of one moment, the slot among them: the same system, timeline and owner."""
    agent = synced.start()
    source.execute("UPDATE things SET name = 'before the snapshot' WHERE id = 3")
    eventually(lambda: equal(synced, source), 30, "the change", alive=agent.alive)
    copy = storage_snapshot(source.server)
    if changed != "theirs":
        change(source)
    else:
        source.execute("CREATE TABLE elsewhere AS SELECT 1 AS x")
    end = position(source.server)
    eventually(lambda: heard(source) >= end and equal(synced, source), 30, "all is read", alive=agent.alive)
    agent.stop()
    past = position(source.server)
    put_back(source.server, copy)
    if changed != "ours":
        source.execute("INSERT INTO things VALUES (300, 'of the other history')")
        source.execute("DELETE FROM things WHERE id = 4")
    if ahead:
        overtake(source.server, past)
    synced.run_once().expect()
    check_all(synced, source, "")
    change(source)
    synced.run_once().expect()
    assert equal(synced, source) and len(gaps(synced)) == 1


# ---- other timelines -----------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [False, True], ids=["behind", "ahead"])
def test_recovery_to_a_point_in_time(deploy, own_postgres, ahead):
    """Before the last commit that the log holds: a new timeline."""
    server = own_postgres()
    archive = server.data.with_name(server.data.name + "-archive")
    subprocess.run(["mkdir", str(archive)], check=True, **_user())
    server.restart(archive_mode="on", archive_command=f"cp %p {archive}/%f")
    database = server.create("legacy")
    things(database)
    tandem = deploy(database, config=CONFIG)
    tandem.sync()
    copy = backup(server)
    database.execute("UPDATE things SET name = 'before the point' WHERE id = 3")
    server.execute("SELECT pg_create_restore_point('here')")
    change(database)
    tandem.run_once().expect()
    past = position(server)
    server.execute("SELECT pg_switch_wal()")
    last = database.value("SELECT pg_walfile_name(%s::pg_lsn - 1)", f"{past >> 32:X}/{past & 0xFFFFFFFF:X}")
    eventually((archive / last).exists, 30, "the log is archived")
    (copy / "recovery.signal").touch()
    put_back(server, copy, restore_command=f"cp {archive}/%f %p", recovery_target_name="here",
             recovery_target_action="promote")
    assert database.value("SELECT name FROM things WHERE id = 3") == "before the point"
    assert database.value("SELECT count(*) FROM things WHERE name = 'later'") == 0
    if ahead:
        tandem.init()
        overtake(server, past)
    tandem.run_once().expect()
    check_all(tandem, database, "timeline" if ahead else "was gone")
    remove_copies(server)


def test_a_standby_that_takes_over_without_the_slot(deploy, source, postgres_installation):
    """Before PostgreSQL 17 none has it; and it had not got the last that the log holds."""
    primary = source.server
    standby = PostgresServer(primary.binaries, backup(primary, "standby", "-R"),
                             {"primary_conninfo": f"host=127.0.0.1 port={primary.port} user=postgres"})
    try:
        tandem = deploy(source, config=CONFIG)
        both = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/legacy?target_session_attrs=read-write"
        tandem.environment["DATABASE_URL"] = both
        tandem.sync()
        source.execute("UPDATE things SET name = 'on both' WHERE id = 3")
        standby.start()
        end = position(primary)
        eventually(lambda: standby.query("SELECT pg_last_wal_replay_lsn() - '0/0'")[0][0] >= end, 30, "the standby has it")
        standby.stop()
        agent = tandem.start()
        change(source)
        eventually(lambda: equal(tandem, source), 30, "what the standby has not got", alive=agent.alive)
        primary.kill()
        eventually(lambda: "trying again" in agent.output(), 30, "the agent has noticed", alive=agent.alive)
        standby.start()
        standby.execute("SELECT pg_promote()")
        promoted = PostgresDatabase(standby, "legacy")
        eventually(lambda: equal(tandem, promoted) and gaps(tandem), 90, "what the new primary has", alive=agent.alive)
        change(promoted)
        eventually(lambda: equal(tandem, promoted), 30, "and later changes", alive=agent.alive)
        agent.stop()
        check_all(tandem, promoted, "was gone")
    finally:
        standby.stop()
