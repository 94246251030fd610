"""The whole way once: from an empty target to every item, with `run --once`."""

import oracle_chinook as oracle
from database import opened


def test_every_item_of_the_real_chinook(deploy, source, dynamodb):
    tandem = deploy(source, endpoint=dynamodb.endpoint)
    tandem.sync()
    want = oracle.expected(source)
    assert sum(map(len, want.values())) == 4709
    have = oracle.scanned(dynamodb)
    lines = oracle.differences(want, have)
    assert not lines, "\n".join(lines)


def test_the_tables_are_made_as_declared(deploy, small_source, dynamodb):
    deploy(small_source, endpoint=dynamodb.endpoint).init()
    assert dynamodb.tables() == set(oracle.TABLES)
    table = dynamodb.client.describe_table(TableName="MusicCatalog")["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [part["AttributeName"] for part in table["KeySchema"]] == ["PK", "SK"]
    indexes = {
        index["IndexName"]: [part["AttributeName"] for part in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    assert indexes == {
        "GSI1-NameSearch": ["GSI1PK", "GSI1SK"],
        "GSI2-GenreSearch": ["GSI2PK"],
    }


def test_items_are_found_by_the_indexes(deploy, small_source, dynamodb):
    deploy(small_source, endpoint=dynamodb.endpoint).sync()
    answer = dynamodb.client.query(
        TableName="MusicCatalog",
        IndexName="GSI1-NameSearch",
        KeyConditionExpression="GSI1PK = :name",
        ExpressionAttributeValues={":name": {"S": "ARTIST_NAME#AC/DC"}},
    )
    assert [item["SK"]["S"] for item in answer["Items"]] == ["METADATA"]


def test_init_twice_and_run_twice_change_nothing(deploy, small_source, dynamodb):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    tandem.sync()
    oracle.check(small_source, dynamodb)


def test_uninstall_leaves_the_source_as_it_was(deploy, small_source, dynamodb):
    def objects():
        with opened(small_source) as connection:
            return connection.execute(
                "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
            ).fetchall()

    before = objects()
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    assert objects() != before
    tandem.run("init", "--uninstall").expect()
    assert objects() == before


def test_a_source_that_was_filled_by_a_rollback_journal_application(deploy, small_source, dynamodb):
    """Not every application uses WAL."""
    with opened(small_source) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    deploy(small_source, endpoint=dynamodb.endpoint).sync()
    oracle.check(small_source, dynamodb)
