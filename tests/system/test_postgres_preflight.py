"""What `tandem check` finds of a PostgreSQL server: it is told, and what it advises helps.

Statements are taken out of the advice and run as they are written there. Publications of others and
tables are in test_postgres_preflight_tables.py.
"""

import subprocess

import pytest

from check_sheet import Sheet, play, statements, things
from child import start_child
from deployment import DONE, FAILED
from eventually import eventually
from postgres import PostgresServer
from test_postgres_bad_input import CONFIG


def test_advice_is_taken_apart():
    line = 'failure role a, b: no; run ALTER ROLE "a; b" REPLICATION (Amazon RDS: GRANT x TO "a; b")'
    assert statements(line.replace("a; b", "a b")) == ['ALTER ROLE "a b" REPLICATION']
    line = "x; run GRANT A ON B TO C; GRANT D ON E TO F, or leave it"
    assert statements(line) == ["GRANT A ON B TO C", "GRANT D ON E TO F"]


# ---- room ----------------------------------------------------------------------------------------


def test_the_last_slot_and_the_last_sender_are_ours(deploy, own_postgres):
    server = own_postgres(max_wal_senders=1, max_replication_slots=1)
    database = server.create("crowded")
    things(database)
    tandem = deploy(database, config=CONFIG)
    tandem.init()
    agent = tandem.start()
    eventually(lambda: database.slot()["active"], 20, "the agent has the slot", alive=agent.alive)
    sheet = Sheet(tandem)
    assert sheet.result.status == DONE, str(sheet)
    sheet.told("ok", "max_replication_slots", "1 of 1 in use")
    sheet.told("ok", "max_wal_senders", "1 of 1 in use, one of them by the running agent")
    sheet.told("ok", "replication")
    agent.stop()


def test_no_sender_is_free(deploy, own_postgres):
    server = own_postgres(max_wal_senders=1)
    database = server.create("crowded")
    things(database)
    tandem = deploy(database, config=CONFIG)
    tandem.init()
    with server.connect("crowded", replication="database"):
        sheet = Sheet(tandem)
        assert sheet.result.status == FAILED, str(sheet)
        sheet.told("failure", "max_wal_senders", "1 of 1 in use, none is free; raise max_wal_senders")
        sheet.told("failure", "replication", "no such connection")
    server.restart(max_wal_senders=2)
    with server.connect("crowded", replication="database"):
        Sheet(tandem).told("ok", "max_wal_senders", "1 of 2 in use")


@pytest.fixture(scope="module")
def server(postgres_installation):
    """For the tests that change what is the server's: roles, and settings that need no restart."""
    with postgres_installation.server() as made:
        yield made


@pytest.fixture
def database(server):
    made = server.create("checked")
    yield made
    server.drop("checked")


@pytest.fixture
def meek(server, database):
    """A role whose name needs quotes, and that may do nothing yet."""
    server.execute('CREATE ROLE "the meek-one" LOGIN')
    yield "the meek-one"
    server.drop("checked")  # nothing else depends on it
    server.execute('DROP ROLE "the meek-one"')


def reload(server, **settings):
    """Returns once new sessions have the settings."""
    loaded = server.query("SELECT pg_conf_load_time()")
    server.reload(**settings)
    eventually(lambda: server.query("SELECT pg_conf_load_time()") != loaded, 20, "the settings are loaded")


def restart_as_altered(server, name):
    """The tests' own servers are configured anew by each start."""
    written = server.query("SELECT setting FROM pg_file_settings WHERE name = %s ORDER BY seqno", name)
    server.restart(**{name: written[-1][0]})


# ---- settings ------------------------------------------------------------------------------------


def test_wal_level(deploy, own_postgres):
    server = own_postgres(wal_level="replica")
    database = server.create("checked")
    things(database)
    tandem = deploy(database, config=CONFIG)
    play(database, Sheet(tandem).told("failure", "wal_level", "it is replica"))
    restart_as_altered(server, "wal_level")
    Sheet(tandem).told("ok", "wal_level")


