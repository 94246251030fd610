"""The oracle, held against itself: what it computes survives boto3 and DynamoDB Local unchanged."""

from decimal import Decimal

import boto3
import pytest

import oracle_chinook as oracle
from deployment import CREDENTIALS


def write_all(dynamodb, items):
    resource = boto3.resource(
        "dynamodb",
        endpoint_url=dynamodb.endpoint,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    for table, by_key in items.items():
        made = resource.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": "PK", "KeyType": "HASH"},
                {"AttributeName": "SK", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        with made.batch_writer() as writer:
            for item in by_key.values():
                writer.put_item(Item=item)


def test_the_real_chinook_gives_the_known_items(source):
    items = oracle.expected(source)
    assert {table: len(by_key) for table, by_key in items.items()} == {
        "MusicCatalog": 4125,
        "CustomerOrders": 471,
        "Playlists": 105,
        "EmployeeManagement": 8,
    }
    track = items["MusicCatalog"]["ALBUM#1", "TRACK#1"]
    assert track["UnitPrice"] == Decimal("0.99")
    assert track["ArtistName"] == "AC/DC"
    assert items["EmployeeManagement"]["EMPLOYEE#1", "PROFILE"].get("ManagerName") is None
    assert items["CustomerOrders"]["CUSTOMER#2", "ORDER#2021-01-01T00:00:00"]["Total"] == Decimal("1.98")
    assert "Tracks" not in items["Playlists"]["PLAYLIST#1", "METADATA"]
    assert len(items["Playlists"]["PLAYLIST#1", "TRACKS#33"]["Tracks"]) == 90


def test_it_reads_back_what_it_computes(small_source, dynamodb):
    items = oracle.expected(small_source)
    write_all(dynamodb, items)
    oracle.check(small_source, dynamodb)


@pytest.mark.parametrize("harm", ["attribute", "missing", "extra", "deep", "tombstone"])
def test_it_finds_each_kind_of_difference(small_source, dynamodb, harm):
    items = oracle.expected(small_source)
    playlists = items["Playlists"]
    if harm == "attribute":
        playlists["PLAYLIST#1", "METADATA"]["TrackCount"] += 1
    elif harm == "missing":
        del playlists["PLAYLIST#1", "TRACKS#2"]
    elif harm == "extra":
        playlists["PLAYLIST#999", "METADATA"] = {"PK": "PLAYLIST#999", "SK": "METADATA"}
    elif harm == "deep":
        playlists["PLAYLIST#1", "TRACKS#1"]["Tracks"][7]["Duration"] += 1
    else:
        playlists["PLAYLIST#1", "TRACKS#2"]["_tandem"] = {"d": True}
    write_all(dynamodb, items)
    with pytest.raises(AssertionError, match="PLAYLIST#"):
        oracle.check(small_source, dynamodb)
