"""Rough writers, and an agent that is killed, cut off and told to read tables again: all is equal after.

TANDEM_FULL=1 in the environment makes it minutes instead of seconds; TANDEM_SEED=N repeats the dice.
"""

import contextlib
import random
import sqlite3
import time
from decimal import Decimal

import pytest

from eventually import eventually
from local_items import LocalItems
from workload_odd_tables import KEYS, SCHEMA, RoughWriters

CONFIG = """
name: rough
source: {type: postgres, url: "${DATABASE_URL}", heartbeat: 1s}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
""" + "".join(
    f"  {table}: {{table: Items, root: {table}, item: {{PK: '{table}{''.join(f'#{{{name}}}' for name in key)}',"
    " $columns: all}}\n"
    for table, key in KEYS.items()
)


def source_rows(database):
    """{table: (columns, {row})} as of one snapshot, each value as PostgreSQL's text of it."""
    with database.connect(autocommit=False) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found = {}
        for table in KEYS:
            columns = [name for (name,) in connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " AND NOT attisdropped ORDER BY attnum", (table,))]
            texts = ", ".join(f"{name}::text" for name in columns)
            found[table] = columns, set(connection.execute(f"SELECT {texts} FROM {table}"))
    return found


def replica_rows(tandem, table, columns):
    path = f"file:{tandem.state / 'replica.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True, timeout=20)) as replica:
        have = [row[1] for row in replica.execute(f"PRAGMA table_info({table})")]
        assert have == columns, f"the replica's {table} has the columns {have}, not {columns}"
        rows = list(replica.execute(f"SELECT {', '.join(columns)} FROM {table}"))
    texts = {tuple(None if value is None else str(value) for value in row) for row in rows}
    assert len(texts) == len(rows), f"the replica's {table} holds a row twice"
    return texts


def item_of(table, columns, row):
    values = dict(zip(columns, row))
    numbers = {name for name in columns if name in ("id", "n", "m", "a", "b")}
    return {
        "PK": "#".join([table, *(values[name] for name in KEYS[table])]),
        **{name: Decimal(value) if name in numbers else value for name, value in values.items() if value is not None},
    }


def shown(row):
    return tuple(value if value is None else value[:20] for value in row)


def equal(tandem, database):
    """Raises AssertionError with what differs, in the replica and then in the items."""
    source = source_rows(database)
    for table, (columns, want) in source.items():
        have = replica_rows(tandem, table, columns)
        assert have == want, (
            f"{table}: {len(want)} rows, in the replica {len(have)}; {len(want - have)} only at the source, such as"
            f" {[shown(row) for row in sorted(want - have, key=str)[:3]]}; {len(have - want)} only in the replica,"
            f" such as {[shown(row) for row in sorted(have - want, key=str)[:3]]}"
        )
    want = {}
    for table, (columns, rows) in source.items():
        # Columns that come and go are numbers or text: both as text here.
        want.update({item["PK"]: _plain(item) for item in (item_of(table, columns, row) for row in rows)})
    have = {item["PK"]: _plain(item) for item in LocalItems(tandem.environment["ITEMS"]).scan_raw("Items")
            if item.pop("_tandem", {}).get("d") is not True}
    wrong = [key for key in want.keys() | have.keys() if want.get(key) != have.get(key)]
    assert not wrong, f"{len(wrong)} items differ: " + "; ".join(
        f"{key}: {_short(have.get(key))}, not {_short(want.get(key))}" for key in sorted(wrong)[:3])
    return True


def _plain(item):
    return {name: str(value) if name.startswith("extra") else value for name, value in item.items()}


def _short(item):
    return item and {name: str(value)[:20] for name, value in item.items()}


def cut_off(database):
    database.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                     " WHERE database = current_database() AND active_pid IS NOT NULL")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("blows", ["none", "many"])
def test_rough_writers(deploy, pg, seed, full, blows):
    pg.execute(SCHEMA.replace("{rows}", "1500"))
    tandem = deploy(pg, config=CONFIG)
    tandem.init()
    dice = random.Random(seed)
    rounds, seconds = (10, 30) if full else (2, 6)
    agent = tandem.start()
    for number in range(rounds):
        with RoughWriters(pg, f"{seed}-{number}") as writers:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(dice.uniform(0.1, 1.5))  # when the next blow falls is part of the dice
                agent.alive()
                blow = dice.randrange(3) if blows == "many" else None
                if blow == 0:
                    agent.kill()
                    agent = tandem.start()
                elif blow == 1:
                    cut_off(pg)
                if dice.random() < 0.15:
                    tandem.run("snapshot", dice.choice(list(KEYS))).expect()
        assert writers.committed > 20 * seconds, "they hardly wrote"
        print(f"{writers.committed} transactions, {writers.migrations} migrations, {writers.truncations} truncations")
        eventually(lambda: equal(tandem, pg), 120, f"all is equal after round {number} of seed {seed}",
                   pause=0.3, alive=agent.alive)
    tandem.run("verify", "--deep").expect()
    agent.stop()
