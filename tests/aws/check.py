#!/usr/bin/env python3
"""Holds the emulator to what its README says of time and faults, through calls of a real SDK.  check.py PORT [TEST …]"""
import json
import pathlib
import re
import sys
import threading
import time
import unittest
import urllib.request

import boto3
import botocore.session
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

URL = f"http://127.0.0.1:{sys.argv[1]}"
REGIONS = iter(range(1, 1000))
SERVICES = {"elb": "elbv2", "ec2": "ec2", "waf": "wafv2", "shield": "shield"}


def control(what, region, body):
    request = urllib.request.Request(f"{URL}/albedo/{what}?region={region}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def number(region, since, seconds):
    """The region's last change, once it is beyond one."""
    with urllib.request.urlopen(f"{URL}/albedo/wait?region={region}&since={since}&seconds={seconds}", timeout=30) as answer:
        return json.load(answer)["change"]


def eventually(ask, within=10.0):
    """Seconds until the answer is true."""
    began = time.monotonic()
    while not ask():
        if time.monotonic() - began > within:
            raise AssertionError(f"not within {within} s")
        time.sleep(0.02)
    return time.monotonic() - began


class Case(unittest.TestCase):
    """Each in a region of its own, with a load balancer's parts at hand."""

    def setUp(self):
        self.region = f"eu-check-{next(REGIONS)}"
        self.world = control("world", self.region, {"region": self.region, "cluster": "check"})

    def __getattr__(self, service):
        """A client is made when it is first used: each takes a moment."""
        if service not in SERVICES:
            raise AttributeError(service)
        self.__dict__[service] = self.client(SERVICES[service])
        return self.__dict__[service]

    def client(self, service, attempts=1, read_timeout=10):
        return boto3.client(service, region_name=self.region, endpoint_url=URL, aws_access_key_id="check", aws_secret_access_key="check",
                            config=Config(retries={"total_max_attempts": attempts}, read_timeout=read_timeout))

    def balancer(self, name="lb"):
        subnets = [s["id"] for s in self.world["subnets"] if s["public"]]
        return self.elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]

    def group(self, name="tg"):
        return self.elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=self.world["vpcId"], TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]

    def listener(self, lb, tg, port=80):
        return self.elb.create_listener(LoadBalancerArn=lb["LoadBalancerArn"], Protocol="HTTP", Port=port, DefaultActions=[
            {"Type": "forward", "TargetGroupArn": tg}])["Listeners"][0]["ListenerArn"]

    def health(self, tg, target="10.77.33.1"):
        found = self.elb.describe_target_health(TargetGroupArn=tg)["TargetHealthDescriptions"]
        return next((t["TargetHealth"]["State"] for t in found if t["Target"]["Id"] == target), None)

    def register(self, tg, *ids):
        self.elb.register_targets(TargetGroupArn=tg, Targets=[{"Id": i} for i in ids])

    def deregister(self, tg, *ids):
        self.elb.deregister_targets(TargetGroupArn=tg, Targets=[{"Id": i} for i in ids])

    def refused(self, code, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]


class Targets(Case):
    def test_without_a_life_a_target_is_healthy_and_gone_at_once(self):
        tg = self.group()
        self.register(tg, "10.77.33.1")
        self.assertEqual(self.health(tg), "unused")
        self.listener(self.balancer(), tg)
        self.assertEqual(self.health(tg), "healthy")
        self.deregister(tg, "10.77.33.1")
        self.assertIsNone(self.health(tg))

    def test_a_target_is_initial_then_healthy_and_drains(self):
        control("life", self.region, {"targets": {"initialSeconds": 0.5, "drainingSeconds": 0.6}})
        tg = self.group()
        self.register(tg, "10.77.33.1")
        self.assertEqual(self.health(tg), "unused")
        self.listener(self.balancer(), tg)
        self.assertEqual(self.health(tg), "initial")
        self.assertGreater(eventually(lambda: self.health(tg) == "healthy"), 0.3)
        self.register(tg, "10.77.33.1")
        self.assertEqual(self.health(tg), "healthy", "registered once more it stays what it is")
        self.deregister(tg, "10.77.33.1")
        self.assertEqual(self.health(tg), "draining")
        self.assertGreater(eventually(lambda: self.health(tg) is None), 0.3)

    def test_a_draining_target_can_come_back(self):
        control("life", self.region, {"targets": {"initialSeconds": 0.3, "drainingSeconds": 60}})
        tg = self.group()
        self.listener(self.balancer(), tg)
        self.register(tg, "10.77.33.1")
        eventually(lambda: self.health(tg) == "healthy")
        self.deregister(tg, "10.77.33.1")
        self.register(tg, "10.77.33.1")
        self.assertEqual(self.health(tg), "initial")

    def test_it_drains_for_as_long_as_its_group_says(self):
        control("life", self.region, {"targets": {}})
        tg = self.group()
        self.elb.modify_target_group_attributes(TargetGroupArn=tg, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}])
        self.listener(self.balancer(), tg)
        self.register(tg, "10.77.33.1")
        self.deregister(tg, "10.77.33.1")
        self.assertEqual(self.health(tg), "draining")
        self.assertGreater(eventually(lambda: self.health(tg) is None), 0.7)

    def test_nothing_drains_from_a_group_that_is_not_used(self):
        control("life", self.region, {"targets": {"drainingSeconds": 60}})
        tg = self.group()
        self.register(tg, "10.77.33.1")
        self.deregister(tg, "10.77.33.1")
        self.assertIsNone(self.health(tg))

    def test_a_target_follows_its_script(self):
        script = {"targetGroup": "tg", "target": "10.77.33.2", "states": [["initial", 0.3], ["unhealthy", 0.4], ["healthy", 0]]}
        control("life", self.region, {"targets": {"scripts": [script]}})
        tg, seen = self.group(), []
        self.listener(self.balancer(), tg)
        self.register(tg, "10.77.33.1", "10.77.33.2")
        self.assertEqual(self.health(tg), "healthy")

        def over():
            state = self.health(tg, "10.77.33.2")
            if state not in seen:
                seen.append(state)
            return state == "healthy"
        eventually(over)
        self.assertEqual(seen, ["initial", "unhealthy", "healthy"])


    def test_the_state_of_one_port_has_its_own_reason(self):
        tg = self.group()
        self.listener(self.balancer(), tg)
        self.elb.register_targets(TargetGroupArn=tg, Targets=[{"Id": "10.77.33.1", "Port": port} for port in (80, 81)])
        ill = {"targetGroup": tg, "target": "10.77.33.1", "port": 81, "state": "unhealthy", "reason": "Target.Timeout", "description": "Request timed out"}
        control("health", self.region, [ill])

        def health():
            found = self.elb.describe_target_health(TargetGroupArn=tg)["TargetHealthDescriptions"]
            return {one["Target"]["Port"]: one["TargetHealth"] for one in found}
        self.assertEqual(health()[80]["State"], "healthy")
        self.assertEqual(health()[81], {"State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out"})
        control("health", self.region, [{**ill, "state": None}])
        self.assertEqual(health()[81]["State"], "healthy")
        control("health", self.region, [{"targetGroup": tg, "target": "10.77.33.1", "state": "unhealthy"}])
        self.assertEqual(health()[80]["Reason"], "Target.FailedHealthChecks")


