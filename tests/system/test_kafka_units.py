"""What the log in Kafka keeps, of every log's contract and of its own: tests/unit/state/*log*_test.cc."""

import os
import subprocess


def test_the_units_that_need_a_broker(debug_binary, kafka):
    tests = debug_binary.parent / "test_state"
    result = subprocess.run(
        [tests, "--gtest_filter=*LogContract*:*Kafka*", "--gtest_brief=1"],
        env={**os.environ, "TANDEM_TEST_KAFKA": kafka.address},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert "SKIPPED" not in result.stdout, result.stdout[-4000:]
