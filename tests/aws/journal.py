"""What has changed AWS since the last reset, in order, and the ids and times that follow from it: freeze and thaw live on this."""
import datetime
import time

import moto.ec2.models.elastic_network_interfaces as m_eni
import moto.ec2.models.instances as m_instances
import moto.ec2.models.managed_prefixes as m_prefixes
import moto.ec2.models.security_groups as m_sgs
import moto.ec2.models.subnets as m_subnets
import moto.ec2.models.vpcs as m_vpcs
from moto.elbv2 import models as m_elbv2
from moto.moto_api._internal import mock_random

# moto draws its ids from one generator.  It is seeded afresh for every entry (salt and position), so the same entries make
# the same ids, whatever was read in between.
JOURNAL = {"salt": "", "entries": []}
_clock = [0.0]  # when the present entry happened
_next = {}  # kind -> the id that the next thing of that kind gets


def begin(at=None):
    """Starts an entry; what is made from here on gets its time and its ids."""
    _clock[0] = round(time.time(), 3) if at is None else at
    mock_random.seed(f"{JOURNAL['salt']}/{len(JOURNAL['entries'])}")


def now():
    return _clock[0]


def record(entry):
    JOURNAL["entries"].append({"at": now(), **entry})
    return JOURNAL["entries"][-1]


class given:
    """with given(subnet="subnet-…"): the next subnet gets this id; what was not used is forgotten."""

    def __init__(self, **ids):
        self.ids = ids

    def __enter__(self):
        _next.update(self.ids)

    def __exit__(self, *_):
        _next.clear()


def _fixed(module, function, kind):
    real = getattr(module, function)
    setattr(module, function, lambda *a, **k: _next.pop(kind, None) or real(*a, **k))


def _stamp(value=None):
    value = value or datetime.datetime.fromtimestamp(now(), datetime.timezone.utc)
    return value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def install():
    for module, function, kind in (
            (m_vpcs, "random_vpc_id", "vpc"), (m_subnets, "random_subnet_id", "subnet"), (m_sgs, "random_security_group_id", "sg"),
            (m_eni, "random_eni_id", "eni"), (m_instances, "random_instance_id", "instance"),
            (m_prefixes, "random_managed_prefix_list_id", "pl")):
        _fixed(module, function, kind)
    m_elbv2.iso_8601_datetime_with_milliseconds = _stamp
