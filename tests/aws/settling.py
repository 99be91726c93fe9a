"""What AWS lets go of, and learns of, only after a while: each time is off until the control API sets it for a region."""
import json
import time

from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.elbv2.exceptions import LoadBalancerNotFoundError
from moto.elbv2.models import ELBv2Backend as B
from moto.elbv2.responses import ELBV2Response as R
from moto.shield.exceptions import ResourceNotFoundException
from moto.shield.models import ShieldBackend
from moto.wafv2.exceptions import WAFNonexistentItemException
from moto.wafv2.models import WAFV2Backend

from strict import E, patch, target_groups_in, users

# securityGroupsHeld, targetGroupsHeld: seconds after a load balancer is deleted; webAclUnknown, shieldUnknown, tagsUnknown: seconds after one is made;
# securityGroupUnknown: seconds after a security group is made, in which ELBv2 does not know it.
FIELDS = {"securityGroupsHeld", "targetGroupsHeld", "webAclUnknown", "shieldUnknown", "tagsUnknown", "securityGroupUnknown"}
SECONDS = {}  # region -> field -> seconds
_held = {}  # region -> (security group id or target group ARN) -> (since when, whose)
_born = {}  # security group id -> when


def clear():
    SECONDS.clear()
    _held.clear()
    _born.clear()


def set_to(region, fields):
    unknown = set(fields or {}) - FIELDS
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)} in a settling; there are {sorted(FIELDS)}")
    SECONDS[region] = fields or {}


def _is_young(region, field, since):
    return since is not None and time.time() - since < SECONDS.get(region, {}).get(field, 0)


def _holder(region, field, what):
    since, whose = _held.get(region, {}).get(what, (None, None))
    return whose if _is_young(region, field, since) else None


def install():
    _load_balancers()
    _security_groups()
    _target_groups()
    _others()


def _load_balancers():
    @patch(B, "delete_load_balancer")
    def _(old, self, arn):
        lb = self.load_balancers.get(arn)
        used = [tg for tg in self.target_groups if lb and arn in users(self, tg)]
        out = old(self, arn)
        if lb and arn not in self.load_balancers:
            held = _held.setdefault(self.region_name, {})
            held.update({one: (time.time(), arn) for one in [*(lb.security_groups or []), *used]})
        return out

    old_check = B._check_sgs

    def check_sgs(self, groups):
        for one in groups:
            if _is_young(self.region_name, "securityGroupUnknown", _born.get(one)):
                raise E("InvalidSecurityGroup", f"Security group '{one}' does not exist")
        return old_check(self, groups)
    B._check_sgs = check_sgs

    @patch(B, "set_security_groups")
    def _(old, self, arn, sec_groups):
        self._check_sgs(sec_groups)
        return old(self, arn, sec_groups)


def _security_groups():
    @patch(SecurityGroupBackend, "create_security_group")
    def _(old, self, *a, **k):
        made = old(self, *a, **k)
        _born[made.id] = time.time()
        return made

    @patch(SecurityGroupBackend, "delete_security_group")
    def _(old, self, name=None, group_id=None):
        if group_id and _holder(self.region_name, "securityGroupsHeld", group_id):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        return old(self, name, group_id)


def _target_groups():
    def refuse(region, actions):
        for arn in target_groups_in(actions):
            if _holder(region, "targetGroupsHeld", arn):
                raise E("TargetGroupAssociationLimit", f"The following target groups cannot be associated with more than one load balancer: {arn}")

    for name in ("create_listener", "modify_listener", "create_rule", "modify_rule"):
        @patch(R, name)
        def _(old, self):
            p = self._get_params()
            refuse(self.region, (p.get("DefaultActions") or []) + (p.get("Actions") or []))
            return old(self)

    @patch(B, "delete_target_group")
    def _(old, self, target_group_arn):
        if _holder(self.region_name, "targetGroupsHeld", target_group_arn):
            raise E("ResourceInUse", f"Target group '{target_group_arn}' is currently in use by a listener or a rule")
        return old(self, target_group_arn)


def _others():
    @patch(WAFV2Backend, "associate_web_acl")
    def _(old, self, acl, resource):
        lb = _balancer(self.account_id, self.region_name, resource)
        if lb and _is_young(self.region_name, "webAclUnknown", getattr(lb, "born", None)):
            raise WAFNonexistentItemException()
        return old(self, acl, resource)

    @patch(ShieldBackend, "create_protection")
    def _(old, self, name, resource_arn, tags):
        # Shield has one region for all: the load balancer's own counts.
        region = (resource_arn.split(":") + [""] * 4)[3]
        lb = _balancer(self.account_id, region, resource_arn)
        if lb and _is_young(region, "shieldUnknown", getattr(lb, "born", None)):
            raise ResourceNotFoundException("The referenced resource does not exist.")
        return old(self, name, resource_arn, tags)

    for name in ("add_tags", "describe_tags"):
        @patch(R, name)
        def _(old, self):
            for arn in self._get_param("ResourceArns", []):
                lb = self.elbv2_backend.load_balancers.get(arn)
                if lb and _is_young(self.region, "tagsUnknown", getattr(lb, "born", None)):
                    raise LoadBalancerNotFoundError()
            return old(self)


def _balancer(account, region, arn):
    from moto.elbv2.models import elbv2_backends
    return elbv2_backends[account][region].load_balancers.get(arn)