def test_no_slot_is_free(deploy, own_postgres):
    server = own_postgres(max_replication_slots=1)
    database = server.create("checked")
    things(database)
    server.execute("SELECT pg_create_physical_replication_slot('taken')")
    tandem = deploy(database, config=CONFIG)
    line = Sheet(tandem).told("failure", "max_replication_slots", "1 of 1 in use, none is free")
    assert "raise max_replication_slots and restart the server, or drop a slot" in line
    server.restart(max_replication_slots=2)
    Sheet(tandem).told("ok", "max_replication_slots", "1 of 2 in use")
    server.restart(max_replication_slots=1)
    server.drop_slot("taken")
    Sheet(tandem).told("ok", "max_replication_slots", "0 of 1 in use")


def test_wal_that_is_kept_without_a_limit(deploy, server, database):
    things(database)
    tandem = deploy(database, config=CONFIG)
    Sheet(tandem).told("warning", "max_slot_wal_keep_size", "no limit.*; set it to what the disk can spare")
    reload(server, max_slot_wal_keep_size="10GB")
    Sheet(tandem).told("ok", "max_slot_wal_keep_size", "up to 10.7 GB")
    reload(server, max_slot_wal_keep_size="-1")


@pytest.mark.parametrize("value, shown", [("0", "off"), ("500ms", "500 ms"), ("3min", "3 min")])
def test_a_sender_timeout_of_the_servers_is_not_ours(deploy, server, database, value, shown):
    """Nothing to warn of, and nothing that the setting would break."""
    things(database)
    tandem = deploy(database, config=CONFIG)
    reload(server, wal_sender_timeout=value)
    Sheet(tandem).told("ok", "wal_sender_timeout", f"it is {shown}; Tandem sets its own for its connection")
    tandem.init()
    agent = tandem.start()
    eventually(lambda: database.slot()["active"], 20, "the agent has the slot", alive=agent.alive)
    agent.stop()
    reload(server, wal_sender_timeout="60s")


@pytest.mark.parametrize("other_postgres", ["18"], indirect=True)
def test_slots_that_nobody_uses_are_given_up(deploy, other_postgres):
    database = other_postgres.create("idle")
    try:
        things(database)
        tandem = deploy(database, config=CONFIG)
        assert not Sheet(tandem).find("warning", "idle_replication_slot_timeout")
        reload(other_postgres, idle_replication_slot_timeout="2h")
        line = Sheet(tandem).told("warning", "idle_replication_slot_timeout", "nobody used for 2 h")
        assert "set it to 0" in line
        reload(other_postgres, idle_replication_slot_timeout="0")
        assert not Sheet(tandem).find("warning", "idle_replication_slot_timeout")
    finally:
        reload(other_postgres, idle_replication_slot_timeout="0")
        other_postgres.drop("idle")


def test_a_prepared_transaction(deploy, server, database):
    things(database)
    tandem = deploy(database, config=CONFIG)
    with database.connect() as other:
        other.execute("BEGIN; INSERT INTO things VALUES (77); PREPARE TRANSACTION 'it''s late'")
    line = Sheet(tandem).told("warning", "transactions", "'it''s late' in the database checked has been prepared for")
    play(database, line)
    Sheet(tandem).told("ok", "transactions")
    assert database.value("SELECT count(*) FROM things") == 11


def test_a_standby(deploy, own_postgres):
    server = own_postgres()
    database = server.create("checked")
    things(database)
    tandem = deploy(database, config=CONFIG)
    server.stop()
    copy = server.data.with_name(server.data.name + "-standby")
    subprocess.run(["cp", "-a", server.data, copy], check=True)
    (copy / "standby.signal").touch()
    server.start()
    with PostgresServer(server.binaries, copy, {}).start() as standby:
        tandem.environment["DATABASE_URL"] = standby.url("checked")
        Sheet(tandem).told("failure", "source", "it is a standby.*; name the primary in `source.url`")
    tandem.environment["DATABASE_URL"] = database.url
    assert not Sheet(tandem).find("failure", "source")


