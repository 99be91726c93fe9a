"""What a region holds, read the way any client reads it: by describing it, through the same API as everybody."""
import botocore.parsers
import botocore.serialize
from werkzeug.test import EnvironBuilder

import model
import world

SIGNED_AS = {"elbv2": "elasticloadbalancing"}


class Asked(Exception):
    """A call was only looked at."""


class Reader:
    """call(environ, body) -> (status, headers, body) is the application under the control API."""

    def __init__(self, app, region):
        self.app, self.region = app, region

    def __call__(self, name, operation, **params):
        service = model.service(name)
        op = service.operation_model(operation)
        protocol = service.resolved_protocol
        request = botocore.serialize.create_serializer(protocol, include_validation=False).serialize_to_request(params, op)
        body = request["body"]
        if isinstance(body, dict):
            builder = EnvironBuilder(method="POST", path="/", base_url="http://127.0.0.1", data=body, headers=self._signature(name))
        else:
            builder = EnvironBuilder(method="POST", path="/", base_url="http://127.0.0.1", data=body, headers={
                **{k: str(v) for k, v in request["headers"].items()}, **self._signature(name)})
        status, headers, answer = self.app(builder.get_environ())
        code = int(status.split()[0])
        out = botocore.parsers.create_parser(protocol).parse({"status_code": code, "headers": dict(headers), "body": answer}, op.output_shape)
        if code >= 400:
            raise LookupError(f"{operation}: {out.get('Error', {}).get('Code')}: {out.get('Error', {}).get('Message')}")
        out.pop("ResponseMetadata", None)
        return out

    def _signature(self, name):
        scope = f"{self.region}/{SIGNED_AS.get(name, name)}/aws4_request"
        return {"Authorization": f"AWS4-HMAC-SHA256 Credential=reader/20260101/{scope}, SignedHeaders=host, Signature=0"}

    def pages(self, operation, key, **params):
        out, marker = [], {}
        while True:
            answer = self("elbv2", operation, **params, **marker)
            out += answer.get(key) or []
            if not answer.get("NextMarker"):
                return out
            marker = {"Marker": answer["NextMarker"]}


def state(app, region):
    """Load balancers with their listeners and rules, target groups with their targets' health, security groups."""
    read = Reader(app, region)
    balancers = read.pages("DescribeLoadBalancers", "LoadBalancers")
    groups = read.pages("DescribeTargetGroups", "TargetGroups")
    for lb in balancers:
        _load_balancer(read, lb)
    for tg in groups:
        arn = tg["TargetGroupArn"]
        tg["Attributes"] = _pairs(read("elbv2", "DescribeTargetGroupAttributes", TargetGroupArn=arn)["Attributes"])
        tg["Targets"] = read("elbv2", "DescribeTargetHealth", TargetGroupArn=arn).get("TargetHealthDescriptions", [])
    _tags(read, balancers, groups)
    security = read("ec2", "DescribeSecurityGroups").get("SecurityGroups", [])
    for g in security:
        g["Tags"] = _pairs(g.get("Tags") or [])
    return {"loadBalancers": balancers, "targetGroups": groups, "securityGroups": security}


def _pairs(items):
    return {i["Key"]: i.get("Value", "") for i in items}


def _load_balancer(read, lb):
    arn = lb["LoadBalancerArn"]
    lb["Attributes"] = _pairs(read("elbv2", "DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"])
    lb["Listeners"] = read.pages("DescribeListeners", "Listeners", LoadBalancerArn=arn)
    for li in lb["Listeners"]:
        at = {"ListenerArn": li["ListenerArn"]}
        li["Attributes"] = _pairs(read("elbv2", "DescribeListenerAttributes", **at).get("Attributes") or [])
        if li["Protocol"] in ("HTTPS", "TLS"):
            li["AllCertificates"] = read("elbv2", "DescribeListenerCertificates", **at).get("Certificates", [])
        li["Rules"] = sorted(read.pages("DescribeRules", "Rules", **at), key=lambda r: (r["IsDefault"], int(r["Priority"]) if r["Priority"].isdigit() else 0))
    if lb["Type"] == "application":
        acl = read("wafv2", "GetWebACLForResource", ResourceArn=arn).get("WebACL") or {}
        lb["WebAcl"] = acl.get("ARN")
        lb["ClassicWebAcl"] = world.WAF_CLASSIC.get(arn)
        lb["Capacity"] = (read("elbv2", "DescribeCapacityReservation", LoadBalancerArn=arn).get("MinimumLoadBalancerCapacity") or {}).get("CapacityUnits")
    protections = read("shield", "ListProtections").get("Protections") or []
    lb["ShieldProtection"] = next((p["Name"] for p in protections if p["ResourceArn"] == arn), None)


def _tags(read, balancers, groups):
    owners = {lb["LoadBalancerArn"]: lb for lb in balancers} | {tg["TargetGroupArn"]: tg for tg in groups}
    for li in (li for lb in balancers for li in lb["Listeners"]):
        owners[li["ListenerArn"]] = li
        owners.update({r["RuleArn"]: r for r in li["Rules"] if not r["IsDefault"]})
    arns = list(owners)
    for i in range(0, len(arns), 20):
        for d in read("elbv2", "DescribeTags", ResourceArns=arns[i:i + 20])["TagDescriptions"]:
            owners[d["ResourceArn"]]["Tags"] = _pairs(d.get("Tags") or [])
