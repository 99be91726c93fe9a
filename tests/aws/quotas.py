"""Quotas of an account, a load balancer and a security group, and how much one call takes.

The numbers are AWS's defaults until the control API sets others for a region:
<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>
"""
from moto.ec2.exceptions import RulesPerSecurityGroupLimitExceededError
from moto.ec2.responses.security_groups import SecurityGroups
from moto.elbv2.exceptions import TooManyCertificatesError
from moto.elbv2.models import ELBv2Backend as B
from moto.elbv2.responses import ELBV2Response as R

from strict import E, patch, target_groups_in

DEFAULTS = {"loadBalancers": 50, "targetGroups": 3000, "listeners": 50, "rules": 100, "certificates": 25, "targetGroupsPerBalancer": 100, "targets": 1000,
            "securityGroupRules": 60, "tags": 50, "attributesPerCall": 20}
LIMITS = {}  # region -> name -> most
# What DescribeAccountLimits calls them, of those that a test sets.
NAMES = {"rules": "rules-per-application-load-balancer", "targetGroupsPerBalancer": "target-groups-per-application-load-balancer"}


def set_to(region, limits):
    unknown = set(limits or {}) - set(DEFAULTS)
    if unknown:
        raise ValueError(f"unknown quotas {sorted(unknown)}; there are {sorted(DEFAULTS)}")
    LIMITS[region] = limits or {}


def most(region, name):
    return LIMITS.get(region, {}).get(name, DEFAULTS[name])


def install():
    _account()
    _balancer()
    _security_groups()
    _calls()


def _account():
    @patch(R, "create_load_balancer")
    def _(old, self):
        kind = self._get_param("Type") or "application"
        there = [lb for lb in self.elbv2_backend.load_balancers.values() if lb.type == kind]
        if len(there) >= most(self.region, "loadBalancers"):
            raise E("TooManyLoadBalancers", "The maximum number of load balancers has been reached")
        return old(self)

    @patch(R, "create_target_group")
    def _(old, self):
        if len(self.elbv2_backend.target_groups) >= most(self.region, "targetGroups"):
            raise E("TooManyTargetGroups", "The maximum number of target groups has been reached")
        return old(self)


    @patch(R, "describe_account_limits")
    def _(old, self):
        answer, own = old(self), LIMITS.get(self.region, {})
        limits = {one["Name"]: one["Max"] for one in answer.result["Limits"]}
        limits.update({told: own[name] for name, told in NAMES.items() if name in own})
        answer.result["Limits"] = [{"Name": name, "Max": most} for name, most in limits.items()]
        return answer


def _of_listener(backend, arn):
    return next((lb for lb in backend.load_balancers.values() if arn in lb.listeners), None)


def _groups(lb):
    actions = [a for li in lb.listeners.values() for a in list(li.default_actions) + [a for r in li.rules.values() for a in r.actions]]
    return set(target_groups_in([getattr(a, "data", a) for a in actions]))


def _balancer():
    @patch(R, "create_listener")
    def _(old, self):
        lb = self.elbv2_backend.load_balancers.get(self._get_param("LoadBalancerArn"))
        if lb and len(lb.listeners) >= most(self.region, "listeners"):
            raise E("TooManyListeners", "The maximum number of listeners has been reached on the load balancer")
        return old(self)

    @patch(R, "create_rule")
    def _(old, self):
        lb = _of_listener(self.elbv2_backend, self._get_param("ListenerArn"))
        rules = [r for li in lb.listeners.values() for r in li.rules.values() if not r.is_default] if lb else []
        if len(rules) >= most(self.region, "rules"):
            raise E("TooManyRules", "The maximum number of rules has been reached on the load balancer")
        return old(self)

    for name in ("create_rule", "modify_rule", "modify_listener"):
        @patch(R, name)
        def _(old, self):
            p, backend = self._get_params(), self.elbv2_backend
            arn = p.get("ListenerArn") or next((li.arn for lb in backend.load_balancers.values() for li in lb.listeners.values()
                                                if p.get("RuleArn") in li.rules), None)
            lb, named = _of_listener(backend, arn), set(target_groups_in((p.get("Actions") or []) + (p.get("DefaultActions") or [])))
            if lb and len(_groups(lb) | named) > most(self.region, "targetGroupsPerBalancer"):
                raise E("TooManyUniqueTargetGroupsPerLoadBalancer", "The maximum number of unique target groups per load balancer has been reached")
            return old(self)

    @patch(B, "add_listener_certificates")
    def _(old, self, arn, certificates):
        lb, limit = _of_listener(self, arn), most(self.region_name, "certificates")
        new = [c["CertificateArn"] for c in certificates]
        # AWS does not count defaults; whether one that is listed once more counts is not documented: here it does not.
        count = sum(len(set(getattr(li, "extra", []) + (new if li.arn == arn else [])) - {li.certificate}) for li in lb.listeners.values()) if lb else 0
        if count > limit:
            raise TooManyCertificatesError()
        return old(self, arn, certificates)


def _sources(rule):
    """How many rules an entry of a request or of a group is: each source counts, a prefix list as one."""
    get = rule.get if isinstance(rule, dict) else lambda key: getattr(rule, key, None)
    return sum(len(get(key) or []) for key in ("ip_ranges", "source_groups", "prefix_list_ids")) or 1


def _security_groups():
    @patch(SecurityGroups, "authorize_security_group_ingress")
    def _(old, self):
        """All of a call or nothing of it, as in AWS; moto carries out what comes before the first that is too many."""
        asked = list(self._process_rules_from_querystring())
        group = self.ec2_backend.get_security_group_by_name_or_id(asked[0]["group_name_or_id"]) if asked else None
        if group and sum(map(_sources, group.ingress_rules)) + sum(map(_sources, asked)) > most(self.region, "securityGroupRules"):
            raise RulesPerSecurityGroupLimitExceededError()
        return old(self)


def _calls():
    @patch(R, "modify_load_balancer_attributes")
    def _(old, self):
        given, limit = self._get_param("Attributes", []), most(self.region, "attributesPerCall")
        if len(given) > limit:
            raise E("ValidationError", f"1 validation error detected: Value at 'attributes' failed to satisfy constraint: Member must have length less than or equal to {limit}")
        return old(self)

    def has_ipv6(subnet):
        return bool(subnet.ipv6_cidr_block_association_set)

    def refuse_ipv4_only(kind, subnets):
        bare = [s.id for s in subnets if not has_ipv6(s)]
        if kind != "ipv4" and bare:
            raise E("InvalidConfigurationRequest", f"The subnets {bare} have no IPv6 CIDR block, which a load balancer of type {kind} needs")

    @patch(B, "set_subnets")
    def _(old, self, arn, subnets, subnet_mappings):
        lb = self.load_balancers.get(arn)
        if lb:
            ids = list(subnets) + [m["SubnetId"] for m in subnet_mappings]
            refuse_ipv4_only(lb.ip_address_type or "ipv4", [self.ec2_backend.get_subnet(i) for i in ids])
        return old(self, arn, subnets, subnet_mappings)

    @patch(B, "set_ip_address_type")
    def _(old, self, arn, ip_type):
        lb = self.load_balancers.get(arn)
        if lb:
            refuse_ipv4_only(ip_type, lb.subnets)
        return old(self, arn, ip_type)
