"""The local target: the same config with an SQLite file of items in DynamoDB's place."""

import base64
import json
import re
import sqlite3
from decimal import Decimal

from boto3.dynamodb.types import TypeDeserializer

from deployment import CHINOOK_CONFIG


def chinook_config():
    """config/chinook.yaml, its target alone replaced."""
    text, count = re.subn(
        r"\n  type: dynamodb\n.*?\n  tables:\n",
        '\n  type: local\n  path: "${ITEMS}"\n  tables:\n',
        CHINOOK_CONFIG.read_text(),
        flags=re.DOTALL,
    )
    assert count == 1, "config/chinook.yaml has no target as we know it"
    return text


def _decoded(value):
    """DynamoDB's JSON as botocore hands it on: bytes are bytes."""
    ((kind, content),) = value.items()
    if kind == "B":
        return {kind: base64.b64decode(content)}
    if kind == "M":
        return {kind: {name: _decoded(inner) for name, inner in content.items()}}
    if kind == "L":
        return {kind: [_decoded(inner) for inner in content]}
    return value


class LocalItems:
    """Reads the file as DynamodbLocal reads its server."""

    not_there = sqlite3.OperationalError

    def __init__(self, path):
        self.path = path

    def scan_raw(self, table):
        deserialize = TypeDeserializer().deserialize
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=20)
        try:
            rows = connection.execute("SELECT item FROM items WHERE tbl = ?", (table,)).fetchall()
        finally:
            connection.close()
        for (text,) in rows:
            raw = json.loads(text, parse_float=Decimal)
            yield {name: deserialize(_decoded(value)) for name, value in raw.items()}

    def scan(self, table):
        return living(self.scan_raw(table))


def living(items, key=("PK", "SK"), attribute="_tandem"):
    """{key values: item} of the items that are no tombstones, without our own attribute."""
    found = {}
    for item in items:
        if item.pop(attribute, {}).get("d") is not True:
            found[tuple(item.get(name) for name in key)] = item
    return found