class Waiting(Case):
    """GET /albedo/wait, in a thread of its own where it waits."""

    def wait(self, since, seconds):
        return number(self.region, since, seconds)

    def beside(self, change):
        """The change's number as one who waits sees it, and after how long."""
        now, began, seen = self.wait(0, 0), time.monotonic(), []
        waiting = threading.Thread(target=lambda: seen.append((self.wait(now, 20), time.monotonic() - began)))
        waiting.start()
        change()
        waiting.join()
        self.assertGreater(seen[0][0], now)
        self.assertLess(seen[0][1], 10)

    def test_it_answers_at_a_change_of_its_region_alone(self):
        now = self.wait(0, 0)
        self.assertEqual(self.wait(now, 0.2), now, "nothing changes")
        other = f"{self.region}-other"
        control("world", other, {"region": other})
        self.elb.describe_load_balancers()
        self.assertEqual(self.wait(now, 0.2), now, "another region's change, and reading")
        self.assertEqual(self.wait(0, 20), now, "what was before is told at once")

    def test_calls_and_health_and_planting_are_changes(self):
        tg = self.group()
        for change in (lambda: self.register(tg, "10.77.33.1"),
                       lambda: control("health", self.region, [{"targetGroup": tg, "target": "10.77.33.1", "state": "unhealthy"}]),
                       lambda: control("seed", self.region, [{"kind": "certificate", "domains": ["a.example.com"]}]),
                       lambda: control("call", self.region, {"service": "elbv2", "operation": "DeleteTargetGroup", "params": {"TargetGroupArn": tg}})):
            self.beside(change)


class Balancers(Case):
    def state(self, **which):
        return self.elb.describe_load_balancers(**which)["LoadBalancers"][0]["State"]["Code"]

    def test_it_is_active_when_asked_without_a_life(self):
        self.balancer()
        self.assertEqual(self.state(), "active")

    def test_it_takes_its_time(self):
        control("life", self.region, {"provisioningSeconds": 0.6})
        self.balancer()
        self.assertEqual(self.state(), "provisioning")
        self.assertEqual(self.state(Names=["lb"]), "provisioning")
        self.assertGreater(eventually(lambda: self.state() == "active"), 0.3)


