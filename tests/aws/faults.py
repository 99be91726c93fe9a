"""Faults on demand: throttles, errors, delays, lost and truncated answers, cut connections, each error with the body that its protocol has."""
import json
import re
import time

import changes
import world

FIELDS = {"service", "operation", "times", "skip", "kind", "status", "code", "message", "delayMs", "seenMs", "answerMs", "lost", "reset", "truncated", "after",
          "target"}
# How an answer can be short: the connection ends before what was announced, or the document ends before it is whole.
TRUNCATED = {"connection", "document"}
# What AWS says when it is asked too often, and when it has failed itself: by service, then for every other one.
THROTTLED = {"ec2": ("RequestLimitExceeded", 503), "elbv2": ("Throttling", 400), None: ("ThrottlingException", 400)}
FAILED = {"ec2": ("InternalError", 500), "elbv2": ("InternalFailure", 500), "wafv2": ("WAFInternalErrorException", 500),
          "shield": ("InternalErrorException", 500), "waf-regional": ("WAFInternalErrorException", 500), None: ("InternalFailure", 500)}
KINDS = {"throttle": (THROTTLED, "Rate exceeded"), "internal": (FAILED, "An internal error has occurred")}
PHRASES = {400: "Bad Request", 403: "Forbidden", 500: "Internal Server Error", 503: "Service Unavailable"}


class Faults:
    """Rules of a region, the first that fits is used.  {"service": "elbv2", "operation": "CreateRule", "times": 2, "kind": "throttle"}

    times    how often it strikes (default 1; 0 is for ever); skip: calls that fit and are let through first
    kind     "throttle" or "internal": the error that the service has for it; or code, with message and status (default 400).
             Nothing is carried out, unless `after` is true
    after    true: the call is carried out first
    lost     true: the call is carried out and the connection then cut, so that the client never learns
    reset    true: the connection is reset and nothing carried out, unless `after` is true
    truncated  "connection": half of the answer, then the connection ends; "document": half of it as if it were all
    delayMs  how long it takes before anything of that; alone, the call is only slow
    seenMs   the answer comes when one who waits for changes has acted on this one, after so long at the latest; `missed` counts how often that was late
    answerMs how long it takes from then to the answer
    target   only calls whose body holds this text

    Calls to services that have one region for all (Shield) are struck by the rules of the region that is the caller's access key id.
    """

    def __init__(self):
        self.rules = {}

    def set(self, region, rules):
        for r in rules:
            unknown = set(r) - FIELDS
            if unknown:
                raise ValueError(f"unknown fields {sorted(unknown)} in a fault; there are {sorted(FIELDS)}")
            if r.get("kind") not in (None, *KINDS):
                raise ValueError(f"unknown kind {r['kind']!r} of fault; there are {sorted(KINDS)}")
            if r.get("truncated") not in (None, *TRUNCATED):
                raise ValueError(f"an answer can be truncated in {sorted(TRUNCATED)}")
        self.rules[region] = [{"times": 1, "skip": 0, "struck": 0, "missed": 0, **r} for r in rules]

    def struck(self, region):
        return self.rules.get(region, [])

    def strike(self, call):
        """The fault that hits this call, if any."""
        for r in self.rules.get(call.region, []) + (self.rules.get(call.caller, []) if call.caller != call.region else []):
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


class Buckets:
    """Throttles of a region: [{"service", "operation": regular expression, "rate": a second, "burst"}], a bucket of tokens each.

    A call takes a token from the first bucket whose service and operation fit; where there is none left it is throttled.
    """

    def __init__(self):
        self.rows = {}

    def set(self, region, rows):
        self.rows[region] = [{"tokens": float(r["burst"]), "at": time.monotonic(), "throttled": 0, **r} for r in rows]

    def throttled(self, region):
        return [{k: v for k, v in r.items() if k not in ("tokens", "at")} for r in self.rows.get(region, [])]

    def take(self, call):
        """The fault that a throttled call gets."""
        for r in self.rows.get(call.region, []):
            if r.get("service", call.service) != call.service or not re.search(r.get("operation", ""), call.operation):
                continue
            now = time.monotonic()
            r["tokens"], r["at"] = min(r["burst"], r["tokens"] + (now - r["at"]) * r["rate"]), now
            if r["tokens"] >= 1:
                r["tokens"] -= 1
                return None
            r["throttled"] += 1
            return {"kind": "throttle"}
        return None


def delay(fault, which="delayMs"):
    if fault and fault.get(which):
        time.sleep(fault[which] / 1000)


def await_seen(fault, region):
    if fault.get("seenMs") and not changes.seen(region, fault["seenMs"] / 1000):
        fault["missed"] += 1


def is_error(fault):
    return bool(fault and (fault.get("code") or fault.get("kind")))


def denial(call, action, resource):
    """As AWS answers a call that no policy allows."""
    code, status = {"ec2": ("UnauthorizedOperation", 403), "elasticloadbalancing": ("AccessDenied", 403)}.get(call.signed_as, ("AccessDeniedException", 400))
    message = (f"User: arn:aws:sts::{world.ACCOUNT}:assumed-role/{call.caller}/session is not authorized to perform: {action} on resource: {resource} "
               f"because no identity-based policy allows the {action} action")
    return answer({"code": code, "status": status, "message": message}, call)


def answer(fault, call):
    """status, headers, body of an error in the call's own protocol"""
    code, status, message = fault.get("code"), fault.get("status", 400), fault.get("message", "injected")
    if fault.get("kind"):
        by_service, usual = KINDS[fault["kind"]]
        code, status = by_service.get(call.service, by_service[None])
        message = fault.get("message", usual)
    line = f"{status} {PHRASES.get(status, 'Error')}"
    if call.target:
        return line, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", "injected")], json.dumps(
            {"__type": code, "message": message}).encode()
    if call.signed_as == "ec2":
        text = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>injected</RequestID></Response>"
    else:
        sender = "Sender" if status < 500 else "Receiver"
        text = (f"<ErrorResponse><Error><Type>{sender}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                "<RequestId>injected</RequestId></ErrorResponse>")
    return line, [("Content-Type", "text/xml")], text.encode()