# ---- the role ------------------------------------------------------------------------------------


def test_a_role_that_may_do_nothing_yet(deploy, server, database, meek):
    """Each failure's advice, as a superuser runs it, and then all is well and installs."""
    server.execute("CREATE ROLE owning; ALTER DATABASE checked OWNER TO owning")
    try:
        database.execute('CREATE SCHEMA "the App"; ALTER SCHEMA "the App" OWNER TO owning')
        database.execute('CREATE TABLE "the App"."Big things" (id integer PRIMARY KEY, name text)')
        database.execute('ALTER TABLE "the App"."Big things" OWNER TO owning')
        config = CONFIG.replace("root: things", 'root: "the App.Big things"')
        tandem = deploy(database, config=config)
        tandem.environment["DATABASE_URL"] = server.url("checked", user="the%20meek-one")
        table = "table the App.Big things"
        first = Sheet(tandem)
        assert first.result.status == FAILED, str(first)
        first.told("failure", "replication", "no such connection")
        for subject, text, better in (
            (f"role {meek}", "it may not replicate", "it may replicate"),
            ("publication tandem_tandem", "may not create one", ""),
            (table, "may not read it", ""),
            (table, "does not own it", ""),
        ):
            play(database, first.told("failure", subject, text))
            sheet = Sheet(tandem)
            assert not sheet.find("failure", subject, text), str(sheet)
            if better:
                sheet.told("ok", subject, better)
        sheet = Sheet(tandem)
        assert sheet.result.status == DONE, str(sheet)
        sheet.told("warning", table, "it is not published yet; run `tandem init`")
        tandem.sync()
        Sheet(tandem).told("ok", table)
    finally:
        server.drop("checked")
        server.execute("DROP ROLE owning")


def test_rows_that_a_policy_hides(deploy, server, database, meek):
    things(database)
    database.execute("ALTER TABLE things ENABLE ROW LEVEL SECURITY")
    database.execute('GRANT SELECT ON things TO "the meek-one"')
    tandem = deploy(database, config=CONFIG)
    tandem.environment["DATABASE_URL"] = server.url("checked", user="the%20meek-one")
    text = "row-level security hides rows"
    play(database, Sheet(tandem).told("failure", "table things", text))
    assert not Sheet(tandem).find("failure", "table things", text)


# ---- slot ----------------------------------------------------------------------------------------


def test_slot_and_publication_are_not_there_yet(deploy, database):
    things(database)
    tandem = deploy(database, config=CONFIG)
    sheet = Sheet(tandem)
    assert sheet.result.status == DONE, str(sheet)
    for subject in ("slot tandem_tandem", "publication tandem_tandem", "table things"):
        sheet.told("warning", subject, "not .* yet; run `tandem init`")
    tandem.init()
    sheet = Sheet(tandem)
    for subject in ("slot tandem_tandem", "publication tandem_tandem", "table things"):
        sheet.told("ok", subject)


@pytest.mark.parametrize(
    "make, text",
    [
        ("SELECT pg_create_physical_replication_slot('theirs')", "it is a physical slot"),
        ("SELECT pg_create_logical_replication_slot('theirs', 'test_decoding')", "its output plugin is test_decoding"),
        ("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput', false, true)", "two_phase"),
        ("elsewhere", "it belongs to the database postgres"),
    ],
)
def test_a_slot_of_others(deploy, server, database, make, text):
    things(database)
    if make == "elsewhere":
        server.execute("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')")
    else:
        database.execute(make)
    try:
        tandem = deploy(database, config=CONFIG.replace('URL}"}', 'URL}", slot: theirs}'))
        line = Sheet(tandem).told("failure", "slot theirs", text)
        assert "name another one in `source.slot`, or drop it if nothing needs it" in line
    finally:
        server.drop_slot("theirs")
    Sheet(tandem).told("warning", "slot theirs", "not there yet")


