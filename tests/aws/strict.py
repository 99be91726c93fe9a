"""What AWS refuses and plain moto lets through: the checks of load balancers, rules, tags and security groups that a controller relies on."""
import datetime
import json

from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.elbv2.exceptions import (DuplicateListenerError, DuplicateLoadBalancerName, ELBClientError, PriorityInUseError, SubnetNotFoundError)
from moto.elbv2.models import ELBv2Backend as B, elbv2_backends
from moto.elbv2.responses import ELBV2Response
from moto.shield.responses import ShieldResponse
from moto.wafv2.models import WAFV2Backend

MAX_RULES = 100


def E(code, message):
    return ELBClientError(code, message)


def patch(cls, name):
    """@patch(Class, "method"): the function takes the old method, then what the method takes."""
    def deco(fn):
        old = getattr(cls, name)
        setattr(cls, name, lambda self, *a, **k: fn(old, self, *a, **k))
    return deco


def target_groups_in(actions):
    for x in actions or []:
        if x.get("TargetGroupArn"):
            yield x["TargetGroupArn"]
        for t in (x.get("ForwardConfig") or {}).get("TargetGroups", []):
            yield t["TargetGroupArn"]


def users(backend, tg_arn):
    """ARNs of the load balancers whose live listeners or rules forward to a target group (moto's own list only ever grows and holds duplicates)."""
    out = []
    for lb in backend.load_balancers.values():
        for li in lb.listeners.values():
            acts = list(li.default_actions) + [a for r in li.rules.values() for a in r.actions]
            if any(tg_arn in target_groups_in([getattr(a, "data", a)]) for a in acts) and lb.arn not in out:
                out.append(lb.arn)
    return out


def refuse_second_user(backend, lb_arn, actions):
    for arn in target_groups_in(actions):
        if any(x != lb_arn for x in users(backend, arn)):
            raise E("TargetGroupAssociationLimit", f"The following target groups cannot be associated with more than one load balancer: {arn}")


def install():
    _load_balancers()
    _listeners()
    _rules()
    _tags()
    _security_groups()
    _shield()
    _waf()