class Frontend(Case):
    """A load balancer as the target of another."""

    def setUp(self):
        super().setUp()
        self.lb, self.tg = self.balancer(), self.alb_group("front")
        self.arn = self.lb["LoadBalancerArn"]

    def alb_group(self, name):
        made = self.elb.create_target_group(Name=name, Protocol="TCP", Port=80, VpcId=self.world["vpcId"], TargetType="alb", HealthCheckProtocol="HTTP")
        return made["TargetGroups"][0]["TargetGroupArn"]

    def register(self, port=80, to=None):
        self.elb.register_targets(TargetGroupArn=self.tg, Targets=[{"Id": to or self.arn, "Port": port}])

    def nlb(self):
        subnets = [s["id"] for s in self.world["subnets"] if s["public"]]
        return self.elb.create_load_balancer(Name="nlb", Type="network", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]

    def forward(self, protocol, lb):
        to = [{"Type": "forward", "TargetGroupArn": self.tg}]
        return self.elb.create_listener(LoadBalancerArn=lb, Protocol=protocol, Port=80, DefaultActions=to)["Listeners"][0]["ListenerArn"]

    def test_a_target_has_a_listener_on_the_port(self):
        self.refused("ValidationError", self.register)
        self.listener(self.lb, self.group())
        self.refused("ValidationError", self.register, port=81)
        self.register()
        self.assertEqual(self.health(self.tg, self.arn), "unused")
        self.forward("TCP", self.nlb())
        self.assertEqual(self.health(self.tg, self.arn), "healthy")

    def test_a_target_is_active(self):
        control("life", self.region, {"provisioningSeconds": 0.6})
        self.lb = self.balancer("late")
        self.listener(self.lb, self.group())
        self.refused("InvalidTarget", self.register, to=self.lb["LoadBalancerArn"])
        time.sleep(0.7)
        self.register(to=self.lb["LoadBalancerArn"])

    def test_a_target_is_an_application_load_balancer(self):
        self.refused("InvalidTarget", self.register, to=self.nlb())
        self.refused("InvalidTarget", self.register, to="10.77.33.1")

    def test_there_is_one_target(self):
        other = self.balancer("other")
        for lb, tg in ((self.lb, "one"), (other, "two")):
            self.listener(lb, self.group(tg))
        self.register()
        self.refused("TooManyTargets", self.register, to=other["LoadBalancerArn"])

    def test_a_target_stays_with_its_listener(self):
        kept, free = (self.listener(self.lb, self.group(f"tg-{port}"), port) for port in (80, 81))
        self.register()
        self.refused("ResourceInUse", self.elb.delete_listener, ListenerArn=kept)
        self.elb.delete_listener(ListenerArn=free)
        self.refused("ResourceInUse", self.elb.delete_load_balancer, LoadBalancerArn=self.arn)
        self.deregister(self.tg, self.arn)
        self.elb.delete_listener(ListenerArn=kept)
        self.elb.delete_load_balancer(LoadBalancerArn=self.arn)

    def test_its_group_is_for_network_load_balancers(self):
        self.refused("InvalidConfigurationRequest", self.forward, protocol="HTTP", lb=self.arn)
        nlb = self.nlb()
        self.refused("InvalidConfigurationRequest", self.forward, protocol="UDP", lb=nlb)
        self.forward("TCP", nlb)
        self.refused("ResourceInUse", self.elb.delete_target_group, TargetGroupArn=self.tg)

    def test_its_attributes_stay(self):
        attributes = [{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}]
        self.refused("InvalidConfigurationRequest", self.elb.modify_target_group_attributes, TargetGroupArn=self.tg, Attributes=attributes)


class Lag(Case):
    def names(self):
        return [lb["LoadBalancerName"] for lb in self.elb.describe_load_balancers()["LoadBalancers"]]

    def test_describes_lag_what_was_made(self):
        control("life", self.region, {"lagSeconds": 0.6})
        lb = self.balancer()
        self.assertEqual(self.names(), [])
        self.refused("LoadBalancerNotFound", self.elb.describe_load_balancers, Names=["lb"])
        self.refused("DuplicateLoadBalancerName", self.balancer)
        self.assertGreater(eventually(lambda: self.names() == ["lb"]), 0.3)
        self.elb.delete_load_balancer(LoadBalancerArn=lb["LoadBalancerArn"])
        self.assertEqual(self.names(), ["lb"])
        eventually(lambda: self.names() == [])

    def test_what_was_changed_shows_later_too(self):
        lb = self.balancer()
        listener = self.listener(lb, self.group())
        control("life", self.region, {"lagSeconds": 0.5})
        made = self.elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[{"Field": "path-pattern", "Values": ["/a"]}], Actions=[
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}])["Rules"][0]
        self.elb.add_tags(ResourceArns=[lb["LoadBalancerArn"]], Tags=[{"Key": "a", "Value": "b"}])

        def rules():
            return [r["RuleArn"] for r in self.elb.describe_rules(ListenerArn=listener)["Rules"] if not r["IsDefault"]]

        def tags():
            return self.elb.describe_tags(ResourceArns=[lb["LoadBalancerArn"]])["TagDescriptions"][0]["Tags"]
        self.assertEqual((rules(), tags()), ([], []))
        eventually(lambda: rules() == [made["RuleArn"]] and tags() == [{"Key": "a", "Value": "b"}])

    def test_security_groups_lag(self):
        control("life", self.region, {"lagSeconds": 0.5})
        made = self.ec2.create_security_group(GroupName="g", Description="g", VpcId=self.world["vpcId"])["GroupId"]

        def there():
            return made in [g["GroupId"] for g in self.ec2.describe_security_groups()["SecurityGroups"]]
        self.assertFalse(there())
        eventually(there)

    def test_the_control_api_sees_what_is(self):
        control("life", self.region, {"lagSeconds": 60})
        self.balancer()
        with urllib.request.urlopen(f"{URL}/albedo/state?region={self.region}", timeout=30) as answer:
            self.assertEqual([lb["LoadBalancerName"] for lb in json.load(answer)["loadBalancers"]], ["lb"])


class Rules(Case):
    def test_values_of_a_condition_are_unique(self):
        listener = self.listener(self.balancer(), self.group())

        def rule(field, values):
            return self.elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[{"Field": field, f"{field.title().replace('-', '')}Config": {"Values": values}}], Actions=[
                {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}])
        self.refused("ValidationError", rule, field="host-header", values=["a.example.com", "A.example.com"])
        self.refused("ValidationError", rule, field="path-pattern", values=["/a", "/a"])
        rule("path-pattern", ["/a", "/A"])


