"""Each finding of `tandem check` at a PostgreSQL source: it is told, and what it advises helps.

Statements are taken out of the advice and run as they are written there.
"""

import re
import subprocess

import pytest


from deployment import DONE, FAILED
from eventually import eventually
from postgres import PostgresServer

CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  thing: {table: Items, root: things, item: {PK: "{id}", $columns: all}}
"""


def things(database, more=""):
    database.execute("CREATE TABLE things (id integer PRIMARY KEY, name text)" + more)
    database.execute("INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, 10) AS n")


class Sheet:
    """What one `check` said, a line a finding."""

    def __init__(self, tandem):
        self.result = tandem.run("check")
        self.lines = self.result.out.splitlines()

    def __str__(self):
        return str(self.result)

    def find(self, level, subject, text=""):
        """The first line of that level and subject that matches the text; "" if there is none."""
        pattern = rf"{level} +{re.escape(subject)}: .*{text}"
        return next((line for line in self.lines if re.match(pattern, line)), "")

    def told(self, level, subject, text=""):
        line = self.find(level, subject, text)
        assert line, f"no {level} of {subject} with {text!r}: {self}"
        return line


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


def statements(line):
    """What a line advises to run, as it is written there; of alternatives the first."""
    line = re.sub(r" \(Amazon RDS: .*?\)", "", line)
    ends = r"(?=;|, or |, without | or (?:COMMIT|ROLLBACK) | and restart| in that database|$)"
    found = re.findall(r"\b((?:ALTER|GRANT|COMMIT PREPARED|SELECT pg_terminate) ?.*?)" + ends, line)
    assert found, line
    return found


def play(database, line, **options):
    """Runs what a line advises, one statement after the other."""
    with database.connect(**options) as connection:
        for statement in statements(line):
            connection.execute(statement)


def restart_as_altered(server, name):
    """The tests' own servers are configured anew by each start."""
    written = server.query("SELECT setting FROM pg_file_settings WHERE name = %s ORDER BY seqno", name)
    server.restart(**{name: written[-1][0]})


def test_advice_is_taken_apart():
    line = 'failure role a, b: no; run ALTER ROLE "a; b" REPLICATION (Amazon RDS: GRANT x TO "a; b")'
    assert statements(line.replace("a; b", "a b")) == ['ALTER ROLE "a b" REPLICATION']
    assert statements("x; run GRANT A ON B TO C; GRANT D ON E TO F, or leave it") == ["GRANT A ON B TO C", "GRANT D ON E TO F"]


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
    server.reload(max_slot_wal_keep_size="10GB")
    Sheet(tandem).told("ok", "max_slot_wal_keep_size", "up to 10.7 GB")
    server.reload(max_slot_wal_keep_size="-1")


@pytest.mark.parametrize("value, shown", [("0", "off"), ("500ms", "500 ms"), ("3min", "3 min")])
def test_a_sender_timeout_of_the_servers_is_not_ours(deploy, server, database, value, shown):
    """Nothing to warn of, and nothing that the setting would break."""
    things(database)
    tandem = deploy(database, config=CONFIG)
    server.reload(wal_sender_timeout=value)
    Sheet(tandem).told("ok", "wal_sender_timeout", f"it is {shown}; Tandem sets 60 s for its own connection")
    tandem.init()
    agent = tandem.start()
    eventually(lambda: database.slot()["active"], 20, "the agent has the slot", alive=agent.alive)
    agent.stop()
    server.reload(wal_sender_timeout="60s")


@pytest.mark.parametrize("other_postgres", ["18"], indirect=True)
def test_slots_that_nobody_uses_are_given_up(deploy, other_postgres):
    database = other_postgres.create("idle")
    try:
        things(database)
        tandem = deploy(database, config=CONFIG)
        assert not Sheet(tandem).find("warning", "idle_replication_slot_timeout")
        other_postgres.reload(idle_replication_slot_timeout="2h")
        line = Sheet(tandem).told("warning", "idle_replication_slot_timeout", "nobody used for 2 h")
        assert "set it to 0" in line
        other_postgres.reload(idle_replication_slot_timeout="0")
        assert not Sheet(tandem).find("warning", "idle_replication_slot_timeout")
    finally:
        other_postgres.reload(idle_replication_slot_timeout="0")
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
