"""Load balancers and target groups as AWS has them and moto doesn't: attributes, matchers, capacity, address pools, trust stores, tags, IPv6."""
import re

import moto.ec2.models.subnets as m_subnets
from moto.core.responses import ActionResult
from moto.elbv2.exceptions import LoadBalancerNotFoundError, TargetGroupNotFoundError
from moto.elbv2.models import ELBv2Backend as B, FakeLoadBalancer
from moto.elbv2.responses import ELBV2Response as R

import quotas
import world
from strict import E, patch

LB_ATTRIBUTES = FakeLoadBalancer.VALID_ATTRS | {
    "health_check_logs.s3.bucket", "health_check_logs.s3.prefix", "routing.http.request_header_size", "target_optimizer"}
TG_ATTRIBUTES = {
    "deregistration_delay.timeout_seconds", "stickiness.enabled", "stickiness.type", "load_balancing.algorithm.type",
    "load_balancing.algorithm.anomaly_mitigation", "load_balancing.cross_zone.enabled", "slow_start.duration_seconds",
    "stickiness.app_cookie.cookie_name", "stickiness.app_cookie.duration_seconds", "stickiness.lb_cookie.duration_seconds",
    "target_group_health.dns_failover.minimum_healthy_targets.count", "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
    "deregistration_delay.connection_termination.enabled", "preserve_client_ip.enabled", "proxy_protocol_v2.enabled",
    "target_health_state.unhealthy.connection_termination.enabled", "target_health_state.unhealthy.draining_interval_seconds"}


def install():
    FakeLoadBalancer.VALID_ATTRS = LB_ATTRIBUTES
    _known_attributes("modify_load_balancer_attributes", "Load balancer", LB_ATTRIBUTES)
    _known_attributes("modify_target_group_attributes", "Target group", TG_ATTRIBUTES)
    _target_groups()
    _load_balancers()
    for f in (modify_ip_pools, modify_capacity_reservation, describe_capacity_reservation, describe_trust_stores):
        setattr(R, f.__name__, f)
    B.add_tags = _add_tags
    # moto nests the state of an IPv6 association one level too deep
    m_subnets.Subnet.ipv6_cidr_block_association_set = property(lambda self: [
        {"associationId": a["associationId"], "ipv6CidrBlock": a["ipv6CidrBlock"], "ipv6CidrBlockState": {"state": "associated"}}
        for a in self.ipv6_cidr_block_associations.values() if a["ipv6CidrBlockState"]["State"] == "associated"])


def _known_attributes(method, what, known):
    @patch(R, method)
    def _(old, self):
        for a in self._get_param("Attributes", []):
            if a["Key"] not in known:
                raise E("ValidationError", f"{what} attribute key '{a['Key']}' is not recognized")
        return old(self)


# ------------------------------------------------------------------------------------------------- target groups
def _check_health_check(p):
    matcher, port = p.get("Matcher") or {}, p.get("HealthCheckPort")
    for key, low, high in (("HttpCode", 200, 499), ("GrpcCode", 0, 99)):
        if key in matcher and not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", matcher[key] or ""):
            raise E("ValidationError", f"Health check matcher '{matcher[key]}' is not valid")
        for n in re.findall(r"\d+", matcher.get(key) or ""):
            if not low <= int(n) <= high:
                raise E("ValidationError", f"Health check matcher {key} '{n}' must be within {low}-{high} inclusive")
    if port and not (port == "traffic-port" or re.fullmatch(r"\d+", port) and 1 <= int(port) <= 65535):
        raise E("ValidationError", f"Health check port '{port}' must be 'traffic-port' or in the range 1-65535")


