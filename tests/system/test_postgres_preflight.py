"""Each finding of `tandem check` at a PostgreSQL source: it is told, and what it advises helps.

Statements are taken out of the advice and run as they are written there.
"""

import re


from deployment import DONE, FAILED
from eventually import eventually

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
