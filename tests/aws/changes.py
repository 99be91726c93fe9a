"""How often something has changed the AWS of each region, for those who wait for the next change instead of asking again and again."""
import collections
import threading
import time

LONGEST = 60.0  # seconds that one who waits is kept at most

_counts = collections.Counter()
_seen = collections.Counter()  # up to which change those who wait have seen a region
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
        if float(seconds) > 0:  # who only asks for the number has not acted on it yet
            _seen[region] = max(_seen[region], int(since))
            _changed.notify_all()
        while _counts[region] <= since and (left := end - time.monotonic()) > 0:
            _changed.wait(left)
        return _counts[region]


def seen(region, seconds):
    """Whether one who waits comes back for what follows the region's last change, within that time: then it has acted on all before."""
    end = time.monotonic() + min(float(seconds), LONGEST)
    with _changed:
        number = _counts[region]
        while _seen[region] < number and (left := end - time.monotonic()) > 0:
            _changed.wait(left)
        return _seen[region] >= number
