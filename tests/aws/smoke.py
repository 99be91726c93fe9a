#!/usr/bin/env python3
"""What AWS answers to the calls that Albedo makes, on a real account, beside what the emulator answers.

  smoke.py --list                                      what would be created; no call is made
  smoke.py --region=R --vpc=ID [--endpoint=URL]        asks, runs, cleans up, compares
           [--emulator=PORT]                           the emulator to compare with (default: one is started)
           [--yes-account=ID]                          does not ask if the account is this one

It makes what the 2048 example makes, then one of each kind of edit, and the questions that AWS does not document (README.md). All that it
makes is named albedo-smoke-… and goes at the end, also after an error. It costs what an Application Load Balancer costs for half an hour
and a web ACL for as long.
"""
import argparse
import datetime
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

NAME = "albedo-smoke"
TAGS = [{"Key": "albedo-smoke", "Value": "delete me"}]
PATIENCE = 600  # seconds that something may take to settle


class Run:
    """The steps against one account. `answers` has a row a step: its name, what was answered, seconds that it took to settle."""

    def __init__(self, region, vpc, endpoint=None):
        keys = {"aws_access_key_id": "smoke", "aws_secret_access_key": "smoke"} if endpoint else {}
        client = lambda service: boto3.client(service, region_name=region, endpoint_url=endpoint, **keys)  # noqa: E731
        self.elb, self.ec2, self.waf, self.acm, self.sts = map(client, ("elbv2", "ec2", "wafv2", "acm", "sts"))
        self.vpc, self.answers, self.undo = vpc, [], []

    def ask(self, step, call, settles=(), **params):
        """One call; codes in `settles` are tried again until something else is answered."""
        began = time.monotonic()
        while True:
            try:
                out, code = call(**params), "ok"
            except ClientError as error:
                out, code = None, error.response["Error"]["Code"]
            took = time.monotonic() - began
            if code not in settles or took > PATIENCE:
                break
            time.sleep(2)
        self.answers.append((step, code, round(took) if settles else None))
        return out

    def must(self, step, call, **params):
        out = self.ask(step, call, **params)
        if out is None:
            raise RuntimeError(f"{step}: {self.answers[-1][1]}")
        return out

    def later(self, call, **params):
        self.undo.append((call, params))

    # ------------------------------------------------------------------------------------------- what is made
    def public_subnets(self):
        found = self.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["Subnets"]
        one_a_zone = {s["AvailabilityZone"]: s["SubnetId"] for s in found if any(t["Key"] == "kubernetes.io/role/elb" for t in s.get("Tags", []))}
        if len(one_a_zone) < 2:
            raise RuntimeError("the VPC needs two subnets of two zones with the tag kubernetes.io/role/elb")
        return list(one_a_zone.values())[:2]

    def group(self, name):
        made = self.must(f"security group {name}", self.ec2.create_security_group, GroupName=f"{NAME}-{name}", Description="smoke", VpcId=self.vpc,
                         TagSpecifications=[{"ResourceType": "security-group", "Tags": TAGS}])["GroupId"]
        self.later(self.ec2.delete_security_group, GroupId=made)
        return made

    def permit(self, group, *cidrs):
        return {"GroupId": group, "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": c} for c in cidrs]}]}

    def balancer(self, step, scheme, group, settles=()):
        made = self.ask(step, self.elb.create_load_balancer, settles, Name=NAME, Scheme=scheme, Subnets=self.subnets, SecurityGroups=[group], Tags=TAGS)
        if made is None:
            raise RuntimeError(f"{step}: {self.answers[-1][1]}")
        arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        self.later(self.elb.delete_load_balancer, LoadBalancerArn=arn)
        return arn

    def certificate(self, number):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{number}.{NAME}.example.com")])
        now = datetime.datetime.now(datetime.timezone.utc)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(number + 1).not_valid_before(
            now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30)).sign(key, hashes.SHA256())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        arn = self.acm.import_certificate(Certificate=made.public_bytes(serialization.Encoding.PEM), PrivateKey=pem, Tags=TAGS)["CertificateArn"]
        self.later(self.acm.delete_certificate, CertificateArn=arn)
        return arn

    # ------------------------------------------------------------------------------------------- the steps
    def run(self):
        self.subnets = self.public_subnets()
        self.example()
        self.edits()
        self.quotas()
        self.replacement()

    def example(self):
        self.managed = self.group("managed")
        self.must("let in from everywhere", self.ec2.authorize_security_group_ingress, **self.permit(self.managed, "0.0.0.0/0"))
        self.target_group = self.must("target group", self.elb.create_target_group, Name=NAME, Protocol="HTTP", Port=80, VpcId=self.vpc,
                                      TargetType="ip", Tags=TAGS)["TargetGroups"][0]["TargetGroupArn"]
        self.later(self.elb.delete_target_group, TargetGroupArn=self.target_group)
        self.lb = self.balancer("load balancer with a security group just made", "internet-facing", self.managed, ("InvalidSecurityGroup",))
        self.ask("tags of a load balancer just made", self.elb.describe_tags, ("LoadBalancerNotFound",), ResourceArns=[self.lb])
        self.listener = self.must("listener", self.elb.create_listener, LoadBalancerArn=self.lb, Protocol="HTTP", Port=80, DefaultActions=[
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}])["Listeners"][0]["ListenerArn"]
        self.rule = self.must("rule", self.elb.create_rule, ListenerArn=self.listener, Priority=1, Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
                              Actions=[{"Type": "forward", "TargetGroupArn": self.target_group}])["Rules"][0]["RuleArn"]
        acl = self.must("web ACL", self.waf.create_web_acl, Name=NAME, Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig={
            "SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": NAME})["Summary"]
        self.later(self.waf.delete_web_acl, Name=NAME, Scope="REGIONAL", Id=acl["Id"], LockToken=acl["LockToken"])
        self.acl = acl["ARN"]
        self.ask("web ACL on a load balancer just made", self.waf.associate_web_acl, ("WAFUnavailableEntityException", "WAFNonexistentItemException"),
                 WebACLArn=self.acl, ResourceArn=self.lb)

    def edits(self):
        self.ask("rule changed", self.elb.modify_rule, RuleArn=self.rule, Conditions=[{"Field": "path-pattern", "Values": ["/game*"]}])
        self.ask("rule without transforms, reset", self.elb.modify_rule, RuleArn=self.rule, ResetTransforms=True)
        self.ask("priority changed", self.elb.set_rule_priorities, RulePriorities=[{"RuleArn": self.rule, "Priority": 7}])
        self.ask("attribute", self.elb.modify_load_balancer_attributes, LoadBalancerArn=self.lb, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "90"}])
        self.ask("unknown attribute", self.elb.modify_load_balancer_attributes, LoadBalancerArn=self.lb, Attributes=[{"Key": "no.such.attribute", "Value": "1"}])
        self.ask("21 attributes in a call", self.elb.modify_load_balancer_attributes, LoadBalancerArn=self.lb, Attributes=[
            {"Key": "idle_timeout.timeout_seconds", "Value": str(60 + n)} for n in range(21)])
        self.ask("unknown target group attribute", self.elb.modify_target_group_attributes, TargetGroupArn=self.target_group, Attributes=[
            {"Key": "no.such.attribute", "Value": "1"}])
        self.ask("health check", self.elb.modify_target_group, TargetGroupArn=self.target_group, HealthCheckPath="/health")
        self.ask("a target outside of the VPC beside one inside", self.elb.register_targets, TargetGroupArn=self.target_group, Targets=[
            {"Id": "10.77.33.1", "Port": 80}, {"Id": "8.8.8.8", "Port": 80}])
        young = self.group("young")
        self.ask("a security group just made", self.elb.set_security_groups, ("InvalidSecurityGroup",), LoadBalancerArn=self.lb, SecurityGroups=[young])
        self.ask("its target group deleted while a rule has it", self.elb.delete_target_group, TargetGroupArn=self.target_group)

    def quotas(self):
        full = self.group("full")
        sources = [f"10.{n}.0.0/24" for n in range(61)]
        self.ask("61 sources in a call", self.ec2.authorize_security_group_ingress, **self.permit(full, *sources))
        left = self.ec2.describe_security_groups(GroupIds=[full])["SecurityGroups"][0]["IpPermissions"]
        self.answers.append(("what a call over the quota left", str(sum(len(p["IpRanges"]) for p in left)), None))
        self.ask("51 tags", self.elb.add_tags, ResourceArns=[self.lb], Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(51)])
        arns = [self.certificate(n) for n in range(27)]
        https = self.must("HTTPS listener", self.elb.create_listener, LoadBalancerArn=self.lb, Protocol="HTTPS", Port=443, Certificates=[
            {"CertificateArn": arns[0]}], DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}])["Listeners"][0]["ListenerArn"]
        for n, arn in enumerate(arns[1:26], 1):
            self.ask(f"certificate {n} beside the default", self.elb.add_listener_certificates, ListenerArn=https, Certificates=[{"CertificateArn": arn}])
        self.ask("the default certificate once more, at the quota", self.elb.add_listener_certificates, ListenerArn=https, Certificates=[{"CertificateArn": arns[0]}])
        self.ask("certificate 26 beside the default", self.elb.add_listener_certificates, ListenerArn=https, Certificates=[{"CertificateArn": arns[26]}])

    def replacement(self):
        self.ask("another scheme: the old one goes", self.elb.delete_load_balancer, LoadBalancerArn=self.lb)
        new = self.group("new")
        self.lb = self.balancer("the new one", "internal", new, ("DuplicateLoadBalancerName", "InvalidSecurityGroup"))
        self.ask("its listener, with the target group of the old one", self.elb.create_listener, ("TargetGroupAssociationLimit",), LoadBalancerArn=self.lb,
                 Protocol="HTTP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": self.target_group}])
        self.ask("its web ACL", self.waf.associate_web_acl, ("WAFUnavailableEntityException", "WAFNonexistentItemException"), WebACLArn=self.acl, ResourceArn=self.lb)
        self.ask("the security group of the old one", self.ec2.delete_security_group, ("DependencyViolation",), GroupId=self.managed)

    def clean_up(self):
        for call, params in reversed(self.undo):
            began, missing = time.monotonic(), ("NotFound", "NotFoundException", "NonexistentItem")
            while True:
                try:
                    if "LockToken" in params:
                        params["LockToken"] = self.waf.get_web_acl(Name=NAME, Scope="REGIONAL", Id=params["Id"])["LockToken"]
                    call(**params)
                    break
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if any(part in code for part in missing):
                        break
                    if time.monotonic() - began > PATIENCE:
                        print(f"LEFT BEHIND, delete it by hand: {json.dumps(params)} ({code})", file=sys.stderr)
                        break
                    time.sleep(2)