def _load_balancers():
    @patch(B, "create_load_balancer")
    def _(old, self, **k):
        name, kind = k["name"], k.get("loadbalancer_type") or "application"
        if not name or len(name) > 32:
            raise E("ValidationError", f"1 validation error detected: load balancer name '{name}' is longer than 32")
        if any(lb.name == name for lb in self.load_balancers.values()):
            raise DuplicateLoadBalancerName()
        if k.get("scheme") not in (None, "internal", "internet-facing"):
            raise E("ValidationError", f"scheme '{k['scheme']}' must satisfy enum value set: [internet-facing, internal]")
        keys = [t["Key"] for t in k.get("tags") or []]
        if len(keys) != len(set(keys)):
            raise E("DuplicateTagKeys", "A tag key was specified more than once.")
        ids = list(k.get("subnet_ids") or []) + [s["SubnetId"] for s in k.get("subnet_mappings") or []]
        self._check_zones(ids, kind)
        self._check_sgs(k.get("security_groups") or [])
        lb = old(self, **{**k, "scheme": k.get("scheme") or "internet-facing"})  # AWS's default
        if lb.scheme == "internal":
            lb.dns_name = "internal-" + lb.dns_name
        return lb

    def check_zones(self, ids, kind):
        subnets = []
        for i in ids:
            try:
                subnets.append(self.ec2_backend.get_subnet(i))
            except Exception as e:
                raise SubnetNotFoundError() from e
        if kind != "application" or any(getattr(s, "outpost_arn", None) for s in subnets[:1]):
            return  # on an Outpost one subnet is enough
        zones = [s.availability_zone for s in subnets]
        if len(ids) < 2:
            raise E("ValidationError", "At least two subnets in two different Availability Zones must be specified")
        if len(set(zones)) < len(zones):
            raise E("InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone")

    def check_sgs(self, groups):
        for g in groups:
            if not self.ec2_backend.get_security_group_from_id(g):
                raise E("InvalidSecurityGroup", f"Security group '{g}' does not exist")
    B._check_zones, B._check_sgs = check_zones, check_sgs

    @patch(B, "delete_load_balancer")
    def _(old, self, arn):
        lb = self.load_balancers.get(arn)
        if lb and lb.attrs.get("deletion_protection.enabled") == "true":
            raise E("OperationNotPermitted", f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled")
        return old(self, arn)


def _listeners():
    @patch(B, "create_listener")
    def _(old, self, load_balancer_arn, protocol, port, ssl_policy, certificate, actions, *a, **k):
        lb = self.load_balancers.get(load_balancer_arn)
        if lb and any(str(x.port) == str(port) for x in lb.listeners.values()):
            raise DuplicateListenerError()
        if protocol in ("HTTPS", "TLS") and not certificate:
            raise E("ValidationError", "A certificate must be specified for HTTPS listeners")
        refuse_second_user(self, load_balancer_arn, actions)
        return old(self, load_balancer_arn, protocol, port, ssl_policy, certificate, actions, *a, **k)

    @patch(B, "describe_target_groups")
    def _(old, self, *a, **k):
        for tg in self.target_groups.values():
            tg.load_balancer_arns = users(self, tg.arn)
        return old(self, *a, **k)


def _rules():
    @patch(B, "create_rule")
    def _(old, self, listener_arn, conditions, priority, actions, *a, **k):
        if not 1 <= int(priority) <= 50000:
            raise E("ValidationError", f"Priority '{priority}' must be between 1 and 50000")
        if not conditions:
            raise E("ValidationError", "A condition must be specified")
        n = sum(len(c.get("Values") or next((v.get("Values", []) for f, v in c.items() if f.endswith("Config")), [])) for c in conditions)
        if n > 5:
            raise E("ValidationError", "Rules cannot have more than 5 condition values")
        listener = self.describe_listeners(None, [listener_arn])[0]
        if sum(1 for r in listener.rules.values() if not r.is_default) >= MAX_RULES:
            raise E("TooManyRules", "The maximum number of rules has been reached on the load balancer")
        if not actions or actions[-1].get("Type") not in ("forward", "redirect", "fixed-response"):
            raise E("InvalidLoadBalancerAction", "The last action must be forward, redirect or fixed-response")
        return old(self, listener_arn, conditions, priority, actions, *a, **k)

    @patch(B, "delete_rule")
    def _(old, self, arn):
        for lb in self.load_balancers.values():
            for li in lb.listeners.values():
                if li._default_rule and arn in [r.arn for r in li.rules.values() if r.is_default]:
                    raise E("OperationNotPermitted", f"Default rule '{arn}' cannot be deleted")
        return old(self, arn)

    @patch(B, "set_rule_priorities")
    def _(_old, self, rule_priorities):
        want = {}
        for rp in rule_priorities:
            rule = self.describe_rules(listener_arn=None, rule_arns=[rp["RuleArn"]])[0]
            want[rp["RuleArn"]] = (rule, rp["Priority"])
        for rule, priority in want.values():
            listener = self.describe_listeners(None, [rule.listener_arn])[0]
            for other in listener.rules.values():
                if other.arn not in want and str(other.priority) == str(priority):
                    raise PriorityInUseError()
        for rule, priority in want.values():
            rule.priority = priority
        return [r for r, _ in want.values()]


def _tags():
    @patch(ELBV2Response, "describe_tags")
    def _(old, self):
        if len(self._get_param("ResourceArns", [])) > 20:
            raise E("ValidationError", "Cannot have more than 20 resources specified")
        return old(self)


def _security_groups():
    def user(self, group_id):
        """What keeps a security group from being deleted: a load balancer, a network interface, or another group's rule."""
        for lb in elbv2_backends[self.account_id][self.region_name].load_balancers.values():
            if group_id in (lb.security_groups or []):
                return lb.arn
        for eni in getattr(self, "enis", {}).values():
            if any(g.id == group_id for g in eni.group_set):
                return eni.id
        for g in (g for groups in self.groups.values() for g in groups.values() if g.id != group_id):
            for r in list(g.ingress_rules) + list(g.egress_rules):
                if (getattr(r, "source_group", None) or {}).get("GroupId") == group_id:
                    return g.id
        return None

    @patch(SecurityGroupBackend, "delete_security_group")
    def _(old, self, name=None, group_id=None):
        if group_id and user(self, group_id):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        return old(self, name, group_id)


def _waf():
    @patch(WAFV2Backend, "associate_web_acl")
    def _(old, self, acl, resource):
        # a load balancer has one web ACL; another takes its place
        if acl in self.wacls:
            self.disassociate_web_acl(resource)
        return old(self, acl, resource)


def _shield():
    def get_subscription_state(self):
        sub = getattr(self.shield_backend, "subscription", None)
        return json.dumps({"SubscriptionState": "ACTIVE" if sub else "INACTIVE"})
    ShieldResponse.get_subscription_state = get_subscription_state

    @patch(ShieldResponse, "describe_subscription")
    def _(old, self):
        # moto writes "22/11/2026, 08:25:34"; the Rust SDK takes only epoch seconds here
        d = json.loads(old(self))
        for k in ("StartTime", "EndTime"):
            v = d["Subscription"].get(k)
            if isinstance(v, str):
                d["Subscription"][k] = int(datetime.datetime.strptime(v, "%d/%m/%Y, %H:%M:%S").timestamp())
        return json.dumps(d)
