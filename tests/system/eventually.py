"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import time


def eventually(condition, seconds, what, pause=0.05, alive=None):
    """Calls condition() until it returns something true, and returns that.

    An AssertionError inside the condition counts as "not yet"; the last one is shown when the
    deadline passes. alive() raises when waiting on has lost its sense (a dead process).
    """
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            last = error
        if alive is not None:
            alive()
        if time.monotonic() > deadline:
            detail = f"\n{last}" if last else ""
            raise AssertionError(f"not within {seconds} s: {what}{detail}")
        time.sleep(pause)
