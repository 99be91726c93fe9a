"""Combinations and values that AWS refuses and moto takes: sticky targets behind a forward that is not sticky, hosts, values of attributes,
versions of HTTP behind HTTP listeners, public addresses of internal load balancers, too many security groups.

Sources: <https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/2734> for the words of stickiness, and
<https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/4497> for those of versions; <https://github.com/boto/boto3/issues/177> for security
groups; <https://github.com/terraform-aws-modules/terraform-aws-alb/issues/242> for the cookie; of the API reference API_HostHeaderConditionConfig,
API_LoadBalancerAttribute and API_TargetGroupAttribute. What AWS says of addresses is not known; the guide says that only internet-facing ones have them.
"""
import re

from moto.elbv2.models import ELBv2Backend as B
from moto.elbv2.responses import ELBV2Response as R

from strict import E, patch, target_groups_in

BOOL = ("true", "false")
WEEK = 604_800
# key -> the values: words, or (least, most), or both
VALUES = {
    "access_logs.s3.enabled": BOOL, "connection_logs.s3.enabled": BOOL, "health_check_logs.s3.enabled": BOOL, "deletion_protection.enabled": BOOL,
    "routing.http2.enabled": BOOL, "routing.http.drop_invalid_header_fields.enabled": BOOL, "routing.http.preserve_host_header.enabled": BOOL,
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": BOOL, "routing.http.xff_client_port.enabled": BOOL, "waf.fail_open.enabled": BOOL,
    "zonal_shift.config.enabled": BOOL, "idle_timeout.timeout_seconds": ((1, 4000),), "client_keep_alive.seconds": ((60, WEEK),),
    "routing.http.desync_mitigation_mode": ("monitor", "defensive", "strictest"),
    "routing.http.xff_header_processing.mode": ("append", "preserve", "remove"),
    "deregistration_delay.timeout_seconds": ((0, 3600),), "stickiness.enabled": BOOL, "slow_start.duration_seconds": ((0, 0), (30, 900)),
    "stickiness.lb_cookie.duration_seconds": ((1, WEEK),), "stickiness.app_cookie.duration_seconds": ((1, WEEK),),
    "load_balancing.algorithm.anomaly_mitigation": ("on", "off"),
    "load_balancing.algorithm.type": ("round_robin", "least_outstanding_requests", "weighted_random"),
    "load_balancing.cross_zone.enabled": (*BOOL, "use_load_balancer_configuration")}
LOGS = ("access_logs", "connection_logs", "health_check_logs")


MOST_SECURITY_GROUPS = 5  # of a network interface


def install():
    _stickiness()
    _hosts()
    _attributes()
    _versions()
    _addresses()
    _security_groups()


# ------------------------------------------------------------------------------------------------- stickiness
def _sticky(backend, arn):
    tg = backend.target_groups.get(arn)
    return tg is not None and tg.attributes.get("stickiness.enabled") == "true"


def _shared(actions):
    """Target groups of each forward that shares requests among several and is not sticky itself."""
    for action in actions or []:
        data = getattr(action, "data", action)
        config = data.get("ForwardConfig") or {}
        # Whether one of weight 0 counts is not documented; here it does not.
        groups = [g["TargetGroupArn"] for g in config.get("TargetGroups") or [] if str(g.get("Weight", 1)) != "0"]
        enabled = str((config.get("TargetGroupStickinessConfig") or {}).get("Enabled", "false")).lower()
        if len(groups) > 1 and enabled != "true":
            yield groups


def _stickiness():
    for name in ("create_listener", "modify_listener", "create_rule", "modify_rule"):
        @patch(R, name)
        def _(old, self):
            p = self._get_params()
            for groups in _shared((p.get("Actions") or []) + (p.get("DefaultActions") or [])):
                if any(_sticky(self.elbv2_backend, arn) for arn in groups):
                    raise E("InvalidLoadBalancerAction", "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups")
            return old(self)

    @patch(R, "modify_target_group_attributes")
    def _(old, self):
        p = self._get_params()
        if any(a["Key"] == "stickiness.enabled" and a.get("Value") == "true" for a in p.get("Attributes") or []):
            for lb in self.elbv2_backend.load_balancers.values():
                for li in lb.listeners.values():
                    of = [(li.arn, li.default_actions)] + [(r.arn, r.actions) for r in li.rules.values()]
                    for arn, actions in of:
                        if any(p["TargetGroupArn"] in groups for groups in _shared(actions)):
                            raise E("InvalidConfigurationRequest", f"This target group appears behind a rule with group stickiness disabled ({arn}). You must enable group stickiness before enabling target stickiness")
        return old(self)


# ------------------------------------------------------------------------------------------------- hosts
def _host(value):
    """At least one dot, letters alone after the last one (or a wildcard, which is not documented), up to 128 characters."""
    return len(value) <= 128 and re.fullmatch(r"[A-Za-z0-9.*?-]*\.[A-Za-z*?]+", value)


