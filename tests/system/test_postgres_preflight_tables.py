"""What `tandem check` finds of publications of others and of tables: it is told, and what it advises helps."""

import re

import pytest

from check_sheet import Sheet, play, things
from deployment import FAILED, USAGE
from test_postgres_bad_input import CONFIG

# ---- publications --------------------------------------------------------------------------------


def test_a_publication_of_others(deploy, pg):
    things(pg)
    pg.execute("CREATE PUBLICATION theirs FOR TABLE things")
    tandem = deploy(pg, config=CONFIG.replace('URL}"}', 'URL}", publication: theirs}'))
    line = Sheet(tandem).told("warning", "publication theirs", "Tandem did not make it")
    assert "drop it and let `tandem init` make it" in line
    pg.execute("DROP PUBLICATION theirs")
    tandem.init()
    Sheet(tandem).told("ok", "publication theirs")


@pytest.mark.parametrize(
    "publication, text",
    [
        ('CREATE PUBLICATION "The irs"', "it is not in the publication The irs"),
        ('CREATE PUBLICATION "The irs" FOR TABLE things WHERE (id > 5)', "rows of it by a filter"),
        ('CREATE PUBLICATION "The irs" FOR TABLE things (id)', "columns of it by a list"),
        ("CREATE PUBLICATION \"The irs\" FOR TABLE things WITH (publish = 'update, delete')", "leaves out inserts"),
        ("CREATE PUBLICATION \"The irs\" FOR ALL TABLES WITH (publish = 'insert, truncate')", "leaves out updates"),
        ("CREATE PUBLICATION \"The irs\" FOR TABLES IN SCHEMA public WITH (publish = 'insert, update, truncate')",
         "leaves out deletes"),
        ("CREATE PUBLICATION \"The irs\" FOR TABLE things WHERE (id > 5) WITH (publish = 'delete')",
         "rows of it by a filter"),
    ],
)
def test_what_a_publication_of_others_leaves_out(deploy, pg, publication, text):
    things(pg)
    pg.execute(publication)
    tandem = deploy(pg, config=CONFIG.replace('URL}"}', 'URL}", publication: "The irs"}'))
    sheet = Sheet(tandem)
    assert sheet.result.status == FAILED, str(sheet)
    play(pg, sheet.told("failure", "table things", text))
    Sheet(tandem).told("ok", "table things")
    tandem.sync()


def test_what_a_publication_of_others_leaves_out_of_tables_with_partitions(deploy, pg):
    pg.execute("CREATE TABLE things (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id);"
                     " CREATE TABLE things_1 PARTITION OF things DEFAULT;"
                     " CREATE PUBLICATION theirs FOR TABLE things")
    tandem = deploy(pg, config=CONFIG.replace('URL}"}', 'URL}", publication: theirs}'))
    play(pg, Sheet(tandem).told("failure", "table things", "its partitions under their own names"))
    Sheet(tandem).told("ok", "table things", "its partitions under its name")


def test_an_insert_only_table_needs_less_of_a_publication(deploy, pg):
    """The publication goes on without updates, which tables without a replica identity could not have."""
    pg.execute("CREATE TABLE things (id integer, name text); CREATE UNIQUE INDEX ON things (id);"
                     " ALTER TABLE things ALTER COLUMN id SET NOT NULL;"
                     " CREATE PUBLICATION theirs FOR TABLE things WITH (publish = 'insert')")
    settings = 'URL}", publication: theirs, tables: {things: {key: [id], insert_only: on}}}'
    tandem = deploy(pg, config=CONFIG.replace('URL}"}', settings))
    play(pg, Sheet(tandem).told("failure", "table things", "leaves out truncations"))
    Sheet(tandem).told("ok", "table things", "updates and deletes are not seen")
    pg.execute("INSERT INTO things VALUES (1, 'a'); UPDATE things SET name = 'b'")


@pytest.mark.parametrize("change", ["DROP TABLE things", "SET TABLE things WHERE (id > 5)", "SET TABLE things (id)",
                                    "SET (publish = 'insert')"])
def test_a_publication_of_ours_that_was_altered(deploy, pg, change):
    things(pg)
    tandem = deploy(pg, config=CONFIG)
    tandem.init()
    pg.execute(f"ALTER PUBLICATION tandem_tandem {change}")
    Sheet(tandem).told("warning", "table things", "run `tandem init`")
    tandem.init()
    Sheet(tandem).told("ok", "table things")


# ---- tables --------------------------------------------------------------------------------------


def test_generated_columns(deploy, pg):
    pg.execute("CREATE TABLE things (id integer PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) STORED)")
    Sheet(deploy(pg, config=CONFIG)).told("warning", "table things", r"generated columns \(twice\) .*compute")


