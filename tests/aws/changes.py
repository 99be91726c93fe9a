"""How often something has changed the AWS of each region, for those who wait for the next change instead of asking again and again."""
import collections
import threading
import time

LONGEST = 60.0  # seconds that one who waits is kept at most

_counts = collections.Counter()
_changed = threading.Condition()


def note(*regions):
    """Something of these regions is otherwise than before; the numbers never go back, not at a reset either."""
    with _changed:
        for region in regions:
            _counts[region] += 1
        _changed.notify_all()


def wait(region, since, seconds):
    """The region's number as soon as it is beyond `since`, or after that many seconds.  Holds no lock but its own."""
    end = time.monotonic() + min(float(seconds), LONGEST)
    with _changed:
        while _counts[region] <= since and (left := end - time.monotonic()) > 0:
            _changed.wait(left)
        return _counts[region]
