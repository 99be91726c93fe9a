"""Targets as AWS has them and moto doesn't: known by id and port, and with a life once the control API gives their region one.

Without one a target is healthy as soon as its target group is used and gone as soon as it is deregistered.  With one it goes through
the states of a script, from when it is registered or its target group comes into use, and drains before it is gone.
"""
import ipaddress
import time

from moto.elbv2 import models as m
from moto.elbv2.exceptions import InvalidTargetError, TargetGroupNotFoundError
from moto.elbv2.models import ELBv2Backend as B, FakeTargetGroup as TG, elbv2_backends

import quotas
import world
from strict import E, patch, users

# (region, target group's ARN or "*", target's id or "*", its port or "*") -> (state, reason, description), for tests that need a target
# to be ill, and for load balancers that check health
HEALTH = {}
LIVES = {}  # region -> {"initialSeconds", "drainingSeconds", "scripts"}
FIELDS = {"initialSeconds", "drainingSeconds", "scripts"}

REASONS = {
    "initial": ("Elb.RegistrationInProgress", "Target registration is in progress"),
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
    "unavailable": ("Elb.InternalError", "Health checks failed due to an internal error on the load balancer")}


def live(region, life):
    """Gives the targets of a region a life, or takes it; scripts are [{"targetGroup", "target", "states": [[state, seconds], …]}]."""
    if life is None:
        LIVES.pop(region, None)
        return
    if set(life) - FIELDS:
        raise ValueError(f"unknown fields {sorted(set(life) - FIELDS)} in a life; there are {sorted(FIELDS)}")
    LIVES[region] = life
    tick(region)


def tick(region):
    """Notes which target groups have come into use since the last call; the control API says so after each that may have changed something."""
    if region not in LIVES:
        return
    backend, now = elbv2_backends[world.ACCOUNT][region], time.time()
    for tg in backend.target_groups.values():
        tg.used_since = (getattr(tg, "used_since", None) or now) if users(backend, tg.arn) else None


def _key(tg, target):
    return target["Id"], int(target.get("Port") or tg.port)


def _since(tg):
    return tg.__dict__.setdefault("since", {})


def _draining(tg):
    """Those that are still on their way out: key -> (target, until)."""
    left = {k: v for k, v in tg.__dict__.get("draining", {}).items() if v[1] > time.time()}
    tg.draining = left
    return left


def _register(self, targets):
    # A call is taken or refused as a whole.
    for t in targets:
        _check(self, t)
    # Whether those that drain count is not documented; here they do not.
    if len(set(self.targets) | {_key(self, t) for t in targets}) > quotas.most(self.region_name, "targets"):
        raise E("TooManyTargets", "The maximum number of targets has been reached on the target group")
    for t in targets:
        d = {"Id": t["Id"], "Port": int(t.get("Port") or self.port)}
        if t.get("AvailabilityZone"):
            d["AvailabilityZone"] = t["AvailabilityZone"]
        _draining(self).pop(_key(self, t), None)
        if _key(self, t) not in self.targets:
            _since(self)[_key(self, t)] = time.time()
        self.targets[_key(self, t)] = d


def _deregister(self, targets):
    for t in targets:
        hit = [k for k in self.targets if k[0] == t["Id"] and ("Port" not in t or k[1] == int(t["Port"]))]
        if not hit:
            raise InvalidTargetError()
        for k in hit:
            _drain(self, k, self.targets.pop(k))


def _drain(self, key, target):
    life, backend = LIVES.get(self.region_name), elbv2_backends[self.account_id][self.region_name]
    if life is None or not users(backend, self.arn):
        return
    seconds = life.get("drainingSeconds")
    if seconds is None:
        seconds = int(self.attributes.get("deregistration_delay.timeout_seconds", 300))
    _draining(self)[key] = (target, time.time() + seconds)


def _health_for(self, target, ec2_backend):
    key = _key(self, target)

    def status(state, *reason):
        return m.FakeHealthStatus(key[0], key[1], self.health_check_port, state, *reason)
    if key in self.targets:
        if not users(elbv2_backends[ec2_backend.account_id][ec2_backend.region_name], self.arn):
            return status("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
        state, *reason = _state(self, key)
        return status(state, *reason)
    if key in _draining(self):
        return status("draining", *REASONS["draining"])
    return status("unused", "Target.NotRegistered", "Target is not registered to the target group")


def why(said):
    """Reason and description of a state, those that AWS has with it if nothing else is said."""
    usual = REASONS.get(said["state"], (None, None))
    return said.get("reason") or usual[0], said.get("description") or usual[1]


def _state(tg, key):
    """What the control API said of the target, with reason and description; otherwise where its script is by now."""
    region = tg.region_name
    for group in (tg.arn, "*"):
        for target, port in ((key[0], key[1]), (key[0], "*"), ("*", "*")):
            if (region, group, target, port) in HEALTH:
                return HEALTH[region, group, target, port]
    state = _by_script(tg, key, region)
    return state, *why({"state": state})


def _by_script(tg, key, region):
    life = LIVES.get(region)
    if life is None:
        return "healthy"
    age = time.time() - max(_since(tg).get(key, 0), getattr(tg, "used_since", None) or 0)
    for state, seconds in _script(life, tg, key):
        if age < seconds:
            return state
        age -= seconds
    return state


def _script(life, tg, key):
    for s in life.get("scripts") or []:
        if s.get("targetGroup", "*") in ("*", tg.arn, tg.name) and s.get("target", "*") in ("*", key[0]):
            return s["states"]
    return [["initial", life.get("initialSeconds", 0)], ["healthy", 0]]


def _check(self, t):
    if self.target_type == "instance":
        instance = self.ec2_backend.get_instance_by_id(t["Id"])
        if instance is None:
            raise E("InvalidTarget", f"The following targets are not valid: '{t['Id']}'")
        if instance.state != "running":
            raise E("InvalidTarget", f"The following targets are not in a running state and cannot be registered: '{t['Id']}'")
    elif self.target_type == "ip" and not t["Id"].replace(".", "").replace(":", "").isalnum():
        raise E("ValidationError", f"The IP address '{t['Id']}' is not a valid IPv4 or IPv6 address")
    elif self.target_type == "ip" and t["Id"].startswith("i-"):
        raise E("ValidationError", f"The IP address '{t['Id']}' is not valid")
    elif self.target_type == "ip" and ipaddress.ip_address(t["Id"]).is_global:
        raise E("ValidationError", f"The IP address '{t['Id']}' is not within a valid range")  # of the VPC, RFC 1918 or RFC 6598


def install():
    TG.register, TG.deregister, TG.health_for = _register, _deregister, _health_for
    TG.deregister_terminated_instances = lambda self, ids: [self.targets.pop(k) for k in list(self.targets) if k[0] in ids]

    @patch(B, "describe_target_health")
    def _(old, self, target_group_arn, targets):
        tg = self.target_groups.get(target_group_arn)
        if tg is None:
            raise TargetGroupNotFoundError()
        return old(self, target_group_arn, targets or list(tg.targets.values()) + [t for t, _ in _draining(tg).values()])
