"""Combinations and values that AWS refuses and moto takes: sticky targets behind a forward that is not sticky, hosts, values of attributes.

Sources: <https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/2734> for the words of stickiness, and of the API reference
API_HostHeaderConditionConfig, API_LoadBalancerAttribute and API_TargetGroupAttribute.
"""
import re

from moto.elbv2.models import ELBv2Backend as B
from moto.elbv2.responses import ELBV2Response as R

from strict import E, patch

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


def install():
    _stickiness()
    _hosts()
    _attributes()


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
        _check_values(self._get_params().get("Attributes") or [])
        return old(self)
