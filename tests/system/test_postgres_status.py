"""What status and the agent's log tell of a PostgreSQL source: positions, the slot, and waits."""

import re
import threading

import pytest

from deployment import DONE, FAILED
from eventually import eventually
from local_items import LocalItems

CONFIG = """
name: watched
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target:
  type: local
  path: "${ITEMS}"
  tables: {All: {key: [PK]}}
documents:
  thing:
    table: All
    root: thing
    item: {PK: "thing#{id}", Note: "{note}"}
"""

SCHEMA = """
CREATE TABLE thing (id int PRIMARY KEY, note text);
INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 100) n;
CREATE TABLE other (id serial PRIMARY KEY, filler text);
"""


@pytest.fixture
def tandem(deploy, pg):
    pg.execute(SCHEMA)
    return deploy(pg, config=CONFIG)


def status(tandem):
    return tandem.run("status", "--json").expect(DONE).json


def items(tandem):
    return sum(1 for item in LocalItems(tandem.environment["ITEMS"]).scan_raw("All")
               if item.get("_tandem", {}).get("d") is not True)


def fill(database, megabytes):
    """Random, so that it is not compressed."""
    database.execute(
        "INSERT INTO other (filler) SELECT (SELECT string_agg(md5(random()::text), '')"
        f" FROM generate_series(1, 256 + n * 0)) FROM generate_series(1, {megabytes * 128}) n"
    )


def level(tandem):
    report = status(tandem)
    assert report["in_sync"], report
    return report


class Writer:
    """Writes WAL all the time, in a table that is not captured."""

    def __init__(self, database):
        self.database, self.stopped = database, threading.Event()
        self.thread = threading.Thread(target=self.write)

    def write(self):
        with self.database.connect() as connection:
            while not self.stopped.wait(0.01):
                connection.execute("INSERT INTO other (filler) VALUES (repeat('x', 500))")

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


def test_beside_wal_that_is_not_ours_it_is_level(tandem, pg):
    tandem.init()
    agent = tandem.start()
    eventually(lambda: level(tandem), 60, "the first sync", alive=agent.alive)
    with Writer(pg):
        first = status(tandem)["source"]["position"]
        eventually(lambda: status(tandem)["source"]["position"] > first, 10, "WAL is written")
        reports = [status(tandem) for _ in range(40)]
        levels = sum(report["in_sync"] for report in reports)
        assert levels >= 36, [report for report in reports if not report["in_sync"]]
        captured = reports[0]["capture"]["position"]
        eventually(lambda: status(tandem)["capture"]["position"] > captured, 10, "the slot moves")
        pg.execute("INSERT INTO thing VALUES (101, 'new')")
        eventually(lambda: items(tandem) == 101, 10, "a change of ours", alive=agent.alive)
    report = eventually(lambda: level(tandem), 10, "it is level", alive=agent.alive)
    assert re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", report["source"]["lsn"]), report
    assert report["capture"]["lag_bytes"] == 0
    text = tandem.run("status").expect(DONE).out
    assert re.search(r"position [0-9A-F]+/[0-9A-F]+, 0 B of WAL behind", text), text
    agent.stop()


def test_without_an_agent_the_server_is_asked(tandem, pg):
    tandem.sync()
    fill(pg, 1)
    report = level(tandem)
    assert report["slot"]["name"] == "tandem_watched", report
    assert report["slot"]["wal_status"] == "reserved", report
    assert report["slot"]["held_bytes"] > 1_000_000, report
    assert "the server keeps" in tandem.run("status").expect(DONE).out
    pg.execute("BEGIN; DELETE FROM thing WHERE id = 1; ROLLBACK")
    assert level(tandem)
    pg.execute("DELETE FROM thing WHERE id = 1")
    report = status(tandem)
    assert not report["in_sync"] and report["capture"]["lag_bytes"] > 0, report
    tandem.run_once().expect()
    assert level(tandem)


def test_it_says_which_transaction_a_table_waits_for(tandem, pg):
    tandem.init()
    blocker = pg.connect(autocommit=False, application_name="the blocker")
    blocker.execute("INSERT INTO other (filler) VALUES ('still open')")
    pid = blocker.info.backend_pid
    agent = tandem.start()
    try:
        report = eventually(lambda: status(tandem) if status(tandem)["capture"]["waits_for"] else None,
                            20, "it says so", alive=agent.alive)
        told = report["capture"]["waits_for"]
        assert "thing" in told and f"process {pid}" in told and "the blocker" in told, told
        assert "waits" in tandem.run("status").expect(DONE).out
        assert not report["in_sync"] and items(tandem) == 0
    finally:
        blocker.rollback()
        blocker.close()
    eventually(lambda: level(tandem), 30, "it goes on", alive=agent.alive)
    eventually(lambda: not status(tandem)["capture"]["waits_for"], 10, "it waits no longer")
    agent.stop()


