"""Bad input and bad weather at a PostgreSQL source: one clear message or a recovery, and nothing lost."""

import contextlib
import os
import re
import subprocess
import time

import psycopg
import pytest

import oracle_chinook as oracle
from child import free_port
from deployment import DIFFERENCES, DONE, FAILED, USAGE
from eventually import eventually
from local_items import LocalItems
from tcp_proxy import TcpProxy
from test_bad_input import clear_message, small_disk
from test_postgres_first_sync import CHINOOK

CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  thing: {table: Items, root: things, item: {PK: "{id}", $columns: all}}
"""


def things(database, count=10):
    database.execute("CREATE TABLE things (id integer PRIMARY KEY, name text)")
    database.execute("INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, %s) AS n", count)


def items(tandem):
    return {item["id"]: item.get("name") for item in LocalItems(tandem.environment["ITEMS"]).scan_raw("Items")
            if item.get("_tandem", {}).get("d") is not True}


def equal(tandem, database):
    assert items(tandem) == dict(database.query("SELECT id, name FROM things"))
    return True


def deployed_at(deploy, database, url, **options):
    tandem = deploy(database, config=CONFIG, **options)
    tandem.environment["DATABASE_URL"] = url
    return tandem


# ---- getting there -------------------------------------------------------------------------------


def test_a_wrong_password(deploy, own_postgres):
    server = own_postgres()
    server.execute("CREATE ROLE guarded LOGIN REPLICATION PASSWORD 'right'")
    server.rules = ["host all guarded 127.0.0.1/32 scram-sha-256"]
    server.restart()
    database = server.create("guarded")
    things(database)
    url = server.url("guarded", user="guarded", password="s3cr3tword")
    result = deployed_at(deploy, database, url).run("--verbose", "check").expect(FAILED)
    assert "password" in result.err and "s3cr3tword" not in result.err + result.out, str(result)


def test_a_password_from_a_credentials_file(deploy, own_postgres, tmp_path):
    server = own_postgres()
    server.execute("CREATE ROLE guarded SUPERUSER LOGIN REPLICATION PASSWORD 'hush hush'")
    server.rules = ["host all guarded 127.0.0.1/32 scram-sha-256", "host replication guarded 127.0.0.1/32 scram-sha-256"]
    server.restart()
    database = server.create("guarded")
    things(database)
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = x\n[postgres-creds]\npg_host = 127.0.0.1\npg_port = {server.port}\n"
        "pg_user = guarded\npg_password = hush hush\n"
    )
    config = CONFIG.replace("\"${DATABASE_URL}\"}", f"dbname=guarded, credentials: {{file: {tmp_path}/credentials}}}}")
    tandem = deploy(database, config=config)
    tandem.sync()
    assert equal(tandem, database)


def test_a_server_that_is_not_there(deploy, pg):
    url = f"postgresql://postgres:s3cr3tword@127.0.0.1:{free_port()}/nowhere"
    result = deployed_at(deploy, pg, url).run("init").expect(FAILED)
    assert "127.0.0.1" in clear_message(result) and "s3cr3tword" not in result.err, str(result)


def test_a_database_that_is_not_there(deploy, pg):
    result = deployed_at(deploy, pg, pg.server.url("no_such_database")).run("init").expect(FAILED)
    assert "no_such_database" in clear_message(result), str(result)


@pytest.mark.parametrize("url", ["postgresql://[", "dbname", "host=h nonsense=1"])
def test_a_connection_string_that_is_none(deploy, pg, url):
    result = deployed_at(deploy, pg, url).run("check").expect(FAILED, USAGE)
    assert len(result.err.strip().splitlines()) == 1, str(result)


def test_a_role_that_may_not_replicate(deploy, pg):
    things(pg)
    pg.execute("DROP ROLE IF EXISTS meek")
    pg.execute("CREATE ROLE meek LOGIN")
    pg.execute("GRANT SELECT ON things TO meek")
    tandem = deployed_at(deploy, pg, pg.server.url(pg.name, user="meek"))
    result = tandem.run("check").expect(FAILED)
    assert re.search("replication", result.out + result.err, re.IGNORECASE), str(result)
    assert clear_message(tandem.run("init").expect(FAILED))


def test_wal_level_is_not_logical(deploy, own_postgres):
    server = own_postgres(wal_level="replica")
    database = server.create("wrong_level")
    things(database)
    tandem = deploy(database, config=CONFIG)
    result = tandem.run("check").expect(FAILED)
    assert "wal_level" in result.out, str(result)
    assert "wal_level" in clear_message(tandem.run("init").expect(FAILED))
    server.restart(wal_level="logical")
    tandem.sync()
    assert equal(tandem, database)


def test_no_slot_is_free(deploy, own_postgres):
    server = own_postgres(max_replication_slots=1)
    database = server.create("crowded")
    things(database)
    server.execute("SELECT pg_create_physical_replication_slot('taken')")
    tandem = deploy(database, config=CONFIG)
    assert "max_replication_slots" in tandem.run("check").expect(FAILED).out
    assert "slot" in clear_message(tandem.run("init").expect(FAILED))
    server.drop_slot("taken")
    tandem.sync()
    assert equal(tandem, database)
    # Nor is one for a copy that status could ask what ours holds: so it asks ours.
    database.execute("CREATE TABLE noise (id integer)")
    database.execute("INSERT INTO noise SELECT generate_series(1, 1000)")
    assert tandem.run("status", "--json").expect().json["in_sync"]


@pytest.mark.parametrize(
    "make, named",
    [
        ("CREATE TABLE things (name text)", "key"),
        ("CREATE UNLOGGED TABLE things (id integer PRIMARY KEY)", "unlogged"),
        ("CREATE VIEW things AS SELECT 1 AS id", "view|no table"),
        ("CREATE TABLE things (id integer PRIMARY KEY); ALTER TABLE things REPLICA IDENTITY NOTHING", "(?i)replica identity"),
    ],
)
def test_a_table_that_cannot_be_captured(deploy, pg, make, named):
    pg.execute(make)
    result = deploy(pg, config=CONFIG).run("check").expect(USAGE, FAILED)
    assert "things" in result.err + result.out and re.search(named, result.err + result.out), str(result)


# ---- slot and publication ------------------------------------------------------------------------


def test_the_slot_is_in_use(deploy, pg):
    things(pg)
    tandem = deploy(pg, config=CONFIG)
    tandem.sync()
    agent = tandem.start()
    eventually(lambda: pg.slot()["active"], 20, "the agent holds the slot", alive=agent.alive)
    holder, application = pg.query(
        "SELECT pid, application_name FROM pg_stat_activity JOIN pg_replication_slots ON pid = active_pid"
        " WHERE database = current_database()"
    )[0]
    message = clear_message(tandem.beside("other").run_once(seconds=60).expect(FAILED))
    assert re.search(rf"\b{holder}\b", message) and application in message, message
    pg.execute("UPDATE things SET name = 'still synced' WHERE id = 1")
    eventually(lambda: equal(tandem, pg), 30, "the first goes on", alive=agent.alive)


@pytest.mark.parametrize("lost", ["dropped", "invalidated"])
def test_the_slot_is_lost(deploy, own_postgres, lost):
    """Changes are missing: said loudly, a new slot, and the snapshot repairs deletes too."""
    server = own_postgres(max_slot_wal_keep_size="1MB", min_wal_size="32MB", max_wal_size="32MB", wal_keep_size=0)
    database = server.create("lossy")
    things(database, 100)
    tandem = deploy(database, config=CONFIG)
    tandem.sync()
    if lost == "dropped":
        server.drop_slot(database.slot()["slot_name"])
    database.execute("DELETE FROM things WHERE id % 3 = 0")
    database.execute("UPDATE things SET name = 'in the gap' WHERE id % 5 = 0")
    if lost == "invalidated":

        def invalidated():
            database.execute("CREATE TABLE noise AS SELECT repeat('x', 900) AS x FROM generate_series(1, 20000)")
            database.execute("DROP TABLE noise")
            database.execute("SELECT pg_switch_wal()")
            database.execute("CHECKPOINT")
            return database.slot()["wal_status"] == "lost"

        eventually(invalidated, 60, "the server gives the slot up")
        assert "lost" in tandem.run("check").out + tandem.run("status").out
    result = tandem.run_once()
    if result.status == FAILED:  # init makes what is missing
        assert "slot" in clear_message(result), str(result)
        tandem.init()
        result = tandem.run_once()
    result.expect()
    assert equal(tandem, database)
    assert "gap" in tandem.run("log", "show").expect().out
    assert database.slot()["wal_status"] != "lost"


def test_the_publication_is_changed_by_hand(deploy, pg):
    things(pg)
    tandem = deploy(pg, config=CONFIG)
    tandem.sync()
    publication = pg.value("SELECT pubname FROM pg_publication")
    pg.execute(f"ALTER PUBLICATION {publication} DROP TABLE things")
    pg.execute("UPDATE things SET name = 'unpublished' WHERE id = 1")
    pg.execute("DELETE FROM things WHERE id = 2")
    result = tandem.run_once()
    if result.status == FAILED:
        assert "publication" in clear_message(result), str(result)
        tandem.init()
        result = tandem.run_once()
    result.expect()
    assert equal(tandem, pg)


def test_the_publication_is_dropped_under_a_running_agent(deploy, pg):
    things(pg)
    tandem = deploy(pg, config=CONFIG)
    tandem.sync()
    agent = tandem.start()
    publication = pg.value("SELECT pubname FROM pg_publication")
    pg.execute(f"DROP PUBLICATION {publication}")
    pg.execute("UPDATE things SET name = 'without a publication'")
    pg.execute("DELETE FROM things WHERE id = 2")

    def settled():
        nonlocal agent
        if agent.process.poll() is not None:
            assert agent.process.returncode == FAILED and "publication" in agent.output(), agent.output()
            tandem.init()
            agent = tandem.start()
        return equal(tandem, pg)

    eventually(settled, 60, "all is equal again", pause=0.2)
    agent.stop()


def test_a_table_is_dropped_and_made_anew(deploy, pg):
    things(pg)
    tandem = deploy(pg, config=CONFIG)
    tandem.sync()
    agent = tandem.start()
    pg.execute("DROP TABLE things")
    pg.execute("CREATE TABLE things (id integer PRIMARY KEY, name text, more integer DEFAULT 5)")
    pg.execute("INSERT INTO things VALUES (1, 'anew'), (77, 'other')")
    eventually(lambda: equal(tandem, pg), 60, "the new table's rows", alive=agent.alive)
    agent.stop()


def test_a_table_is_dropped_under_us(deploy, pg):
    """Status tells, and so does the next start; items stay, as somebody may have it back in a minute."""
    things(pg)
    pg.execute("CREATE TABLE others (id integer PRIMARY KEY, name text)")
    config = CONFIG + '  other: {table: Items, root: others, item: {PK: "{id}", $columns: all}}\n'
    tandem = deploy(pg, config=config)
    tandem.sync()
    agent = tandem.start()
    pg.execute("DROP TABLE things")
    eventually(lambda: "table things" in tandem.run("status").out, 30, "status tells of the table", alive=agent.alive)
    pg.execute("INSERT INTO others VALUES (1000)")
    eventually(lambda: 1000 in items(tandem), 30, "other tables go on", alive=agent.alive)
    assert len(items(tandem)) == 11, "a table that is gone is no reason to delete its items"
    agent.stop()
    for command in (("check",), ("run", "--once")):
        assert "no table things" in tandem.run(*command).expect(FAILED, USAGE).err
    pg.execute("CREATE TABLE things (id integer PRIMARY KEY, name text)")
    pg.execute("INSERT INTO things VALUES (5, 'back')")
    tandem.sync()
    assert items(tandem) == {5: "back", 1000: None}


# ---- the network and the disk --------------------------------------------------------------------


@pytest.fixture
def weather(deploy, pg):
    """(tandem, its proxy) of an agent that reaches the server through a proxy."""
    things(pg, 500)
    proxy = TcpProxy(pg.server.port)
    yield deployed_at(deploy, pg, pg.server.url(pg.name, port=proxy.port)), proxy
    proxy.stop()


@pytest.mark.parametrize("kind", ["cuts", "stalls", "delays"])
def test_a_bad_network(weather, pg, kind):
    tandem, proxy = weather
    tandem.sync()
    agent = tandem.start()
    for number in range(4):
        pg.execute("UPDATE things SET name = %s || id WHERE id %% 4 = %s", f"round {number} ", number)
        if kind == "cuts":
            proxy.cut()
        elif kind == "stalls":
            proxy.stalled = True
            pg.execute("DELETE FROM things WHERE id = %s", number + 1)
            time.sleep(1.5)  # shorter than any timeout: nothing may be concluded from it
            proxy.stalled = False
        else:
            proxy.delay = 0.05

        def settled():
            nonlocal agent
            if agent.process.poll() is not None:
                assert agent.process.returncode == FAILED, agent.output()
                agent = tandem.start()
            return equal(tandem, pg)

        eventually(settled, 90, f"round {number} arrives", pause=0.2)
    agent.stop(seconds=8)


def test_a_stop_while_the_server_says_nothing(weather):
    tandem, proxy = weather
    tandem.sync()
    agent = tandem.start()
    proxy.stalled = True
    time.sleep(0.5)  # in the middle of a silence
    agent.stop(seconds=5)
    proxy.stalled = False
    tandem.run_once().expect()


def test_a_full_disk(deploy, small_pg_source, dynamodb, tmp_path):
    """The log can't grow: nothing is confirmed to the server that it does not hold."""
    with small_disk(tmp_path / "disk", "6m") as disk:
        tandem = deploy(small_pg_source, config=CHINOOK, endpoint=dynamodb.endpoint,
                        environment={"TANDEM_STATE": str(disk / "state")})
        tandem.sync()
        confirmed = small_pg_source.slot()["confirmed_flush_lsn"]
        with contextlib.suppress(OSError), open(disk / "ballast", "wb", buffering=0) as file:
            while True:
                file.write(os.urandom(4096))
        small_pg_source.execute("UPDATE track SET composer = left(repeat(md5(track_id::text), 8), 220)")
        small_pg_source.execute("UPDATE artist SET name = repeat(md5(name), 3)")
        result = tandem.run_once().expect(FAILED)
        assert re.search(r"full|no space|disk", clear_message(result)), str(result)
        assert small_pg_source.slot()["confirmed_flush_lsn"] >= confirmed
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        tandem.run_once().expect(DONE)
        oracle.check(small_pg_source, dynamodb)