def _hosts():
    @patch(B, "_validate_host_header_condition")
    def _(old, self, c):
        values = c.get("Values") or (c.get("HostHeaderConfig") or {}).get("Values") or []
        for value in values:
            if not _host(str(value)):
                raise E("ValidationError", f"Condition value '{value}' contains a character that is not valid")
        return old(self, c)


# ------------------------------------------------------------------------------------------------- attributes
def _takes(value, allowed):
    return any(value == one if isinstance(one, str) else re.fullmatch(r"\d+", value) and one[0] <= int(value) <= one[1] for one in allowed)


def _check_values(attributes):
    for a in attributes:
        key, value = a["Key"], str(a.get("Value", ""))
        if key in VALUES and not _takes(value, VALUES[key]):
            raise E("ValidationError", f"Attribute value '{value}' of '{key}' is not valid; it has to be one of {VALUES[key]}")


def _attributes():
    @patch(R, "modify_load_balancer_attributes")
    def _(old, self):
        p = self._get_params()
        given = {a["Key"]: str(a.get("Value", "")) for a in p.get("Attributes") or []}
        _check_values(p.get("Attributes") or [])
        lb = self.elbv2_backend.load_balancers.get(p.get("LoadBalancerArn"))
        for logs in LOGS:
            bucket = given.get(f"{logs}.s3.bucket", (lb.attrs.get(f"{logs}.s3.bucket") if lb else "") or "")
            if given.get(f"{logs}.s3.enabled") == "true" and not bucket:
                raise E("InvalidConfigurationRequest", f"{logs}.s3.bucket must be specified when {logs}.s3.enabled is true")
        return old(self)

    @patch(R, "modify_target_group_attributes")
    def _(old, self):
        p = self._get_params()
        given = {a["Key"]: str(a.get("Value", "")) for a in p.get("Attributes") or []}
        _check_values(p.get("Attributes") or [])
        tg = self.elbv2_backend.target_groups.get(p.get("TargetGroupArn"))
        has = {**(tg.attributes if tg else {}), **given}
        if (has.get("stickiness.enabled"), has.get("stickiness.type")) == ("true", "app_cookie") and not has.get("stickiness.app_cookie.cookie_name"):
            raise E("InvalidConfigurationRequest", "You must set an application cookie name to enable stickiness of type 'app_cookie'")
        return old(self)


# ------------------------------------------------------------------------------------------------- versions of HTTP
# While a recorded world is made again: the emulator of the recordings did not refuse such rules.
thawing = False


def _versions():
    def check(backend, protocol, actions):
        for arn in target_groups_in(actions):
            tg = backend.target_groups.get(arn)
            version = getattr(tg, "protocol_version", None) or "HTTP1"
            if protocol == "HTTP" and version != "HTTP1" and not thawing:
                raise E("InvalidLoadBalancerAction", f"Listener protocol 'HTTP' is not supported with a target group with the protocol-version '{version}'")

    for name in ("create_listener", "modify_listener", "create_rule", "modify_rule"):
        @patch(R, name)
        def _(old, self):
            p, backend = self._get_params(), self.elbv2_backend
            listeners = [li for lb in backend.load_balancers.values() for li in lb.listeners.values()]
            hit = next((li for li in listeners if li.arn == p.get("ListenerArn") or p.get("RuleArn") in li.rules), None)
            check(backend, p.get("Protocol") or (hit.protocol if hit else None), (p.get("Actions") or []) + (p.get("DefaultActions") or []))
            return old(self)


# ------------------------------------------------------------------------------------------------- load balancers
def _addresses():
    def check(scheme, kind, pools):
        if scheme == "internal" and kind == "dualstack-without-public-ipv4":
            raise E("InvalidConfigurationRequest", "IP address type 'dualstack-without-public-ipv4' is for internet-facing load balancers only")
        if scheme == "internal" and pools:
            raise E("InvalidConfigurationRequest", "IPAM pools are for internet-facing load balancers only")

    @patch(R, "create_load_balancer")
    def _(old, self):
        p = self._get_params()
        check(p.get("Scheme"), p.get("IpAddressType"), p.get("IpamPools"))
        return old(self)

    for name in ("set_ip_address_type", "modify_ip_pools"):
        @patch(R, name)
        def _(old, self):
            p = self._get_params()
            lb = self.elbv2_backend.load_balancers.get(p.get("LoadBalancerArn"))
            check(lb.scheme if lb else None, p.get("IpAddressType"), p.get("IpamPools"))
            return old(self)


def _security_groups():
    for name in ("create_load_balancer", "set_security_groups"):
        @patch(R, name)
        def _(old, self):
            if len(self._get_params().get("SecurityGroups") or []) > MOST_SECURITY_GROUPS:
                raise E("InvalidConfigurationRequest", "The maximum number of security groups per load balancer has been reached")
            return old(self)
