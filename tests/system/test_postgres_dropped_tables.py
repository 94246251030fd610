"""Tables that are dropped under a running agent."""

import contextlib
import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor

from eventually import eventually
from local_items import LocalItems

CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  first: {table: Items, root: first, item: {PK: "first {id}"}}
  second: {table: Items, root: second, item: {PK: "second {id}"}}
  third: {table: Items, root: third, item: {PK: "third {id}"}}
"""


def keys(tandem):
    return {item["PK"] for item in LocalItems(tandem.environment["ITEMS"]).scan_raw("Items")
            if item.get("_tandem", {}).get("d") is not True}


def test_two_tables_are_dropped_while_the_stream_is_behind(deploy, pg):
    """What the stream still has of the second comes behind the end of the first. The log says of each once that it
    is gone."""
    for table in ("first", "second", "third"):
        pg.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)")
        pg.execute(f"INSERT INTO {table} VALUES (1), (2)")
    tandem = deploy(pg, config=CONFIG)
    tandem.init()
    agent = tandem.start()
    eventually(lambda: len(keys(tandem)) == 6, 60, "the first read")
    sender = pg.slot()["active_pid"]
    os.kill(sender, signal.SIGSTOP)
    try:
        pg.execute("DROP TABLE first")
        agent.wait_for_line("table first: it is gone from the source")
        pg.execute("INSERT INTO second VALUES (3)")
        pg.execute("DROP TABLE second")
        agent.wait_for_line("table second: it is gone from the source")
    finally:
        os.kill(sender, signal.SIGCONT)
    pg.execute("INSERT INTO third VALUES (3)")

    eventually(lambda: "third 3" in keys(tandem), 60, "what came behind", alive=agent.alive)
    with contextlib.closing(sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True)) as replica:
        tables = {name for (name,) in replica.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables & {"first", "second", "third"} == {"third"}
    assert len(keys(tandem) - {"third 3"}) >= 6, "documents of dropped tables rest"
    assert agent.output().count("it is gone from the source") == 2


def test_a_table_is_dropped_while_the_publication_is_made(deploy, pg):
    """It is there when `init` looks at it, and gone when the publication is to have it."""
    for table in ("first", "second", "third"):
        pg.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)")
    tandem = deploy(pg, config=CONFIG)
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%PUBLICATION%%'"
    with pg.connect(autocommit=False) as other, ThreadPoolExecutor(1) as pool:
        other.execute("DROP TABLE second")
        init = pool.submit(tandem.run, "init")
        eventually(lambda: pg.value(waits) == 1, 30, "it waits for the table")
        other.commit()
        pg.execute("CREATE TABLE second (id int PRIMARY KEY, note text)")
        init.result().expect()
    pg.execute("INSERT INTO second VALUES (1, 'new')")
    tandem.sync()
    assert keys(tandem) == {"second 1"}
