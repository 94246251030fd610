"""The workload, held against itself: it does what it promises, and the oracle can follow it."""

import oracle_chinook as oracle
from workload_postgres import WEIGHTS, Application, Crowd, prepare


def test_it_keeps_its_invariants(small_pg_source, seed):
    prepare(small_pg_source)
    crowd = Crowd(small_pg_source, seed)
    for _ in range(4):
        crowd.burst(120)
        crowd.migration()
        wrong = small_pg_source.query(
            "SELECT invoice_id, total FROM invoice WHERE total <> (SELECT coalesce(sum(unit_price * quantity), 0)"
            " FROM invoice_line WHERE invoice_line.invoice_id = invoice.invoice_id)"
        )
        assert not wrong
        oracle.expected(small_pg_source)  # raises for two items of one key
    assert sum(member.transactions for member in crowd.members) > 240, "most transactions go through"
    crowd.close()


def test_every_operation_and_migration_can_succeed(small_pg_source, seed):
    prepare(small_pg_source)
    application = Application(small_pg_source, seed)
    migrations = ["add_column", "drop_or_rename_column", "retype_column", "rebuild_table"]
    for name in [*WEIGHTS, *migrations]:
        for _ in range(20):
            before = application.transactions
            application.transaction(getattr(application, name))
            if application.transactions > before:
                break
        else:
            raise AssertionError(f"{name} is always refused")
    application.close()
