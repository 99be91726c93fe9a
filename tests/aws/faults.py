"""Faults on demand: throttles, errors, delays and lost answers, each with the body that its protocol has."""
import json
import time

FIELDS = {"service", "operation", "times", "skip", "status", "code", "message", "delayMs", "lost", "target"}


class Faults:
    """Rules of a region, the first that fits is used.  {"service": "elbv2", "operation": "CreateRule", "times": 2, "code": "Throttling"}

    times    how often it strikes (default 1; 0 is for ever); skip: calls that fit and are let through first
    code     the error answered, with message and status (default 400); nothing is carried out
    lost     true: the call is carried out and the connection then cut, so that the client never learns
    delayMs  how long it takes before anything of that; alone, the call is only slow
    target   only calls whose body holds this text
    """

    def __init__(self):
        self.rules = {}

    def set(self, region, rules):
        for r in rules:
            unknown = set(r) - FIELDS
            if unknown:
                raise ValueError(f"unknown fields {sorted(unknown)} in a fault; there are {sorted(FIELDS)}")
        self.rules[region] = [{"times": 1, "skip": 0, "struck": 0, **r} for r in rules]

    def struck(self, region):
        return self.rules.get(region, [])

    def strike(self, call):
        """The fault that hits this call, if any."""
        for r in self.rules.get(call.region, []):
            if r.get("service", call.service) != call.service or r.get("operation", call.operation) != call.operation:
                continue
            if (r["times"] and r["struck"] >= r["times"]) or r.get("target", "").encode() not in call.body:
                continue
            if r["skip"] > 0:
                r["skip"] -= 1
                continue
            r["struck"] += 1
            return r
        return None


def delay(fault):
    if fault and fault.get("delayMs"):
        time.sleep(fault["delayMs"] / 1000)


def answer(fault, call):
    """status, headers, body of an error in the call's own protocol"""
    code, message, status = fault["code"], fault.get("message", "injected"), fault.get("status", 400)
    line = f"{status} {'Bad Request' if status < 500 else 'Internal Server Error'}"
    if call.target:
        return line, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", "injected")], json.dumps(
            {"__type": code, "message": message}).encode()
    if call.signed_as == "ec2":
        text = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>injected</RequestID></Response>"
    else:
        kind = "Sender" if status < 500 else "Receiver"
        text = (f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                "<RequestId>injected</RequestId></ErrorResponse>")
    return line, [("Content-Type", "text/xml")], text.encode()