class Refused(Case):
    """What people write and AWS does not take."""

    def share(self, weights=(90, 10), **sticky):
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(self.groups, weights)]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups, **sticky}}]

    def rule(self, actions, priority=1, host="a.example.com"):
        conditions = [{"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}]
        return self.elb.create_rule(ListenerArn=self.li, Priority=priority, Conditions=conditions, Actions=actions)["Rules"][0]["RuleArn"]

    def setUp(self):
        super().setUp()
        self.groups, self.lb = [self.group("one"), self.group("two")], self.balancer()
        self.li = self.listener(self.lb, self.groups[0])
        self.sticky = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}

    def stick(self, group=0, value="true"):
        self.elb.modify_target_group_attributes(TargetGroupArn=self.groups[group], Attributes=[{"Key": "stickiness.enabled", "Value": value}])

    def test_sticky_targets_need_a_sticky_forward(self):
        self.stick(1)
        self.refused("InvalidLoadBalancerAction", self.rule, actions=self.share())
        self.refused("InvalidLoadBalancerAction", self.elb.modify_listener, ListenerArn=self.li, DefaultActions=self.share())
        rule = self.rule(self.share(**self.sticky))
        self.refused("InvalidLoadBalancerAction", self.elb.modify_rule, RuleArn=rule, Actions=self.share())
        # A forward to one target group shares nothing.
        self.rule([{"Type": "forward", "TargetGroupArn": self.groups[1]}], priority=2)

    def test_a_forward_is_sticky_before_its_targets_are(self):
        rule = self.rule(self.share())
        self.refused("InvalidConfigurationRequest", self.stick)
        self.elb.modify_rule(RuleArn=rule, Actions=self.share(**self.sticky))
        self.stick()
        self.stick(value="false")
        self.elb.modify_rule(RuleArn=rule, Actions=self.share())

    def test_hosts(self):
        for host in ("localhost", "a.example.com:8080", "10.0.0.1", "a.example.c0m", "a" * 125 + ".com", "a_b.example.com", ""):
            self.refused("ValidationError", self.rule, actions=self.share(), host=host)
        for priority, host in enumerate(("*.example.com", "a-?.Example.COM", "example.*"), 1):
            self.rule(self.share(), priority, host)

    def test_values_of_attributes(self):
        lb = self.lb["LoadBalancerArn"]
        for key, value in (("idle_timeout.timeout_seconds", "4001"), ("idle_timeout.timeout_seconds", "60s"), ("idle_timeout.timeout_seconds", '"60"'),
                           ("routing.http2.enabled", "yes"), ("client_keep_alive.seconds", "59"), ("routing.http.xff_header_processing.mode", "Append")):
            self.refused("ValidationError", self.elb.modify_load_balancer_attributes, LoadBalancerArn=lb, Attributes=[{"Key": key, "Value": value}])
        for key, value in (("deregistration_delay.timeout_seconds", "3601"), ("slow_start.duration_seconds", "29"), ("load_balancing.algorithm.type", "random"),
                           ("stickiness.lb_cookie.duration_seconds", "0"), ("stickiness.enabled", "True")):
            self.refused("ValidationError", self.elb.modify_target_group_attributes, TargetGroupArn=self.groups[0], Attributes=[{"Key": key, "Value": value}])
        self.elb.modify_target_group_attributes(TargetGroupArn=self.groups[0], Attributes=[{"Key": "slow_start.duration_seconds", "Value": "0"}])

    def test_keys_of_attributes(self):
        odd = [{"Key": "idle_timeout", "Value": "60"}]
        for code, call, of in (("ValidationError", self.elb.modify_load_balancer_attributes, {"LoadBalancerArn": self.lb["LoadBalancerArn"]}),
                               ("ValidationError", self.elb.modify_target_group_attributes, {"TargetGroupArn": self.groups[0]}),
                               ("ValidationError", self.elb.modify_listener_attributes, {"ListenerArn": self.li})):
            self.refused(code, call, Attributes=odd, **of)

    def test_attributes_of_a_tcp_listener(self):
        subnets = [s["SubnetId"] for s in self.ec2.describe_subnets()["Subnets"][:1]]
        nlb = self.elb.create_load_balancer(Name="front", Type="network", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        vpc = self.ec2.describe_subnets(SubnetIds=subnets)["Subnets"][0]["VpcId"]
        group = self.elb.create_target_group(Name="tcp", Protocol="TCP", Port=80, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        tcp = self.elb.create_listener(LoadBalancerArn=nlb, Protocol="TCP", Port=80, DefaultActions=[
            {"Type": "forward", "TargetGroupArn": group}])["Listeners"][0]["ListenerArn"]
        idle = lambda value: [{"Key": "tcp.idle_timeout.seconds", "Value": value}]
        self.assertEqual(self.elb.describe_listener_attributes(ListenerArn=tcp)["Attributes"], idle("350"))
        for value in ("59", "6001", "1m"):
            self.refused("ValidationError", self.elb.modify_listener_attributes, ListenerArn=tcp, Attributes=idle(value))
        self.refused("InvalidConfigurationRequest", self.elb.modify_listener_attributes, ListenerArn=self.li, Attributes=idle("60"))
        self.elb.modify_listener_attributes(ListenerArn=tcp, Attributes=idle("6000"))
        self.assertEqual(self.elb.describe_listener_attributes(ListenerArn=tcp)["Attributes"], idle("6000"))

    def test_logs_need_a_bucket(self):
        lb = self.lb["LoadBalancerArn"]
        on, bucket = {"Key": "access_logs.s3.enabled", "Value": "true"}, {"Key": "access_logs.s3.bucket", "Value": "logs"}
        self.refused("InvalidConfigurationRequest", self.elb.modify_load_balancer_attributes, LoadBalancerArn=lb, Attributes=[on])
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=lb, Attributes=[on, bucket])
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=lb, Attributes=[on])


class Throttling(Case):
    def test_a_bucket_empties_and_fills(self):
        control("throttle", self.region, [{"service": "elbv2", "operation": "^Describe", "rate": 2, "burst": 3}])
        for _ in range(3):
            self.elb.describe_load_balancers()
        self.assertEqual(self.refused("Throttling", self.elb.describe_load_balancers), 400)
        self.group()
        self.ec2.describe_vpcs()
        time.sleep(0.6)
        self.elb.describe_load_balancers()
        self.assertEqual(control("throttle", self.region, None)[0]["throttled"], 1)

    def test_an_sdk_waits_and_comes_through(self):
        control("throttle", self.region, [{"service": "elbv2", "operation": "^Describe", "rate": 5, "burst": 1}])
        patient = self.client("elbv2", attempts=10)
        for _ in range(4):
            patient.describe_load_balancers()
        self.assertGreater(control("throttle", self.region, None)[0]["throttled"], 0)


class Faults(Case):
    def fault(self, **rule):
        control("faults", self.region, [rule])

    def count(self):
        control("faults", self.region, [])
        return len(self.elb.describe_target_groups()["TargetGroups"])

    def test_each_protocol_has_its_body(self):
        calls = {"elbv2": (self.elb.describe_load_balancers, {}, "Throttling", 400, "InternalFailure"),
                 "ec2": (self.ec2.describe_vpcs, {}, "RequestLimitExceeded", 503, "InternalError"),
                 "wafv2": (self.waf.list_web_acls, {"Scope": "REGIONAL"}, "ThrottlingException", 400, "WAFInternalErrorException"),
                 "shield": (self.shield.get_subscription_state, {}, "ThrottlingException", 400, "InternalErrorException")}
        for service, (call, arguments, throttled, status, failed) in calls.items():
            self.fault(service=service, kind="throttle")
            self.assertEqual(self.refused(throttled, call, **arguments), status)
            self.fault(service=service, kind="internal")
            self.assertEqual(self.refused(failed, call, **arguments), 500)

    def test_before_the_effect(self):
        self.fault(operation="CreateTargetGroup", kind="internal")
        self.refused("InternalFailure", self.group)
        self.assertEqual(self.count(), 0)

    def test_after_the_effect(self):
        self.fault(operation="CreateTargetGroup", kind="internal", after=True)
        self.assertEqual(self.refused("InternalFailure", self.group), 500)
        self.assertEqual(self.count(), 1)

    def test_lost(self):
        self.fault(operation="CreateTargetGroup", lost=True)
        self.assertRaises(ConnectionClosedError, self.group)
        self.assertEqual(self.count(), 1)

    def test_reset(self):
        for after in (False, True):
            self.fault(operation="CreateTargetGroup", reset=True, after=after)
            self.assertRaisesRegex(Exception, "(?i)reset by peer|connection was closed|Could not connect", self.group)
            self.assertEqual(self.count(), int(after))

    def test_timeout(self):
        self.elb = self.client("elbv2", read_timeout=0.4)
        self.fault(operation="CreateTargetGroup", delayMs=800, lost=True)
        self.assertRaises(ReadTimeoutError, self.group)
        time.sleep(0.8)
        self.assertEqual(self.count(), 1)

    def test_the_answer_takes_its_time(self):
        self.elb = self.client("elbv2", read_timeout=0.4)
        self.fault(operation="CreateTargetGroup", answerMs=1500)
        self.assertRaises(ReadTimeoutError, self.group)
        self.assertEqual(self.count(), 1, "carried out while nobody had an answer")

    def test_the_answer_waits_until_it_is_seen(self):
        self.fault(operation="CreateTargetGroup", seenMs=20_000)
        # Read before the change is made: who asks for what comes after a change has acted on it.
        now = number(self.region, 0, 0)
        begun, seen = time.monotonic(), []

        def follow():
            seen.append(number(self.region, now, 20))
            time.sleep(0.5)  # acts on it
            number(self.region, seen[0], 0)  # asks, and has not acted
            number(self.region, seen[0], 0.1)
        following = threading.Thread(target=follow)
        following.start()
        self.group()
        took = time.monotonic() - begun
        following.join()
        self.assertTrue(0.5 < took < 10, took)
        self.assertEqual(control("faults", self.region, None)[0]["missed"], 0)

    def test_nobody_sees_it(self):
        self.fault(operation="CreateTargetGroup", seenMs=300)
        self.group()
        self.assertEqual(control("faults", self.region, None)[0]["missed"], 1)

    def test_half_an_answer(self):
        for short in ("connection", "document"):
            self.fault(operation="CreateTargetGroup", truncated=short)
            self.assertRaisesRegex(Exception, "(?i)incomplete|parse|closed", self.group, short)
            self.assertEqual(self.count(), 1, "carried out")
            self.elb.delete_target_group(TargetGroupArn=self.elb.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"])

    def test_one_region_for_all_is_struck_by_the_callers(self):
        mine, others = (boto3.client("shield", region_name="us-east-1", endpoint_url=URL, aws_access_key_id=caller, aws_secret_access_key="check",
                                     config=Config(retries={"total_max_attempts": 1})) for caller in (self.region, "check"))
        self.fault(service="shield", kind="internal")
        others.get_subscription_state()
        self.refused("InternalErrorException", mine.get_subscription_state)

    def test_a_kind_that_is_unknown_is_refused(self):
        for unknown in ({"kind": "bad luck"}, {"truncated": "badly"}):
            with self.assertRaises(urllib.error.HTTPError):
                self.fault(**unknown)


class Settling(Case):
    def settle(self, **seconds):
        control("settling", self.region, seconds)

    def test_what_a_load_balancer_held_is_free_after_a_while(self):
        self.settle(securityGroupsHeld=600, targetGroupsHeld=600)
        group = self.ec2.create_security_group(GroupName="held", Description="held", VpcId=self.world["vpcId"])["GroupId"]
        lb, tg = self.balancer(), self.group()
        self.elb.set_security_groups(LoadBalancerArn=lb["LoadBalancerArn"], SecurityGroups=[group])
        self.listener(lb, tg)
        self.elb.delete_load_balancer(LoadBalancerArn=lb["LoadBalancerArn"])
        self.refused("DependencyViolation", self.ec2.delete_security_group, GroupId=group)
        self.refused("ResourceInUse", self.elb.delete_target_group, TargetGroupArn=tg)
        other = self.balancer("other")
        self.refused("TargetGroupAssociationLimit", self.listener, lb=other, tg=tg)
        self.settle(securityGroupsHeld=0.01, targetGroupsHeld=0.01)
        time.sleep(0.02)
        self.listener(other, tg)
        self.ec2.delete_security_group(GroupId=group)

    def test_what_is_new_is_unknown_for_a_while(self):
        self.settle(securityGroupUnknown=600, webAclUnknown=600, shieldUnknown=600, tagsUnknown=600)
        group = self.ec2.create_security_group(GroupName="new", Description="new", VpcId=self.world["vpcId"])["GroupId"]
        lb = self.balancer()["LoadBalancerArn"]
        set_groups = {"LoadBalancerArn": lb, "SecurityGroups": [group]}
        self.refused("InvalidSecurityGroup", self.elb.set_security_groups, **set_groups)
        tag = {"ResourceArns": [lb], "Tags": [{"Key": "a", "Value": "b"}]}
        self.refused("LoadBalancerNotFound", self.elb.add_tags, **tag)
        acl = {"WebACLArn": self.world["webAcl"], "ResourceArn": lb}
        self.refused("WAFNonexistentItemException", self.waf.associate_web_acl, **acl)
        protection = {"Name": "p", "ResourceArn": lb}
        self.refused("ResourceNotFoundException", self.shield.create_protection, **protection)
        self.settle(securityGroupUnknown=0.01, webAclUnknown=0.01, shieldUnknown=0.01, tagsUnknown=0.01)
        time.sleep(0.02)
        self.elb.set_security_groups(**set_groups)
        self.elb.add_tags(**tag)
        self.waf.associate_web_acl(**acl)
        self.shield.create_protection(**protection)

    def test_a_load_balancer_that_ails(self):
        self.balancer()

        def state():
            return self.elb.describe_load_balancers()["LoadBalancers"][0]["State"]["Code"]
        self.assertEqual(state(), "active")
        for ailing in ("failed", "active_impaired"):
            control("life", self.region, {"balancerState": ailing})
            self.assertEqual(state(), ailing)
        control("life", self.region, {})
        self.assertEqual(state(), "active")
        with self.assertRaises(urllib.error.HTTPError):
            control("life", self.region, {"balancerState": "odd"})

    def test_a_field_that_is_unknown_is_refused(self):
        with self.assertRaises(urllib.error.HTTPError):
            self.settle(patience=1)


class Quotas(Case):
    def test_security_group_rules_all_or_nothing(self):
        control("quotas", self.region, {"securityGroupRules": 3})
        group = self.ec2.create_security_group(GroupName="full", Description="full", VpcId=self.world["vpcId"])["GroupId"]

        def permit(*cidrs):
            return {"GroupId": group, "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": one}]} for one in cidrs]}
        self.ec2.authorize_security_group_ingress(**permit("10.0.0.0/24", "10.0.1.0/24"))
        self.refused("RulesPerSecurityGroupLimitExceeded", self.ec2.authorize_security_group_ingress, **permit("10.0.2.0/24", "10.0.3.0/24"))
        self.ec2.authorize_security_group_ingress(**permit("10.0.2.0/24"))

    def test_of_a_load_balancer(self):
        control("quotas", self.region, {"listeners": 1, "targetGroupsPerBalancer": 1, "targetGroups": 2, "loadBalancers": 1})
        lb, one, two = self.balancer(), self.group("one"), self.group("two")
        listener = self.listener(lb, one)
        self.refused("TooManyListeners", self.listener, lb=lb, tg=one, port=81)
        self.refused("TooManyTargetGroups", self.group, name="three")
        self.refused("TooManyLoadBalancers", self.balancer, name="second")
        self.refused("TooManyUniqueTargetGroupsPerLoadBalancer", self.elb.create_rule, ListenerArn=listener, Priority=1, Conditions=[
            {"Field": "path-pattern", "Values": ["/"]}], Actions=[{"Type": "forward", "TargetGroupArn": two}])

    def test_targets_all_or_nothing(self):
        control("quotas", self.region, {"targets": 2})
        tg = self.group()
        self.register(tg, "10.77.33.1")
        more = [{"Id": "10.77.33.2"}, {"Id": "10.77.33.3"}]
        self.refused("TooManyTargets", self.elb.register_targets, TargetGroupArn=tg, Targets=more)
        self.register(tg, "10.77.33.1", "10.77.33.2")
        self.deregister(tg, "10.77.33.1")
        self.register(tg, "10.77.33.3")

    def test_attributes_of_a_call(self):
        lb = self.balancer()["LoadBalancerArn"]
        many = [{"Key": "idle_timeout.timeout_seconds", "Value": str(n + 1)} for n in range(21)]
        self.refused("ValidationError", self.elb.modify_load_balancer_attributes, LoadBalancerArn=lb, Attributes=many)

    def test_addresses(self):
        zones = sorted({s["zone"] for s in self.world["subnets"]})[:2]
        bare = control("seed", self.region, [{"kind": "subnet", "id": f"subnet-bare{n}", "az": zone, "cidr": f"10.77.{200 + n}.0/24", "public": True}
                                          for n, zone in enumerate(zones)])["made"]
        lb = self.balancer()["LoadBalancerArn"]
        self.elb.set_ip_address_type(LoadBalancerArn=lb, IpAddressType="dualstack")
        self.refused("InvalidConfigurationRequest", self.elb.set_subnets, LoadBalancerArn=lb, Subnets=bare)
        self.elb.set_ip_address_type(LoadBalancerArn=lb, IpAddressType="ipv4")
        self.elb.set_subnets(LoadBalancerArn=lb, Subnets=bare)
        self.refused("InvalidConfigurationRequest", self.elb.set_ip_address_type, LoadBalancerArn=lb, IpAddressType="dualstack")


