"""The constraints written in AWS's own service model: required members, enums, smallest and largest values."""
import botocore.session
from moto.elbv2.responses import ELBV2Response as R

from strict import E

_session = botocore.session.get_session()
_models = {}
# A listener's protocols depend on the load balancer's type; moto checks those itself.
NOT_CHECKED = {"ProtocolEnum"}
CHECKED = ("create_load_balancer", "create_target_group", "modify_target_group", "create_listener", "modify_listener", "create_rule",
           "modify_rule", "add_tags", "set_ip_address_type", "register_targets")


def service(name):
    if name not in _models:
        _models[name] = _session.get_service_model(name)
    return _models[name]


def violations(shape, v, path):
    t, kind = shape.metadata, shape.type_name
    if kind == "structure" and isinstance(v, dict):
        for k in shape.required_members:
            if v.get(k) is None:
                yield f"Value null at '{_join(path, k)}' failed to satisfy constraint: Member must not be null"
        for k, x in v.items():
            if k in shape.members and x is not None:
                yield from violations(shape.members[k], x, _join(path, k))
    elif kind == "list" and isinstance(v, list):
        for i, x in enumerate(v):
            yield from violations(shape.member, x, f"{path}.{i + 1}.member")
    elif kind == "string":
        if getattr(shape, "enum", None) and v not in shape.enum and shape.name not in NOT_CHECKED:
            yield f"Value '{v}' at '{path}' failed to satisfy constraint: Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        if "max" in t and len(str(v)) > t["max"]:
            yield f"Value '{v}' at '{path}' failed to satisfy constraint: Member must have length less than or equal to {t['max']}"
    elif kind in ("integer", "long"):
        yield from _range(t, v, path)


def _join(path, member):
    member = member[0].lower() + member[1:]
    return f"{path}.{member}" if path else member


def _range(t, v, path):
    try:
        n = int(v)
    except (TypeError, ValueError):
        return
    if "min" in t and n < t["min"]:
        yield f"Value '{n}' at '{path}' failed to satisfy constraint: Member must have value greater than or equal to {t['min']}"
    if "max" in t and n > t["max"]:
        yield f"Value '{n}' at '{path}' failed to satisfy constraint: Member must have value less than or equal to {t['max']}"


def _validated(name):
    old = getattr(R, name)
    shape = service("elbv2").operation_model("".join(p.capitalize() for p in name.split("_"))).input_shape

    def call(self):
        bad = list(violations(shape, self._get_params(), ""))
        if bad:
            raise E("ValidationError", f"{len(bad)} validation error{'s' * (len(bad) > 1)} detected: " + "; ".join(bad))
        return old(self)
    setattr(R, name, call)


def install():
    for name in CHECKED:
        _validated(name)
