"""A reader of the target that samples items while everything else goes on.

It checks what each single item must hold at any time (Committed prefix: an order's Total is the sum
of its own lines, a playlist's count is that of its tracks), and that no item's version falls.
"""

import threading
import time
from decimal import Decimal

TABLES = ("CustomerOrders", "Playlists")


def wrong(item):
    """What is wrong with the item by itself, or None."""
    kind = item.get("EntityType")
    if kind == "Order":
        total = sum((line["UnitPrice"] * line["Quantity"] for line in item["LineItems"]), Decimal(0))
        if total != item["Total"]:
            return f"Total is {item['Total']}, its lines make {total}"
    elif kind == "Playlist" and "Tracks" in item:
        duration = sum((track.get("Duration", 0) for track in item["Tracks"]), Decimal(0))
        if (len(item["Tracks"]), duration) != (item["TrackCount"], item["TotalDuration"]):
            return f"has {len(item['Tracks'])} tracks of {duration} ms: {item['TrackCount']}, {item['TotalDuration']}"
    return None


class SamplingReader:
    """`with SamplingReader(target) as reader:` … leaving the block raises what it has found."""

    def __init__(self, target, pause=0.05):
        self.target = target
        self.pause = pause
        self.samples = 0
        self.findings = []
        self.versions = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._stop.set()
        self._thread.join()
        if kind is None:
            assert not self.findings, "the reader saw:\n" + "\n".join(self.findings[:20])
            assert self.samples > 0, "the reader saw nothing at all"

    def _run(self):
        while not self._stop.wait(self.pause):
            for table in TABLES:
                try:
                    self._sample(table)
                except self.target.not_there:
                    time.sleep(self.pause)  # not made yet
                except Exception as error:  # the test must hear of it
                    self.findings.append(f"{table}: {error!r}")
                    return

    def _sample(self, table):
        for item in self.target.scan_raw(table):
            self._check(table, item)
            if self._stop.is_set():
                return

    def _check(self, table, item):
        self.samples += 1
        key = (table, item["PK"], item["SK"])
        stamp = item.get("_tandem")
        if stamp is None:
            self.findings.append(f"{key}: carries no stamp")
            return
        if stamp["v"] < self.versions.get(key, 0):
            self.findings.append(f"{key}: went back from {self.versions[key]} to {stamp['v']}")
        self.versions[key] = stamp["v"]
        if stamp.get("d") is not True:
            finding = wrong(item)
            if finding:
                self.findings.append(f"{key}: {finding}")
