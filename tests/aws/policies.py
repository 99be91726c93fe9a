"""Who may do what: the IAM policies that callers of a region have, and whether these allow a call.

How AWS decides, and what a condition means: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and
reference_policies_elements_condition_operators.html.  The types of resources and the keys that AWS knows of an action are in authorization.json;
a key that AWS does not know of an action is not there, whatever a policy says of it.
"""
import json
import os
import re

from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends

import world

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "authorization.json"), encoding="utf-8") as facts:
    ACTIONS = json.load(facts)

# As policies name a service, where its model has another name.
PREFIXES = {"elbv2": "elasticloadbalancing"}
POLICIES = {}  # region -> documents
NEW = "0123456789abcdef"  # the id of what a call is about to make

# What AWS asks for in the caller's name while it carries out a call.
NEEDS = {
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html
    "elasticloadbalancing:CreateLoadBalancer": ["ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways",
                                                "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"],
    "elasticloadbalancing:CreateTargetGroup": ["ec2:DescribeInternetGateways", "ec2:DescribeVpcs"],
    "elasticloadbalancing:RegisterTargets": ["ec2:DescribeInstances", "ec2:DescribeInternetGateways", "ec2:DescribeSubnets", "ec2:DescribeVpcs"],
    "elasticloadbalancing:SetIpAddressType": ["ec2:DescribeSubnets"],
    "elasticloadbalancing:SetSubnets": ["ec2:DescribeSubnets"],
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awswafv2.html
    "wafv2:AssociateWebACL": ["elasticloadbalancing:SetWebAcl", "elasticloadbalancing:CreateWebACLAssociation"],
    "wafv2:DisassociateWebACL": ["elasticloadbalancing:SetWebAcl", "elasticloadbalancing:DeleteWebACLAssociation"],
    "wafv2:GetWebACLForResource": ["elasticloadbalancing:GetLoadBalancerWebACL", "wafv2:GetWebACL"],
    "waf-regional:AssociateWebACL": ["elasticloadbalancing:SetWebAcl"],
}
# What a call makes: where its ARN begins.
MAKES = {"CreateLoadBalancer": "loadbalancer", "CreateTargetGroup": "targetgroup", "CreateListener": "listener", "CreateRule": "listener-rule"}


def set_to(region, documents):
    POLICIES.pop(region, None)
    if documents:
        POLICIES[region] = documents


def region_of(call):
    """Shield has one region for all: there the caller's key id is the region."""
    return call.caller if call.service == "shield" else call.region


def denied(call, documents=None):
    """(action, resource) of what no statement allows; None where all is allowed, or nobody has set a policy."""
    documents = documents or POLICIES.get(region_of(call))
    if not documents or not call.operation:
        return None
    statements = [s for d in documents for s in _listed(d["Statement"])]
    params = call.params()
    for action, arn, context in _asked(call, params):
        if not _allows(statements, action, arn, context):
            return action, arn
    return None


# ------------------------------------------------------------------------------------------------- what a call asks for
def _asked(call, params):
    """(action, ARN, context) of everything that has to be allowed."""
    action = f"{PREFIXES.get(call.service, call.service)}:{call.operation}"
    if action == "sts:AssumeRole":
        yield action, params["RoleArn"], {}
        return
    tags = _tags_of_request(params)
    yield from _each(action, call, params, tags)
    for needed in NEEDS.get(action, []):
        yield from _each(needed, call, params, {})
    if tags and call.operation in MAKES:
        yield from _each("elasticloadbalancing:AddTags", call, params, tags, {"elasticloadbalancing:CreateAction": call.operation}, makes=True)
    if tags and action == "ec2:CreateSecurityGroup":
        yield from _each("ec2:CreateTags", call, params, tags, {"ec2:CreateAction": "CreateSecurityGroup"}, makes=True)
    for pool in sorted(set(_strings(params, "UserPoolArn"))):
        yield "cognito-idp:DescribeUserPoolClient", pool, {}