def test_tables_that_inherit(deploy, pg):
    things(pg, '; CREATE TABLE "Some" (more text, PRIMARY KEY (id)) INHERITS (things);'
                     ' CREATE SCHEMA app; CREATE TABLE app.few (PRIMARY KEY (id)) INHERITS ("Some");'
                     " CREATE TABLE unrelated (id integer PRIMARY KEY)")
    pg.execute("INSERT INTO \"Some\" VALUES (77, 'of a child')")
    tandem = deploy(pg, config=CONFIG)
    text = r"rows of the tables that inherit from it \({}\) are not captured .*; name them in the config"
    Sheet(tandem).told("warning", "table things", text.format("app.few, Some"))
    document = '  {0}: {{table: Items, root: {1}, item: {{PK: "{{id}}", $columns: all}}}}\n'
    tandem.config.write_text(CONFIG + document.format("some", "Some"))
    Sheet(tandem).told("warning", "table things", text.format("app.few"))
    Sheet(tandem).told("warning", "table Some", text.format("app.few"))
    tandem.config.write_text(CONFIG + document.format("some", "Some") + document.format("few", "app.few"))
    sheet = Sheet(tandem)
    assert "that inherit from" not in sheet.result.out, str(sheet)
    tandem.sync()


FULL = "CREATE TABLE things (id integer NOT NULL, name text); ALTER TABLE things REPLICA IDENTITY FULL"


@pytest.mark.parametrize(
    "make, settings, text",
    [
        ("CREATE UNLOGGED TABLE things (id integer PRIMARY KEY)", "", "it is unlogged"),
        ("CREATE TABLE things (id integer PRIMARY KEY); ALTER TABLE things REPLICA IDENTITY NOTHING", "",
         "its replica identity is NOTHING"),
        ("CREATE TABLE things (id integer PRIMARY KEY DEFERRABLE)", "", "its primary key is deferrable"),
        ('CREATE TABLE things (id integer NOT NULL); CREATE UNIQUE INDEX "The Key" ON things (id)', "",
         "it has no primary key"),
        ("CREATE TABLE things (id integer PRIMARY KEY); CREATE UNIQUE INDEX x ON things (id);"
         " ALTER TABLE things REPLICA IDENTITY USING INDEX x; DROP INDEX x", "",
         "the index of its replica identity is gone"),
        (FULL.replace(" NOT NULL", "") + "; CREATE UNIQUE INDEX ON things (id)", "key: [id]",
         "its key column id may be null"),
        ("CREATE TABLE things (id integer PRIMARY KEY, \"the name\" text NOT NULL UNIQUE)", 'key: ["the name"]',
         "its configured key is .the name., but the server names changed rows by .id."),
        ("CREATE TABLE things (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
         " CREATE UNLOGGED TABLE \"Part 1\" PARTITION OF things DEFAULT", "", "its partition .* is unlogged"),
        ("CREATE TABLE things (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
         " CREATE TABLE \"Part 1\" PARTITION OF things DEFAULT; ALTER TABLE things REPLICA IDENTITY FULL", "",
         "its partition .* has another replica identity"),
        ("CREATE TABLE things (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
         " CREATE TABLE \"Part 1\" PARTITION OF things DEFAULT; ALTER TABLE \"Part 1\" REPLICA IDENTITY NOTHING", "",
         "its partition .* does not say id of a changed row"),
    ],
)
def test_a_table_that_needs_a_statement_first(deploy, pg, make, settings, text):
    pg.execute(make)
    tables = f'URL}}", tables: {{things: {{{settings}}}}}}}'
    tandem = deploy(pg, config=CONFIG.replace('URL}"}', tables) if settings else CONFIG)
    result = tandem.run("check").expect(FAILED, USAGE)
    assert re.search(f"things.*{text}", result.err), str(result)
    (line,) = [line for line in result.err.splitlines() if re.search(text, line)]
    play(pg, line)
    tandem.init()
    Sheet(tandem).told("ok", "table things")


@pytest.mark.parametrize(
    "make, settings, text",
    [
        ("SELECT 1", "", "no table things"),
        ("CREATE TABLE things (id integer)", "", "it has no primary key.*; give it a primary key, or, .*insert_only"),
        ("CREATE TABLE things (id integer)", "insert_only: on",
         "it has no primary key; give it one, or make a unique index"),
        (FULL, "key: [id]", "no unique index makes its key .id. unique; make one"),
        (FULL, "key: [no]", "its configured key names no, which is not a column"),
        ("CREATE VIEW things AS SELECT 1 AS id", "", "it is a view; sync the tables it reads"),
        ("CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE things"
         " (id integer) SERVER files OPTIONS (filename '/dev/null')", "",
         "it is a foreign table.*; capture it at the server"),
        ("CREATE TABLE whole (id integer PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE things PARTITION OF whole"
         " DEFAULT", "", "it is a partition; name its table whole instead"),
        ("CREATE TABLE things (id integer GENERATED ALWAYS AS (1) STORED PRIMARY KEY, name text)", "",
         "its key column id is generated"),
        ("CREATE TABLE things (id integer PRIMARY KEY, \"Id\" integer)", "",
         "its columns id and Id differ by the case"),
        ("CREATE TABLE things ()", "", "no columns"),
    ],
)
def test_a_table_that_needs_a_decision(deploy, pg, make, settings, text):
    pg.execute(make)
    tables = f'URL}}", tables: {{things: {{{settings}}}}}}}'
    tandem = deploy(pg, config=CONFIG.replace('URL}"}', tables) if settings else CONFIG)
    result = tandem.run("check").expect(FAILED, USAGE)
    assert re.search(text, result.err), str(result)
