"""Load balancers as targets of others, which moto takes for addresses: what AWS refuses of target groups of type `alb` and of what they hold.

https://docs.aws.amazon.com/elasticloadbalancing/latest/network/application-load-balancer-target.html
"""
from moto.elbv2.models import ELBv2Backend as B

from strict import E, patch, target_groups_in


def _holders(backend, arn, port=None):
    """Target groups that have a load balancer as their target, at one port of its or at any."""
    return [tg for tg in backend.target_groups.values() if tg.target_type == "alb"
            and any(t == arn and port in (None, p) for t, p in tg.targets)]


def _check(backend, tg, targets):
    for t in targets:
        lb, port = backend.load_balancers.get(t["Id"]), int(t.get("Port") or tg.port)
        if lb is None or lb.type != "application" or lb.vpc_id != tg.vpc_id:
            raise E("InvalidTarget", f"The following targets are not Application Load Balancers of the target group's VPC: '{t['Id']}'")
        lb.activate()  # if it is time
        if lb.state != "active":
            raise E("InvalidTarget", f"The following targets are not in an active state and cannot be registered: '{t['Id']}'")
        if not any(int(li.port) == port for li in lb.listeners.values()):
            raise E("ValidationError", "If the target type is ALB, the target must have at least one listener that matches the target group port "
                                       "or any specified port overrides")
    if len(set(tg.targets) | {(t["Id"], int(t.get("Port") or tg.port)) for t in targets}) > 1:
        raise E("TooManyTargets", f"Target group '{tg.arn}' can have one Application Load Balancer as its target")


def install():
    @patch(B, "register_targets")
    def _(old, self, target_group_arn, instances):
        tg = self.target_groups.get(target_group_arn)
        if tg is not None and tg.target_type == "alb":
            _check(self, tg, instances)
        return old(self, target_group_arn, instances)

    @patch(B, "delete_listener")
    def _(old, self, listener_arn):
        for lb in self.load_balancers.values():
            li = lb.listeners.get(listener_arn)
            if li is not None and _holders(self, lb.arn, int(li.port)):
                raise E("ResourceInUse", f"Listener port '{li.port}' is in use by registered target '{lb.arn}' and cannot be removed.")
        return old(self, listener_arn)

    @patch(B, "delete_load_balancer")
    def _(old, self, arn):
        held = _holders(self, arn)
        if held:
            raise E("ResourceInUse", f"Load balancer '{arn}' cannot be deleted because it is a registered target of '{held[0].arn}'")
        return old(self, arn)

    @patch(B, "modify_target_group_attributes")
    def _(old, self, target_group_arn, attributes):
        tg = self.target_groups.get(target_group_arn)
        if tg is not None and tg.target_type == "alb":
            raise E("InvalidConfigurationRequest", "The attributes of a target group with the target type 'alb' cannot be modified")
        return old(self, target_group_arn, attributes)

    @patch(B, "create_listener")
    def _(old, self, load_balancer_arn, protocol, port, ssl_policy, certificate, actions, *a, **k):
        lb = self.load_balancers.get(load_balancer_arn)
        if lb is not None and (lb.type, protocol) != ("network", "TCP"):
            for tg in _forwarded(self, actions):
                if tg.target_type == "alb":
                    raise E("InvalidConfigurationRequest", f"Target group '{tg.arn}' with the target type 'alb' can be used by TCP listeners of Network Load Balancers only")
        return old(self, load_balancer_arn, protocol, port, ssl_policy, certificate, actions, *a, **k)


def _forwarded(backend, actions):
    found = (backend.target_groups.get(arn) for arn in target_groups_in(actions))
    return [tg for tg in found if tg is not None]