# ---- verify beside all this ----------------------------------------------------------------------


def agent_at_work(tandem, database):
    agent = tandem.start()
    database.execute("UPDATE things SET name = 'seen' WHERE id = 1")
    eventually(lambda: items(tandem)[1] == "seen", 30, "the agent is at work", alive=agent.alive)
    return agent


def test_verify_while_the_server_is_gone(deploy, own_postgres):
    server = own_postgres()
    database = server.create("legacy")
    things(database)
    tandem = deploy(database, config=CONFIG)
    tandem.sync()
    agent = agent_at_work(tandem, database)
    server.stop()
    eventually(lambda: "trying again" in agent.output(), 30, "the agent has noticed", alive=agent.alive)
    for _ in range(3):
        result = tandem.run("verify", "--deep", seconds=20).expect(FAILED)
        assert "cannot connect" in clear_message(result), str(result)
    server.start()
    eventually(lambda: tandem.run("verify", "--deep", seconds=90).status == DONE, 90, "all is right", alive=agent.alive)
    agent.stop()


@pytest.mark.parametrize("ended_by", ["a stop", "itself"])
def test_verify_of_a_table_that_somebody_locked(deploy, pg, ended_by):
    things(pg)
    tandem = deploy(pg, config=CONFIG)
    tandem.sync()
    with pg.connect(autocommit=False) as somebody:
        somebody.execute("LOCK TABLE things IN ACCESS EXCLUSIVE MODE")
        verify = tandem.start("verify", "--deep")
        eventually(lambda: pg.value("SELECT count(*) FROM pg_locks WHERE NOT granted"), 20, "verify waits",
                   alive=verify.alive)
        if ended_by == "a stop":
            verify.process.terminate()
        assert verify.wait(5 if ended_by == "a stop" else 60) == FAILED
        somebody.rollback()
    (line,) = verify.output().strip().splitlines()
    assert ("stopped" if ended_by == "a stop" else "lock") in line
    tandem.run("verify", "--deep").expect()


def test_verify_beside_an_agent_that_lost_its_way(weather, pg):
    """It reaches the server itself, and finds thousands of rows that the agent has not seen."""
    tandem, proxy = weather
    things_more = "INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(501, 8000) AS n"
    pg.execute(things_more)
    tandem.sync()
    agent = agent_at_work(tandem, pg)
    proxy.stop()
    eventually(lambda: "trying again" in agent.output(), 30, "the agent is cut off", alive=agent.alive)
    pg.execute("UPDATE things SET name = 'unseen ' || id")
    tandem.environment["DATABASE_URL"] = pg.url
    result = tandem.run("verify", "--deep", "--json", seconds=90).expect(DIFFERENCES)
    assert result.json["pending"] >= 8000 and not result.json["row_differences"], str(result)
    agent.kill()
    tandem.run_once().expect()
    tandem.run("verify", "--deep").expect()