def _each(action, call, params, tags, more=None, makes=False):
    facts = ACTIONS.get(action, {"resources": [], "keys": []})
    arns = _made(call, params) if makes else [arn for arn in _named(call, params) if _type(arn) in facts["resources"]]
    for arn in arns or ["*"]:
        if not makes and not _is_there(arn):
            continue  # the call itself finds that it is not there
        context = {f"aws:RequestTag/{k}": v for k, v in tags.items()}
        keys = list(tags) or [k if isinstance(k, str) else k.get("Key") for k in params.get("TagKeys") or []]
        if action in ("ec2:CreateTags", "ec2:DeleteTags") and not tags:
            keys = [t["Key"] for t in params.get("Tags") or []]
        if keys:
            context["aws:TagKeys"] = keys
        if not makes:
            context.update({f"aws:ResourceTag/{k}": v for k, v in _tags_of_resource(arn).items()})
            vpc = _vpc(arn)
            if vpc:
                context["ec2:Vpc"] = vpc
        context.update(more or {})
        yield action, arn, {k: v for k, v in context.items() if any(_fits(known, k) for known in facts["keys"])}


def _named(call, params):
    """The ARNs of all that the request names, and of what EC2 and Elastic Load Balancing are about to make."""
    here = f"{call.region}:{world.ACCOUNT}:"
    for key in ("LoadBalancerArn", "ListenerArn", "RuleArn", "TargetGroupArn", "ResourceArn", "ResourceArns", "WebACLArn", "CertificateArn"):
        yield from _listed(params.get(key) or [])
    for moved in params.get("RulePriorities") or []:
        yield moved["RuleArn"]
    for group in [params.get("GroupId"), *(params.get("Resources") or [])]:
        if group and group.startswith("sg-"):
            yield f"arn:aws:ec2:{here}security-group/{group}"
    if call.service == "waf-regional" and params.get("WebACLId"):
        yield f"arn:aws:waf-regional:{here}webacl/{params['WebACLId']}"
    if call.operation == "CreateSecurityGroup":
        yield f"arn:aws:ec2:{here}vpc/{params['VpcId']}"
    if call.operation in ("CreateLoadBalancer", "CreateTargetGroup", "CreateSecurityGroup"):
        yield from _made(call, params)


def _made(call, params):
    here = f"{call.region}:{world.ACCOUNT}:"
    if call.operation == "CreateSecurityGroup":
        return [f"arn:aws:ec2:{here}security-group/sg-{NEW}"]
    kind = MAKES[call.operation]
    if kind == "loadbalancer":
        kind += "/net" if params.get("Type") == "network" else "/app"
    above = params.get("LoadBalancerArn") or params.get("ListenerArn")
    if above:
        return [f"arn:aws:elasticloadbalancing:{here}{kind}/{above.split('/', 1)[1]}/{NEW}"]
    return [f"arn:aws:elasticloadbalancing:{here}{kind}/{params['Name']}/{NEW}"]


def _type(arn):
    """`loadbalancer/app` of a load balancer's ARN, as authorization.json names it."""
    parts = arn.split(":", 5)
    service, kind = parts[2], parts[5].split("/")
    if service == "elasticloadbalancing" and kind[0] in ("loadbalancer", "listener", "listener-rule"):
        return "/".join(kind[:2])
    return "webacl" if "webacl" in kind[:2] else kind[0]


def _tags_of_request(params):
    """Of requests that set tags: Tags, or TagSpecifications of EC2.  Those that remove tags name keys alone."""
    tags = list(params.get("Tags") or [])
    for specification in params.get("TagSpecifications") or []:
        tags += specification.get("Tags") or []
    return {t["Key"]: t["Value"] for t in tags if t.get("Value") is not None}


def _tags_of_resource(arn):
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return {}
    if parts[2] == "elasticloadbalancing":
        return elbv2_backends[world.ACCOUNT][parts[3]].tagging_service.get_tag_dict_for_resource(arn)
    if _type(arn) == "security-group":
        group = ec2_backends[world.ACCOUNT][parts[3]].get_security_group_from_id(parts[5].split("/")[1])
        return {t["key"]: t["value"] for t in group.get_tags()} if group else {}
    return {}


