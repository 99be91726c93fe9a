"""The way in: AWS calls go on to moto, /albedo/… answers those who run the tests (seeding, the call log, faults, freezing and thawing)."""
import io
import json
import re
import threading
import time
import traceback
from urllib.parse import parse_qs

from moto.elbv2.models import elbv2_backends
from werkzeug.test import EnvironBuilder

import changes
import describe
import faults
import journal
import lag
import policies
import provisioning
import quotas
import refused
import settling
import targets
import world
from calls import Call, Log

PREFIXES = ("/albedo/", "/_golden/")  # the second is what the replay of the golden cases has always used
ANSWERS_KEPT = 500
# Control calls after which AWS says something else than before; AWS calls made by hand count as AWS calls.
CHANGING = {"reset", "thaw", "world", "seed", "health", "life"}


class Lost(Exception):
    """The answer of this call never reaches its client as a whole: the connection is cut before it or within it, or reset."""

    def __init__(self, operation, reset=False, part=None):
        super().__init__(operation)
        self.reset, self.part = reset, part  # status, headers and the half of the body that is sent


class Application:
    def __init__(self, app, log=None):
        self.app, self.log, self.faults, self.buckets = app, log or Log(), faults.Faults(), faults.Buckets()
        self.answers, self.stats = {}, {}
        # One request at a time: moto's backends are plain dicts, and two threads in them end in a 500.
        self.lock = threading.Lock()
        self.zero()

    def zero(self):
        self.answers.clear()
        self.stats = {"calls": 0, "writes": 0, "last_write": 0.0, "failed": 0}

    # ---------------------------------------------------------------------------------------------- WSGI
    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ.get("PATH_INFO", "")
        if path.startswith(PREFIXES):
            if path.endswith("/wait"):  # outside of the lock: whoever waits must not keep the others from changing something
                return _send(start_response, "200 OK", [("Content-Type", "application/json")], json.dumps(_wait(parse_qs(environ.get("QUERY_STRING", "")))).encode())
            with self.lock:
                status, out = self.admin(path.rpartition("/")[2], parse_qs(environ.get("QUERY_STRING", "")), body)
            return _send(start_response, status, [("Content-Type", "application/json")], json.dumps(out, default=str).encode())
        call, began = Call(environ, body, world.REGION), time.time()
        with self.lock:
            again = self.answers.get(environ.get("HTTP_AMZ_SDK_INVOCATION_ID"))
            refused = None if again else policies.denied(call)
            fault = None if again or refused or not call.operation else self.buckets.take(call) or self.faults.strike(call)
        faults.delay(fault)
        with self.lock:
            answered = again or (self.refuse(call, refused) if refused else self.carry_out(environ, call, fault))
            if call.operation:
                self.log.add(call, began, time.time() - began, int(answered[0].split()[0]), answered[2], refused)
        if fault:
            faults.await_seen(fault, call.region)
            faults.delay(fault, "answerMs")
            if fault.get("lost") or fault.get("reset"):
                raise Lost(call.operation, fault.get("reset", False))
            status, headers, whole = answered
            half = whole[:len(whole) // 2]
            if fault.get("truncated") == "connection":
                raise Lost(call.operation, part=(status, _with_length(headers, whole), half))
            if fault.get("truncated") == "document":
                answered = status, headers, half
        return _send(start_response, *answered)

    def refuse(self, call, refused):
        """What AWS answers where no policy allows a call."""
        answered = faults.denial(call, *refused)
        self.count(call, int(answered[0].split()[0]))
        return answered

    def carry_out(self, environ, call, fault):
        """A client that lost an answer asks again under the same invocation id: it gets the answer kept here, nothing is done twice."""
        spoilt = faults.is_error(fault) or bool(fault and fault.get("reset"))
        if spoilt and not fault.get("after"):
            answered = faults.answer(fault if faults.is_error(fault) else {"kind": "internal"}, call)
        else:
            answered = self.serve(environ, call)
        ident = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if ident and answered[0].startswith("200") and call.writes and not spoilt:
            self.answers[ident] = answered
            if len(self.answers) > ANSWERS_KEPT:
                self.answers.pop(next(iter(self.answers)))
        if faults.is_error(fault):
            answered = faults.answer(fault, call)
        self.count(call, int(answered[0].split()[0]))
        return answered

    def serve(self, environ, call, at=None):
        """status, headers, answer; what may have changed something goes into the journal"""
        entry = None
        if call.writes:
            journal.begin(at)
            entry = journal.record({"op": call.operation, "region": call.region, "service": call.signed_as, "target": call.target,
                                    "type": call.type, "path": call.path, "body": call.body.decode()})
        if call.service == "waf-regional":
            answered = ("200 OK", [("Content-Type", "application/x-amz-json-1.1")],
                        json.dumps(waf_classic(call.operation, json.loads(call.body or b"{}"))).encode())
        else:
            environ["wsgi.input"] = io.BytesIO(call.body)
            with lag.past(call):
                answered = _without_secrets(self.moto(environ))
        if entry:
            entry["status"] = int(answered[0].split()[0])
            targets.tick(call.region)
            lag.tick(call.region)
            changes.note(call.region)
        return answered

    def moto(self, environ):
        seen = []
        out = b"".join(self.app(environ, lambda status, headers, _=None: seen.extend([status, headers])))
        return seen[0], seen[1], out

    def count(self, call, status):
        if not call.operation:
            return
        self.stats["calls"] += 1
        if status >= 400:
            self.stats["failed"] += 1
        elif call.writes:
            self.stats["writes"] += 1
            self.stats["last_write"] = time.time()

    # ---------------------------------------------------------------------------------------------- the control API
    def admin(self, what, query, body):
        handler = getattr(self, f"do_{what.replace('-', '_')}", None)
        if handler is None:
            return "404 Not Found", {"error": f"no control call named {what}"}
        query = {k: v[0] for k, v in query.items()}
        try:
            answered = handler(query, json.loads(body) if body else None)
            if what in CHANGING and body:
                changes.note(*(world.WORLDS if what in ("reset", "thaw") else (query.get("region", world.REGION),)))
            return "200 OK", answered
        except Exception as e:  # noqa: BLE001
            return "400 Bad Request", {"error": f"{type(e).__name__}: {e}", "trace": traceback.format_exc()}

    def do_reset(self, _query, _body):
        world.reset()
        for kept in (targets.HEALTH, targets.LIVES, provisioning.SECONDS, provisioning.STATES, lag, settling, quotas.LIMITS, self.faults.rules, self.buckets.rows):
            kept.clear()
        self.log.clear()
        self.zero()
        return {k: v for k, v in world.WORLDS[world.REGION].items() if k[0] != "_"}

    def do_world(self, query, body):
        if body is not None:
            world.add(body["region"], body.get("cluster", world.CLUSTER), body.get("zones"))
            return world.described(body["region"])
        found = world.described(query.get("region", world.REGION))
        if not found:
            raise ValueError(f"region {query['region']} has no world yet")
        return found

    def do_seed(self, query, body):
        return {"ok": True, "made": world.seed(body or [], query.get("region", world.REGION))}

    def do_stats(self, _query, _body):
        return self.stats

    def do_calls(self, query, _body):
        region = query.get("region")
        return {"last": self.log.sequence, "ofRegion": self.log.last(region), "calls": self.log.since(region, int(query.get("since", 0)))}

    def do_state(self, query, _body):
        return describe.state(self.moto, query.get("region", world.REGION))

    def do_call(self, query, body):
        """An AWS call made by hand: neither counted nor logged, and no fault strikes it."""
        def app(environ):
            sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            if query.get("account"):
                environ["HTTP_X_MOTO_ACCOUNT_ID"] = query["account"]
            return self.serve(environ, Call(environ, sent, world.REGION))
        return describe.Reader(app, query.get("region", world.REGION))(body["service"], body["operation"], **body["params"])

    def do_faults(self, query, body):
        region = query.get("region", world.REGION)
        if body is not None:
            self.faults.set(region, body)
        return self.faults.struck(region)

    def do_health(self, query, body):
        """[{"targetGroup": ARN or "*", "target": id or "*", "port": number or "*", "state": "unhealthy", "reason", "description"}]; a
        null state is healthy again"""
        for h in body:
            key = (query.get("region", world.REGION), h.get("targetGroup", "*"), h.get("target", "*"), h.get("port", "*"))
            targets.HEALTH.pop(key, None)
            if h.get("state"):
                targets.HEALTH[key] = (h["state"], *targets.why(h))
        return {"ok": True}

    def do_life(self, query, body):
        """What of a region takes its time; null for a part of it, or for all: as without."""
        region, life = query.get("region", world.REGION), body or {}
        unknown = set(life) - {"targets", "provisioningSeconds", "balancerState", "lagSeconds"}
        if unknown:
            raise ValueError(f"unknown fields {sorted(unknown)} in a life")
        targets.live(region, life.get("targets"))
        provisioning.set_to(region, life.get("provisioningSeconds"), life.get("balancerState"))
        lag.set_to(region, life.get("lagSeconds"))
        return {"ok": True}

    def do_settling(self, query, body):
        """How long AWS takes to let go, and to learn of what is new: seconds; what is left out takes none."""
        settling.set_to(query.get("region", world.REGION), body)
        return {"ok": True}

    def do_policy(self, query, body):
        """The policies of those who call in a region; null: everybody may do everything.  They outlive a reset."""
        policies.set_to(query.get("region", world.REGION), body)
        return {"ok": True}

    def do_may(self, query, body):
        """Whether policies allow a call, which is not made: those in the body, else those of the region."""
        asked = {}

        def app(environ):
            call = Call(environ, environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)), world.REGION)
            asked["denied"] = policies.denied(call, body.get("policies"))
            raise describe.Asked
        try:
            describe.Reader(app, query.get("region", world.REGION))(body["service"], body["operation"], **body["params"])
        except describe.Asked:
            pass
        return asked

    def do_quotas(self, query, body):
        region = query.get("region", world.REGION)
        if body is not None:
            quotas.set_to(region, body)
        return {name: quotas.most(region, name) for name in quotas.DEFAULTS}

    def do_throttle(self, query, body):
        region = query.get("region", world.REGION)
        if body is not None:
            self.buckets.set(region, body)
        return self.buckets.throttled(region)

    def do_freeze(self, query, _body):
        return {"salt": journal.JOURNAL["salt"], "entries": journal.JOURNAL["entries"][int(query.get("from", 0)):]}

    def do_thaw(self, _query, frozen):
        refused.thawing = True
        try:
            odd = [o for n, e in enumerate(frozen["entries"]) for o in self.thaw(n, e, frozen["salt"])]
        finally:
            refused.thawing = False
        if odd:
            raise ValueError("; ".join(odd))
        for region in world.WORLDS:
            for lb in elbv2_backends[world.ACCOUNT][region].load_balancers.values():
                lb.activate()
        self.zero()
        return {"entries": len(journal.JOURNAL["entries"])}

    def thaw(self, n, e, salt):
        """Does one entry again; says where it came out otherwise than then."""
        if e.get("standard"):
            world.reset(salt, e["at"])
        elif "world" in e:
            world.add(e["world"]["region"], e["world"]["cluster"], e["world"]["zones"], e["at"])
        elif "seed" in e:
            world.seed(e["seed"], e.get("region", world.REGION), e["at"])
        else:
            credential = f"Credential=thaw/20260101/{e['region']}/{e['service']}/aws4_request"
            environ = EnvironBuilder(method="POST", path=e["path"], base_url="http://127.0.0.1", data=e["body"].encode(), content_type=e["type"], headers={
                **({"X-Amz-Target": e["target"]} if e["target"] else {}),
                "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"}).get_environ()
            status = int(self.serve(environ, Call(environ, e["body"].encode(), world.REGION), e["at"])[0].split()[0])
            if status != e["status"]:
                yield f"entry {n} {e['op']}: {status}, was {e['status']}"