OURS = {"StringEquals": {"aws:ResourceTag/cluster": "a"}}


def allow(action, resource="*", condition=None, effect="Allow"):
    return {"Effect": effect, "Action": action, "Resource": resource, **({"Condition": condition} if condition else {})}


class Policies(Case):
    """A region with policies: what they do not allow is refused, in the words that AWS has for it."""

    def under(self, *statements):
        self.addCleanup(control, "policy", self.region, None)
        control("policy", self.region, [{"Version": "2012-10-17", "Statement": list(statements)}])

    def refused(self, call, **params):
        with self.assertRaises(ClientError) as caught:
            call(**params)
        return caught.exception.response["Error"]["Code"]

    def test_without_a_policy_all_is_allowed_and_with_one_only_what_it_allows(self):
        self.elb.describe_load_balancers()
        self.under(allow("elasticloadbalancing:Describe*"))
        self.elb.describe_load_balancers()
        self.assertEqual(self.refused(self.ec2.describe_vpcs), "UnauthorizedOperation")
        self.assertEqual(self.refused(self.waf.list_web_acls, Scope="REGIONAL"), "AccessDeniedException")
        self.assertEqual(self.refused(self.elb.create_target_group, Name="x", Protocol="HTTP", Port=80, VpcId=self.world["vpcId"]), "AccessDenied")
        self.under(allow("*"), allow("ec2:DescribeVpcs", effect="Deny"))
        self.assertEqual(self.refused(self.ec2.describe_vpcs), "UnauthorizedOperation")

    def test_resources_are_told_apart_by_arn_and_tag(self):
        lb, other = self.balancer("mine")["LoadBalancerArn"], self.balancer("other")["LoadBalancerArn"]
        for arn, cluster in ((lb, "a"), (other, "b")):
            self.elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "cluster", "Value": cluster}])
        self.under(allow("elasticloadbalancing:*", "arn:aws:elasticloadbalancing:*:*:loadbalancer/app/*", OURS))
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=lb, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "61"}])
        self.assertEqual(self.refused(self.elb.delete_load_balancer, LoadBalancerArn=other), "AccessDenied")
        self.under(allow("elasticloadbalancing:*", "arn:aws:elasticloadbalancing:*:*:loadbalancer/net/*", OURS))
        self.assertEqual(self.refused(self.elb.delete_load_balancer, LoadBalancerArn=lb), "AccessDenied")

    def test_tags_of_requests_and_what_is_made(self):
        create, tag = allow("elasticloadbalancing:CreateTargetGroup", condition={"Null": {"aws:RequestTag/cluster": "false"}}), allow(
            "elasticloadbalancing:AddTags", condition={"StringEquals": {"elasticloadbalancing:CreateAction": ["CreateRule", "CreateTargetGroup"]}})
        reads = allow("ec2:Describe*")
        params = {"Name": "x", "Protocol": "HTTP", "Port": 80, "VpcId": self.world["vpcId"], "TargetType": "ip"}
        tags = [{"Key": "cluster", "Value": "a"}]
        self.under(create, tag, reads)
        self.assertEqual(self.refused(self.elb.create_target_group, **params), "AccessDenied")
        made = self.elb.create_target_group(**params, Tags=tags)["TargetGroups"][0]["TargetGroupArn"]
        self.assertEqual(self.refused(self.elb.add_tags, ResourceArns=[made], Tags=tags), "AccessDenied")
        self.under(create, reads)
        self.assertEqual(self.refused(self.elb.create_target_group, **params, Tags=tags), "AccessDenied")
        self.under(create, tag)  # what AWS reads in the caller's name
        self.assertEqual(self.refused(self.elb.create_target_group, **params, Tags=tags), "AccessDenied")

    def test_keys_of_tags(self):
        made = self.group()
        others = {"ForAllValues:StringNotEquals": {"aws:TagKeys": "cluster"}, "Null": {"aws:TagKeys": "false"}}
        self.under(allow("elasticloadbalancing:*Tags", condition=others))
        self.elb.add_tags(ResourceArns=[made], Tags=[{"Key": "team", "Value": "a"}])
        self.assertEqual(self.refused(self.elb.remove_tags, ResourceArns=[made], TagKeys=["team", "cluster"]), "AccessDenied")
        self.elb.remove_tags(ResourceArns=[made], TagKeys=["team"])

    def test_security_groups_by_vpc(self):
        permission = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
        group, rule = self.world["nodeSecurityGroup"], {"ArnLike": {"ec2:Vpc": f"arn:aws:ec2:*:*:vpc/{self.world['vpcId']}"}}
        self.under(allow("ec2:AuthorizeSecurityGroupIngress", "arn:aws:ec2:*:*:security-group/*", rule))
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission)
        self.under(allow("ec2:AuthorizeSecurityGroupIngress", condition={"ArnLike": {"ec2:Vpc": "arn:aws:ec2:*:*:vpc/vpc-0"}}))
        self.assertEqual(self.refused(self.ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=permission), "UnauthorizedOperation")

    def test_what_is_not_evaluated_is_no_answer(self):
        self.under(allow("*", condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "1"}}))
        with self.assertRaises(ClientError) as caught:
            self.elb.describe_load_balancers()
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 500)


