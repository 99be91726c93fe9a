"""Rules as AWS has them and moto doesn't: regular expressions in conditions, transforms, JWT validation, limits of conditions and actions."""
from moto.core.responses import ActionResult
from moto.elbv2 import models as m
from moto.elbv2.exceptions import RuleNotFoundError
from moto.elbv2.models import ELBv2Backend as B
from moto.elbv2.responses import ELBV2Response as R

from strict import E, patch

ONCE = ("host-header", "path-pattern", "http-request-method", "source-ip")
UNCHANGED = (("Protocol", "#{protocol}"), ("Port", "#{port}"), ("Host", "#{host}"), ("Path", "/#{path}"), ("Query", "#{query}"))


def install():
    m.ALLOWED_ACTIONS.append("jwt-validation")
    for name in ("_validate_host_header_condition", "_validate_path_pattern_condition", "_validate_http_header_condition"):
        _regex(name)
    _actions()
    _rules()


def _config(c):
    return next((v for f, v in c.items() if f.endswith("Config")), {}) or {}


def _values(c):
    cfg = _config(c)
    return c.get("Values") or c.get("RegexValues") or cfg.get("Values") or cfg.get("RegexValues") or []


def _regex(name):
    old = getattr(B, name)

    def validate(self, c):
        cfg = _config(c)
        regex = c.get("RegexValues") or cfg.get("RegexValues")
        if regex and not (c.get("Values") or cfg.get("Values")):
            return None
        if regex:
            raise E("ValidationError", "You cannot specify both Values and RegexValues")
        return old(self, c)
    setattr(B, name, validate)


def _limits(conditions):
    if sum(len(_values(c)) for c in conditions or []) > 5:
        raise E("ValidationError", "Rules cannot have more than 5 condition values")
    seen = [c.get("Field") for c in conditions or []]
    for f in ONCE:
        if seen.count(f) > 1:
            raise E("ValidationError", f"A rule can only have one '{f}' condition")
    for c in conditions or []:
        values = [str(v).lower() if c.get("Field") == "host-header" else str(v) for v in _values(c)]
        if len(values) != len(set(values)):
            raise E("ValidationError", "Condition values must be unique")


def _actions():
    @patch(B, "_validate_actions")
    def _(old, self, actions):
        for a in actions:
            if a.type == "forward":
                arns = self._get_target_group_arns_from(action_data=a.data)
                if not arns:
                    raise E("ValidationError", "A target group must be specified for a forward action")
                if len(arns) > 5:
                    raise E("TooManyTargetGroups", "The maximum number of target groups per action is 5")
            if a.type == "redirect":
                c = a.data.get("RedirectConfig") or {}
                if not any(c.get(k) and c[k] != d for k, d in UNCHANGED):
                    raise E("InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop")
        return old(self, [a for a in actions if a.type != "jwt-validation"])


def _rules():
    @patch(R, "create_rule")
    def _(old, self):
        p = self._get_params()
        _limits(p.get("Conditions"))
        out = old(self)
        out.result["Rules"][0].transforms = p.get("Transforms") or []
        return out

    @patch(R, "modify_rule")
    def _(_old, self):
        p = self._get_params()
        _limits(p.get("Conditions"))
        hit = self.elbv2_backend.describe_rules(listener_arn=None, rule_arns=[p["RuleArn"]])
        if not hit:
            raise RuleNotFoundError()
        rule = hit[0]
        if p.get("Conditions") or p.get("Actions"):
            self.elbv2_backend.modify_rule(rule_arn=p["RuleArn"], conditions=p.get("Conditions", []), actions=p.get("Actions", []))
        if p.get("ResetTransforms"):
            rule.transforms = []
        elif p.get("Transforms"):
            rule.transforms = p["Transforms"]
        return ActionResult({"Rules": [rule]})