def test_a_slot_that_somebody_else_has(deploy, server, database):
    things(database)
    tandem = deploy(database, config=CONFIG)
    tandem.init()
    reading = [server.binaries / "pg_recvlogical", "--start", "--slot", "tandem_tandem", "--file", "/dev/null",
               "--option", "proto_version=1", "--option", "publication_names=tandem_tandem",
               "--dbname", f"host=127.0.0.1 port={server.port} user=postgres dbname=checked application_name=theirs"]
    somebody = start_child(list(map(str, reading)))
    try:
        eventually(lambda: database.slot()["active"], 20, "somebody reads the slot")
        Sheet(tandem).told("warning", "slot tandem_tandem", "somebody else has it: .*'theirs'.*; end that process, or")
    finally:
        somebody.kill()
        somebody.wait()
    eventually(lambda: not database.slot()["active"], 20, "the slot is free")
    assert not Sheet(tandem).find("warning", "slot tandem_tandem")


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "another database's"])
def test_a_slot_that_was_given_up(deploy, own_postgres, ours):
    server = own_postgres(max_slot_wal_keep_size="1MB", min_wal_size="32MB", max_wal_size="32MB", wal_keep_size=0)
    database = server.create("checked")
    things(database)
    tandem = deploy(database, config=CONFIG)
    if ours:
        tandem.init()
    else:
        server.execute("SELECT pg_create_logical_replication_slot('tandem_tandem', 'pgoutput')")

    def given_up():
        database.execute("CREATE TABLE noise AS SELECT repeat('x', 900) AS x FROM generate_series(1, 20000)")
        database.execute("DROP TABLE noise; SELECT pg_switch_wal()")
        database.execute("CHECKPOINT")
        return server.slots()["tandem_tandem"]["wal_status"] == "lost"

    eventually(given_up, 60, "the server gives the slot up")
    if ours:
        Sheet(tandem).told("warning", "slot tandem_tandem", "the server has given it up; nothing to do: Tandem makes")
        tandem.sync()
        Sheet(tandem).told("ok", "slot tandem_tandem")
    else:  # nobody's to make anew
        Sheet(tandem).told("failure", "slot tandem_tandem", "it belongs to the database postgres")


@pytest.mark.parametrize("other_postgres", ["17"], indirect=True)
def test_a_slot_that_would_not_survive_a_failover(deploy, other_postgres):
    database = other_postgres.create("failing")
    try:
        things(database)
        tandem = deploy(database, config=CONFIG)
        tandem.init()
        assert not Sheet(tandem).find("warning", "slot tandem_tandem")
        other_postgres.drop_slot("tandem_tandem")
        database.execute("SELECT pg_create_logical_replication_slot('tandem_tandem', 'pgoutput')")
        line = Sheet(tandem).told("warning", "slot tandem_tandem", "no failover slot")
        assert "run `tandem init --uninstall` and `tandem init`" in line
        tandem.run("init", "--uninstall").expect()
        tandem.init()
        assert not Sheet(tandem).find("warning", "slot tandem_tandem")
    finally:
        other_postgres.drop("failing")


# ---- publication ---------------------------------------------------------------------------------


def test_a_publication_of_ours_that_another_role_owns(deploy, server, database, meek):
    things(database)
    tandem = deploy(database, config=CONFIG)
    tandem.init()
    server.execute('ALTER ROLE "the meek-one" REPLICATION')
    database.execute('GRANT SELECT ON things TO "the meek-one"')
    tandem.environment["DATABASE_URL"] = server.url("checked", user="the%20meek-one")
    sheet = Sheet(tandem)
    for name in ("tandem_tandem", "tandem_tandem_inserts"):
        play(database, sheet.told("failure", f"publication {name}", "does not own it"))
    sheet = Sheet(tandem)
    assert sheet.result.status == DONE, str(sheet)
    tandem.run_once().expect()
