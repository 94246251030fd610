"""The contract of every change log, kept by the one in Kafka: tests/unit/state/log_contract_test.cc."""

import os
import subprocess


def test_the_contract_of_logs(debug_binary, kafka):
    tests = debug_binary.parent / "test_state"
    result = subprocess.run(
        [tests, "--gtest_filter=*LogContract*", "--gtest_brief=1"],
        env={**os.environ, "TANDEM_TEST_KAFKA": kafka.address},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert "SKIPPED" not in result.stdout, result.stdout[-4000:]
