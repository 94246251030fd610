"""The failpoints of the test build: their names, read from the sources so that none is forgotten."""

import re

from deployment import REPOSITORY

_POINT = re.compile(r'TANDEM_FAILPOINT\("([^"]+)"\)')


def names():
    """Of a source of SQLite and the embedded log; the others' own are of_postgres() and of_kafka()."""
    return [name for name in _all() if not name.startswith(("postgres.", "kafka."))]


def of_postgres():
    return [name for name in _all() if name.startswith("postgres.")]


def of_kafka():
    return [name for name in _all() if name.startswith("kafka.")]


def _all():
    found = set()
    for room in ("state", "capture", "sink", "agent"):
        for path in (REPOSITORY / room).rglob("*.cc"):
            found.update(_POINT.findall(path.read_text()))
    return sorted(found)


def armed(name, action="kill", at=1):
    return {"TANDEM_FAILPOINTS": f"{name}={action}@{at}"}