def test_a_slot_in_danger_is_told_once(deploy, own_postgres):
    server = own_postgres(max_slot_wal_keep_size="16MB", checkpoint_timeout="1h")
    database = server.create("watched")
    database.execute(SCHEMA)
    tandem = deploy(database, config=CONFIG)
    tandem.init()
    agent = tandem.start()
    eventually(lambda: level(tandem), 60, "the first sync", alive=agent.alive)
    assert "slot tandem_watched" not in agent.output()
    with database.connect(autocommit=False) as blocker:
        blocker.execute("INSERT INTO other (filler) VALUES ('still open')")
        # The server keeps its log from the oldest transaction that runs.
        fill(database, 60)
        database.execute("SELECT pg_switch_wal()")
        agent.wait_for_line("gives it up at its next checkpoint")

        def in_danger():
            """What status tells, which is written once a second, behind the log."""
            report = status(tandem)
            assert report["slot"]["wal_status"] == "unreserved", report
            assert "slot tandem_watched" in report["warnings"][0]["subject"], report
            return report

        report = eventually(in_danger, 10, "status tells of it", alive=agent.alive)
        before = report["time_ms"]
        eventually(lambda: status(tandem)["time_ms"] > before + 6000, 20, "it looks again")
    assert agent.output().count("slot tandem_watched") == 1
    database.execute("INSERT INTO thing VALUES (101, 'new')")
    eventually(lambda: items(tandem) == 101, 20, "it still captures", alive=agent.alive)
    agent.stop()


def test_uninstall_says_what_it_leaves(tandem, pg):
    tandem.sync()
    pg.execute("COMMENT ON PUBLICATION tandem_watched IS 'of somebody else'")
    pg.execute("COMMENT ON PUBLICATION tandem_watched_inserts IS 'of somebody else'")
    said = tandem.run("init", "--uninstall").expect(DONE).out
    assert "publication tandem_watched was not made by Tandem" in said, said
    assert "pg_drop_replication_slot" in said, said
    assert pg.slot()["slot_name"] == "tandem_watched"


def holder(pg, slot):
    return pg.query("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s AND active", slot)


def test_an_agent_starts_beside_a_status_that_takes_long(tandem, pg):
    """What status decodes takes it seconds, and it has the slot for none of them."""
    tandem.sync()
    fill(pg, 40)
    asked = tandem.start("status", "--json")
    with pg.connect() as witness:
        held = "SELECT slot_name, temporary FROM pg_replication_slots WHERE active"
        (slot, temporary) = eventually(lambda: witness.execute(held).fetchone(), 30, "status decodes", pause=0.005)
    assert temporary and slot != "tandem_watched"
    tandem.run_once().expect()
    assert asked.wait(30) == DONE
    eventually(lambda: pg.slot()["slot_name"] == "tandem_watched", 10, "the copy is gone")


def test_a_claim_waits_for_who_has_the_slot_for_a_statement(tandem, pg):
    """Making a slot has it until all transactions of the moment have ended: for as long as a test needs."""
    tandem.sync()
    pg.server.drop_slot("tandem_watched")
    pg.execute("DELETE FROM thing WHERE id = 1")
    blocker = pg.connect(autocommit=False)
    blocker.execute("INSERT INTO other (filler) VALUES ('still open')")
    maker = threading.Thread(target=pg.execute, args=(
        "SELECT pg_create_logical_replication_slot('tandem_watched', 'pgoutput')",))
    maker.start()
    eventually(lambda: holder(pg, "tandem_watched"), 10, "somebody has the slot")
    agent = tandem.start("run", "--once")
    eventually(lambda: pg.query("SELECT FROM pg_stat_activity WHERE application_name = 'tandem watched'"
                                " AND backend_type = 'walsender'"), 20, "it asks for the slot", alive=agent.alive)
    blocker.rollback()
    blocker.close()
    maker.join()
    assert agent.wait(60) == DONE, agent.output()
    assert items(tandem) == 99, "what the new slot never saw was read again"


def test_a_claim_does_not_wait_for_ever(tandem, pg):
    """Nor for another agent: test_postgres_bad_input.py."""
    tandem.sync()
    pg.server.drop_slot("tandem_watched")
    with pg.connect(autocommit=False) as blocker:
        blocker.execute("INSERT INTO other (filler) VALUES ('still open')")
        maker = threading.Thread(target=pg.execute, args=(
            "SELECT pg_create_logical_replication_slot('tandem_watched', 'pgoutput')",))
        maker.start()
        (pid,) = eventually(lambda: holder(pg, "tandem_watched"), 10, "somebody has the slot")[0]
        told = tandem.run_once().expect(FAILED).err
        assert "in use by" in told and str(pid) in told, told
    maker.join()
