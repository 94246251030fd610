"""The unit tests that ask a PostgreSQL server, against one of the tests' own."""

import os
import subprocess


def test_units_that_ask_a_server(debug_binary, pg):
    """Databases, slots and publications that they make, they drop."""
    tests = debug_binary.parent / "test_capture"
    result = subprocess.run(
        [tests, "--gtest_filter=Postgres*", "--gtest_brief=1"],
        env={**os.environ, "TANDEM_TEST_POSTGRES": pg.url},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert "SKIPPED" not in result.stdout, result.stdout[-4000:]
