"""Every item written reflects the source as it stood after some transaction, never half of one."""

import threading
import time

import pytest

import oracle_chinook as oracle
from eventually import eventually
from reader import SamplingReader
from workload_chinook import Application

SECONDS = 12


def orders_only(application):
    """Transactions that touch an invoice and its lines in several statements."""
    return (
        application.insert_invoice, application.change_lines, application.move_line,
        application.delete_invoice, application.replace_invoice_by_date, application.swap_dates,
        application.shrink_playlist, application.grow_playlist,
    )


@pytest.mark.quick
def test_no_order_is_ever_half_of_a_transaction(deploy, small_source, dynamodb, seed):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.init()
    agent = tandem.start()
    done = threading.Event()
    failures = []

    def write():
        try:
            application = Application(small_source, seed)
            while not done.is_set():
                application.transaction(application.random.choice(orders_only(application)))
                time.sleep(0.002)
            application.close()
        except Exception as error:  # the test must hear of it
            failures.append(error)

    writer = threading.Thread(target=write)
    with SamplingReader(dynamodb, pause=0.01) as reader:
        writer.start()
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            agent.alive()
            time.sleep(0.1)
        done.set()
        writer.join()
        assert not failures, failures
        eventually(lambda: oracle.check(small_source, dynamodb), 150, "the end", alive=agent.alive)
        assert len(set(reader.versions.values())) > 20, "hardly anything was written meanwhile"
    agent.stop()