def _target_groups():
    @patch(R, "create_target_group")
    def _(old, self):
        p = self._get_params()
        if p.get("TargetType", "instance") == "instance" and p.get("TargetControlPort"):
            raise E("ValidationError", "TargetControlPort is not supported for instance targets")
        if str(p.get("HealthCheckPath", "/"))[:1] != "/":
            raise E("ValidationError", f"Health check path '{p['HealthCheckPath']}' must begin with a '/' character")
        if p.get("HealthCheckProtocol") in ("TCP", "GENEVE", "UDP") and p.get("Protocol") in ("HTTP", "HTTPS"):
            raise E("ValidationError", f"Health check protocol '{p['HealthCheckProtocol']}' is not supported for this target group")
        _check_health_check(p)
        out = old(self)
        out.result["TargetGroups"][0].target_control_port = p.get("TargetControlPort")
        return out

    @patch(R, "modify_target_group")
    def _(old, self):
        p = self._get_params()
        _check_health_check(p)
        tg = self.elbv2_backend.target_groups.get(p["TargetGroupArn"])
        if tg is None:
            raise TargetGroupNotFoundError()
        interval = p.get("HealthCheckIntervalSeconds") or tg.health_check_interval_seconds
        timeout = p.get("HealthCheckTimeoutSeconds") or tg.health_check_timeout_seconds
        if tg.protocol in ("HTTP", "HTTPS") and int(timeout) >= int(interval):  # an NLB's may be equal: 10 s each is what people use
            raise E("ValidationError", f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'")
        out = old(self)
        if p.get("Matcher"):
            tg.matcher = dict(p["Matcher"])
        return out


# ------------------------------------------------------------------------------------------------- load balancers
def _load_balancers():
    @patch(B, "create_load_balancer")
    def _(old, self, **k):
        kind = k.get("ip_address_type")
        if kind != "dualstack-without-public-ipv4":
            return old(self, **k)
        lb = old(self, **{**k, "ip_address_type": "dualstack"})
        lb.ip_address_type = kind
        return lb

    @patch(R, "create_load_balancer")
    def _(old, self):
        p = self._get_params()
        n = p.get("Name") or ""
        if not re.fullmatch(r"[A-Za-z0-9-]+", n) or n.startswith("-") or n.endswith("-"):
            raise E("ValidationError", f"Load balancer name '{n}' can only contain characters that are alphanumeric characters or hyphens(-) and cannot begin or end with a hyphen")
        if n.startswith("internal-"):
            raise E("ValidationError", f"Load balancer name '{n}' cannot begin with 'internal-'")
        out = old(self)
        lb = out.result["LoadBalancers"][0]
        lb.ipam_pools, lb.customer_owned_ipv4_pool = p.get("IpamPools"), p.get("CustomerOwnedIpv4Pool")
        if lb.type == "network":
            lb.enable_prefix_for_ipv6_source_nat = p.get("EnablePrefixForIpv6SourceNat") or "off"
        return out

    @patch(R, "set_subnets")
    def _(old, self):
        out, p = old(self), self._get_params()
        if p.get("EnablePrefixForIpv6SourceNat"):
            _load_balancer(self, p["LoadBalancerArn"]).enable_prefix_for_ipv6_source_nat = p["EnablePrefixForIpv6SourceNat"]
        return out

    @patch(B, "set_ip_address_type")
    def _(old, self, arn, ip_type):
        if ip_type == "dualstack-without-public-ipv4" and arn in self.load_balancers:
            self.load_balancers[arn].ip_address_type = ip_type
            return None
        return old(self, arn, ip_type)


def _load_balancer(self, arn):
    lb = self.elbv2_backend.load_balancers.get(arn)
    if lb is None:
        raise LoadBalancerNotFoundError()
    return lb


def modify_ip_pools(self):
    p = self._get_params()
    lb = _load_balancer(self, p["LoadBalancerArn"])
    if p.get("IpamPools"):
        lb.ipam_pools = p["IpamPools"]
    elif "ipv4" in (p.get("RemoveIpamPools") or []):
        lb.ipam_pools = None
    return ActionResult({"IpamPools": lb.ipam_pools})


def modify_capacity_reservation(self):
    p = self._get_params()
    arn = _load_balancer(self, p["LoadBalancerArn"]).arn
    if p.get("ResetCapacityReservation"):
        world.CAPACITY.pop(arn, None)
    else:
        world.CAPACITY[arn] = (p.get("MinimumLoadBalancerCapacity") or {}).get("CapacityUnits")
    return describe_capacity_reservation(self)


def describe_capacity_reservation(self):
    units, out = world.CAPACITY.get(self._get_params()["LoadBalancerArn"]), {"DecreaseRequestsRemaining": 5}
    if units is not None:
        zone = world.zones_of(self.region)[0]
        out["MinimumLoadBalancerCapacity"] = {"CapacityUnits": units}
        out["CapacityReservationState"] = [{"AvailabilityZone": zone, "State": {"Code": "provisioned"}, "EffectiveCapacityUnits": 0}]
    return ActionResult(out)


def describe_trust_stores(self):
    p, known = self._get_params(), world.TRUST_STORES.get(self.region, {})
    missing = [n for n in p.get("Names") or [] if n not in known]
    if missing:
        raise E("TrustStoreNotFound", f"One or more trust stores not found: {missing}")
    stores = [{"Name": n, "TrustStoreArn": a, "Status": "ACTIVE"} for n, a in known.items()
              if n in (p.get("Names") or known) and a in (p.get("TrustStoreArns") or known.values())]
    return ActionResult({"TrustStores": stores})


def _add_tags(self, resource_arns, tags):
    """50 a resource unless the control API says otherwise, as in AWS (moto: 10)."""
    new = self.tagging_service.flatten_tag_list(tags)
    for arn in resource_arns:
        self._get_resource_by_arn(arn)
        if len({**self.tagging_service.get_tag_dict_for_resource(arn), **new}) > quotas.most(self.region_name, "tags"):
            raise E("TooManyTags", "The maximum number of tags has been reached")
        self.tagging_service.tag_resource(arn, tags)