def _wait(query):
    """{"change": N}, N beyond `since` unless the time ended before"""
    query = {k: v[0] for k, v in query.items()}
    return {"change": changes.wait(query.get("region", world.REGION), int(query.get("since", 0)), float(query.get("seconds", 0)))}


def waf_classic(operation, arg):
    if operation == "GetWebACLForResource":
        wid = world.WAF_CLASSIC.get(arg.get("ResourceArn"))
        return {"WebACLSummary": {"WebACLId": wid, "Name": wid}} if wid else {}
    if operation == "AssociateWebACL":
        world.WAF_CLASSIC[arg["ResourceArn"]] = arg["WebACLId"]
    if operation == "DisassociateWebACL":
        world.WAF_CLASSIC.pop(arg["ResourceArn"], None)
    return {}


def _without_secrets(answered):
    """AWS never returns the client secret of an identity provider; the state that the tests read (describe.py) does."""
    status, headers, body = answered
    if b"<ClientSecret>" not in body:
        return answered
    body = re.sub(rb"<ClientSecret>.*?</ClientSecret>", b"", body, flags=re.S)
    return status, [(k, str(len(body)) if k.lower() == "content-length" else v) for k, v in headers], body


def _with_length(headers, body):
    # moto's answers don't all carry a length, without which a connection can't be used again
    return [(k, v) for k, v in headers if k.lower() != "content-length"] + [("Content-Length", str(len(body)))]


def _send(start_response, status, headers, body):
    start_response(status, _with_length(headers, body))
    return [body]