class Combinations(Case):
    """What AWS refuses in combination and moto takes."""

    def test_versions_of_http_need_https(self):
        tg = self.elb.create_target_group(Name="h2", Protocol="HTTP", ProtocolVersion="HTTP2", Port=80, VpcId=self.world["vpcId"], TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]
        lb, forward = self.balancer(), [{"Type": "forward", "TargetGroupArn": tg}]
        self.refused("InvalidLoadBalancerAction", self.elb.create_listener, LoadBalancerArn=lb["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward)
        listener = self.listener(lb, self.group())
        condition = [{"Field": "path-pattern", "Values": ["/a"]}]
        self.refused("InvalidLoadBalancerAction", self.elb.create_rule, ListenerArn=listener, Priority=1, Conditions=condition, Actions=forward)
        self.refused("InvalidLoadBalancerAction", self.elb.modify_listener, ListenerArn=listener, DefaultActions=forward)
        control("seed", self.region, [{"kind": "certificate", "domains": ["a.example.com"]}])
        acm = self.client("acm").list_certificates()["CertificateSummaryList"][0]["CertificateArn"]
        self.elb.create_listener(LoadBalancerArn=lb["LoadBalancerArn"], Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": acm}], DefaultActions=forward)

    def test_only_internet_facing_ones_have_public_addresses(self):
        subnets = [s["id"] for s in self.world["subnets"] if s["public"]]
        pools, kind = {"Ipv4IpamPoolId": "ipam-pool-0a"}, "dualstack-without-public-ipv4"
        self.refused("InvalidConfigurationRequest", self.elb.create_load_balancer, Name="a", Subnets=subnets, Scheme="internal", IpAddressType=kind)
        self.refused("InvalidConfigurationRequest", self.elb.create_load_balancer, Name="a", Subnets=subnets, Scheme="internal", IpamPools=pools)
        made = self.elb.create_load_balancer(Name="a", Subnets=subnets, Scheme="internal")["LoadBalancers"][0]["LoadBalancerArn"]
        self.refused("InvalidConfigurationRequest", self.elb.set_ip_address_type, LoadBalancerArn=made, IpAddressType=kind)
        self.refused("InvalidConfigurationRequest", self.elb.modify_ip_pools, LoadBalancerArn=made, IpamPools=pools)
        self.elb.create_load_balancer(Name="b", Subnets=subnets, Scheme="internet-facing", IpamPools=pools)

    def test_five_security_groups_are_the_most(self):
        groups = [self.ec2.create_security_group(GroupName=f"g{n}", Description="x", VpcId=self.world["vpcId"])["GroupId"] for n in range(6)]
        lb = self.balancer()["LoadBalancerArn"]
        self.refused("InvalidConfigurationRequest", self.elb.set_security_groups, LoadBalancerArn=lb, SecurityGroups=groups)
        self.elb.set_security_groups(LoadBalancerArn=lb, SecurityGroups=groups[:5])

    def test_an_application_cookie_needs_its_name(self):
        sticky = [{"Key": "stickiness.enabled", "Value": "true"}, {"Key": "stickiness.type", "Value": "app_cookie"}]
        tg = self.group()
        self.refused("InvalidConfigurationRequest", self.elb.modify_target_group_attributes, TargetGroupArn=tg, Attributes=sticky)
        self.elb.modify_target_group_attributes(TargetGroupArn=tg, Attributes=[*sticky, {"Key": "stickiness.app_cookie.cookie_name", "Value": "SID"}])


class Refusals(unittest.TestCase):
    def test_every_error_code_of_the_operations_in_use_is_in_the_table(self):
        here = pathlib.Path(__file__).parent
        sources = here / "../../engine/src/plan/operation"
        used = re.findall(r'row\((?:\w+::)*(\w+), "(\w+)"', (sources / "describe.rs").read_text())
        of_addons = re.findall(r'api: ApiService::(\w+), calls: \["(\w+)", "(\w+)"\]', (sources / "addons.rs").read_text())
        used += [(service, call) for service, *calls in of_addons for call in calls]
        services = {"Ec2": "ec2", "Elbv2": "elbv2", "WafV2": "wafv2", "WafRegional": "waf-regional", "Shield": "shield"}
        listed = {code for row in yaml.safe_load((here / "refusals.yaml").read_text()) for code in row.get("aws", [])}
        session, missing = botocore.session.get_session(), set()
        for service, operation in sorted(set(used)):
            shapes = session.get_service_model(services[service]).operation_model(operation).error_shapes
            missing |= {code for s in shapes if (code := s.metadata.get("error", {}).get("code", s.name)) not in listed}
        self.assertGreater(len(set(used)), 36)
        self.assertEqual(missing, set(), "error codes that no row of refusals.yaml has")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