LIST = f"""It would create, and delete again:
  4 security groups             {NAME}-managed, -young, -full, -new
  1 target group                {NAME}, of type ip, without targets that answer
  2 load balancers, in turn     {NAME}, internet-facing, then internal
  3 listeners, 1 rule
  1 web ACL                     {NAME}, which allows everything
  27 self-signed certificates   *.{NAME}.example.com, imported into ACM
as examples/2048.yaml makes them, and changes them in each of the ways in which an edit of an Ingress does."""


def emulated(port):
    """The same steps against the emulator, in a region of its own."""
    region = "eu-smoke-1"
    request = urllib.request.Request(f"http://127.0.0.1:{port}/albedo/world?region={region}", json.dumps({"region": region, "cluster": "smoke"}).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        vpc = json.load(answer)["vpcId"]
    return carried_out(Run(region, vpc, f"http://127.0.0.1:{port}"))


def carried_out(run):
    try:
        run.run()
    except Exception as error:  # noqa: BLE001  what was made has to go whatever happens
        print(f"stopped: {error}", file=sys.stderr)
    finally:
        run.clean_up()
    return run.answers


def compare(real, ours):
    """A line a step; whether AWS answered as the emulator."""
    by_step, same = dict((step, code) for step, code, _ in ours), True
    for step, code, took in real:
        expected = by_step.get(step, "not reached")
        same &= code == expected
        settled = f" after {took} s" if took else ""
        print(f"{'  ' if code == expected else '! '}{step}: {code}{settled}{'' if code == expected else f', and {expected} in the emulator'}")
    return same


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    for name in ("region", "vpc", "endpoint", "emulator", "yes-account"):
        parser.add_argument(f"--{name}")
    args = parser.parse_args()
    print(LIST)
    if args.list:
        return 0
    if not (args.region and args.vpc):
        parser.error("--region and --vpc say where")
    run = Run(args.region, args.vpc, args.endpoint)
    account = run.sts.get_caller_identity()["Account"]
    print(f"Account {account}, region {args.region}, VPC {args.vpc}{f', at {args.endpoint}' if args.endpoint else ''}.")
    if args.yes_account != account and input("Type the account's id to go on: ").strip() != account:
        print("nothing was done")
        return 1
    real, started, port = carried_out(run), None, args.emulator
    try:
        if not port:
            started = subprocess.Popen([sys.executable, "-W", "ignore", str(Path(__file__).with_name("emulator.py")), "127.0.0.1", "0"], stdout=subprocess.PIPE)
            port = json.loads(started.stdout.readline())["port"]
        return 0 if compare(real, emulated(port)) else 1
    finally:
        if started:
            started.terminate()
            started.wait()


if __name__ == "__main__":
    sys.exit(main())