def _is_there(arn):
    """Of what this emulator can look up."""
    parts = arn.split(":", 5)
    if arn == "*" or arn.rpartition("/")[2] in (NEW, f"sg-{NEW}"):
        return True
    if parts[2] == "elasticloadbalancing":
        backend = elbv2_backends[world.ACCOUNT][parts[3]]
        balancers = backend.load_balancers.values()
        listeners = {arn: one for lb in balancers for arn, one in lb.listeners.items()}
        return {"loadbalancer": lambda: arn in backend.load_balancers, "targetgroup": lambda: arn in backend.target_groups,
                "listener": lambda: arn in listeners, "listener-rule": lambda: any(arn in one.rules for one in listeners.values()),
                }[parts[5].split("/")[0]]()
    if _type(arn) == "security-group":
        return ec2_backends[world.ACCOUNT][parts[3]].get_security_group_from_id(parts[5].split("/")[1]) is not None
    return True


def _vpc(arn):
    if arn == "*" or _type(arn) != "security-group":
        return None
    region, ident = arn.split(":")[3], arn.rpartition("/")[2]
    group = ec2_backends[world.ACCOUNT][region].get_security_group_from_id(ident)
    return f"arn:aws:ec2:{region}:{world.ACCOUNT}:vpc/{group.vpc_id}" if group else None


def _strings(value, key):
    if isinstance(value, dict):
        for k, v in value.items():
            if k == key and isinstance(v, str):
                yield v
            yield from _strings(v, key)
    elif isinstance(value, list):
        for v in value:
            yield from _strings(v, key)


# ------------------------------------------------------------------------------------------------- what policies say
def _allows(statements, action, arn, context):
    """A statement that denies wins; otherwise one has to allow."""
    hits = {s["Effect"] for s in statements if _applies(s, action, arn, context)}
    return "Allow" in hits and "Deny" not in hits


def _applies(s, action, arn, context):
    unknown = set(s) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown:
        raise ValueError(f"elements of a statement that are not evaluated here: {sorted(unknown)}")
    return (any(_fits(pattern.lower(), action.lower()) for pattern in _listed(s["Action"]))
            and any(_fits(pattern, arn) for pattern in _listed(s["Resource"]))
            and all(_meets(operator, key, _listed(values), context)
                    for operator, tests in (s.get("Condition") or {}).items() for key, values in tests.items()))


def _meets(operator, key, wanted, context):
    if operator == "Null":
        return (str(wanted[0]).lower() == "true") == (key not in context)
    quantifier, _, test = operator.rpartition(":")
    if test not in TESTS or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise ValueError(f"the operator {operator} is not evaluated here")
    is_negated, fits = TESTS[test]
    given = _listed(context.get(key, []))
    results = [any(fits(pattern, value) for pattern in wanted) != is_negated for value in given]
    if quantifier == "ForAllValues":
        return all(results)
    if quantifier == "ForAnyValue":
        return any(results)
    return results[0] if results else is_negated


def _fits(pattern, text):
    """`*` is any characters, `?` is one."""
    return re.fullmatch("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern), text, re.S) is not None


def _arn_fits(pattern, arn):
    """Part by part: a `*` does not reach over a colon."""
    pattern, arn = pattern.split(":", 5), arn.split(":", 5)
    return len(pattern) == len(arn) and all(_fits(p, a) for p, a in zip(pattern, arn))


# operator -> whether it is met where nothing fits, and what fits
TESTS = {
    "StringEquals": (False, lambda pattern, text: pattern == text), "StringNotEquals": (True, lambda pattern, text: pattern == text),
    "StringLike": (False, _fits), "StringNotLike": (True, _fits), "ArnLike": (False, _arn_fits), "ArnEquals": (False, _arn_fits),
}


def _listed(value):
    return value if isinstance(value, list) else [value]
