"""The oracles for PostgreSQL, held against what is known otherwise."""

from decimal import Decimal

import oracle_chinook
import oracle_examples


def test_both_chinooks_give_the_same_items(source, pg_source):
    """Attribute by attribute and type by type: no type differs by nature.

    One value does: the script writes texts as N'…', which PostgreSQL reads as char(n), and that
    has no blanks at its end.
    """
    want = oracle_chinook.expected(source)
    for items in want.values():
        for item in items.values():
            for name in item.keys() & {"City", "BillingCity"}:
                item[name] = item[name].rstrip() if item[name].startswith("Edinburgh") else item[name]
    assert oracle_chinook.differences(want, oracle_chinook.expected(pg_source)) == []
    assert sum(map(len, want.values())) == 4709


def test_both_small_chinooks_give_the_same_items(small_source, small_pg_source):
    want = oracle_chinook.expected(small_source)
    assert not oracle_chinook.differences(want, oracle_chinook.expected(small_pg_source))


def test_lessons_have_everything_that_the_example_is_about(pg):
    pg.execute(oracle_examples.script("lessons"))
    items = oracle_examples.lessons(pg)
    assert {table: len(found) for table, found in items.items()} == {"Lessons": 60, "Passages": 90, "Topics": 5}
    lesson = items["Lessons"][Decimal(10),]
    assert lesson["Published"] is None and lesson["Created"].endswith("+00:00")
    assert isinstance(lesson["Settings"]["theme"]["ratio"], Decimal)
    answers = [question["Answer"] for found in items["Lessons"].values() for question in found["Questions"]]
    assert {type(answer) for answer in answers} == {str, list, Decimal}
    levels = items["Topics"]["travel",]["Levels"]
    assert sum(levels.values()) == items["Topics"]["travel",]["LessonCount"]
    assert any(found["Topic"] == "unsorted" for found in items["Lessons"].values())


def test_the_registry_has_everything_that_the_example_is_about(pg):
    pg.execute(oracle_examples.script("registry"))
    items = oracle_examples.registry(pg)
    assert min(map(len, items.values())) > 20
    for table, attribute in (("Sales", "Status"), ("Buyers", "Kind"), ("Producers", "EnteredBy")):
        assert len({item[attribute] for item in items[table].values()}) > 1
    assert any("BuyerName" not in sale for sale in items["Sales"].values()), "of a firm that is not enabled"
