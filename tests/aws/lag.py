"""Describes that lag: what a region's load balancers, target groups and security groups were some seconds ago is what is answered.

After every call that may have changed something the region is copied; a describe is answered from the youngest copy that is old enough.
"""
import collections
import contextlib
import copy
import time

from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends

import world

SERVICES = ("elbv2", "ec2")
SECONDS = {}  # region -> how far describes lag
_copies = collections.defaultdict(collections.deque)  # region -> (time, what was there)


def set_to(region, seconds):
    _copies.pop(region, None)
    SECONDS.pop(region, None)
    if seconds:
        SECONDS[region] = seconds
        _copies[region].append((0.0, _copy(region)))


def clear():
    SECONDS.clear()
    _copies.clear()


def tick(region):
    """Keeps what is there now, and forgets copies that no describe can need any more."""
    if region not in SECONDS:
        return
    copies, now = _copies[region], time.time()
    copies.append((now, _copy(region)))
    while len(copies) > 1 and copies[1][0] <= now - SECONDS[region]:
        copies.popleft()


def _parts(region):
    elb, ec2 = elbv2_backends[world.ACCOUNT][region], ec2_backends[world.ACCOUNT][region]
    return (elb, "load_balancers"), (elb, "target_groups"), (elb, "tagging_service"), (ec2, "groups"), (ec2, "tags")


def _copy(region):
    # What is pointed to outside of the copied parts stays what it is: backends, subnets, the VPC.
    kept = [elbv2_backends[world.ACCOUNT][region]]
    ec2 = ec2_backends[world.ACCOUNT][region]
    kept += [ec2, *ec2.vpcs.values(), *(s for zone in ec2.subnets.values() for s in zone.values())]
    return copy.deepcopy([getattr(owner, name) for owner, name in _parts(region)], {id(k): k for k in kept})


@contextlib.contextmanager
def past(call):
    """While it lasts, the call's region is as it was; only for calls that read, under the control API's lock."""
    if call.writes or call.service not in SERVICES or call.region not in SECONDS:
        yield
        return
    wanted = time.time() - SECONDS[call.region]
    old = next(state for at, state in reversed(_copies[call.region]) if at <= wanted)
    now = [getattr(owner, name) for owner, name in _parts(call.region)]
    _put(call.region, old)
    try:
        yield
    finally:
        _put(call.region, now)


def _put(region, state):
    for (owner, name), value in zip(_parts(region), state):
        setattr(owner, name, value)
