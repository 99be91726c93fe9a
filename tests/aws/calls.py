"""Every AWS call that was made: what it asked, what it was answered; in memory by region and, when asked for, as lines of a file."""
import collections
import json
import re
from urllib.parse import parse_qsl

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.utils import get_service_model

READ = re.compile(r"^(Describe|Get|List|Lookup|Search|Validate|AssumeRole)")
SCOPE = re.compile(r"Credential=([^/]*)/[^/]*/([^/]*)/([^/]*)/")
# What a service signs itself as, where its model has another name.
MODELS = {"elasticloadbalancing": "elbv2", "tagging": "resourcegroupstaggingapi"}
KEPT = 50_000  # calls a region


class Call:
    """A request: region, service, operation, and its arguments once somebody asks for them."""

    def __init__(self, environ, body, region):
        scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        self.target, self.type, self.body = environ.get("HTTP_X_AMZ_TARGET", ""), environ.get("CONTENT_TYPE", ""), body
        self.caller, self.region, self.signed_as = scope.groups() if scope else ("", region, "")
        self.path, self.agent = environ.get("PATH_INFO", "/"), environ.get("HTTP_USER_AGENT", "")
        self.operation = self.target.rpartition(".")[2]
        if not self.operation:
            hit = re.search(rb"(?:^|&)Action=(\w+)", body)
            self.operation = hit[1].decode() if hit else ""

    @property
    def service(self):
        if self.target.startswith("AWSWAF_Regional_20161128."):
            return "waf-regional"
        return MODELS.get(self.signed_as, self.signed_as)

    @property
    def writes(self):
        return bool(self.operation) and not READ.match(self.operation) and b"DryRun=true" not in self.body

    def params(self):
        """As the service model has them; as they were sent where the model doesn't fit."""
        if self.body.startswith(b"{"):
            return json.loads(self.body)
        values = dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            service = get_service_model(self.service)
            parser = PROTOCOL_PARSERS[determine_request_protocol(service, self.type)](service.operation_model(self.operation))
            return parser.parse({"method": "POST", "values": values, "headers": {}, "body": self.body, "url_path": "/", "url_params": {}})
        except Exception:  # noqa: BLE001  a log must not break the call that it logs
            return {k: v for k, v in values.items() if k not in ("Action", "Version")}


def error_code(status, body):
    if status < 400:
        return None
    text = body.decode("utf-8", "replace")
    hit = re.search(r"<Code>([^<]+)</Code>", text) or re.search(r'"__type"\s*:\s*"(?:[^"]*#)?([^"]+)"', text)
    return hit[1] if hit else str(status)


class Log:
    def __init__(self, path=None):
        self.file = open(path, "a", buffering=1, encoding="utf-8") if path else None
        self.calls, self.sequence = collections.defaultdict(lambda: collections.deque(maxlen=KEPT)), 0

    def add(self, call, began, took, status, answer, refused=None):
        self.sequence += 1
        line = {"seq": self.sequence, "at": round(began, 3), "region": call.region, "service": call.service, "operation": call.operation,
                "write": call.writes, "params": call.params(), "status": status, "error": error_code(status, answer),
                "caller": call.caller, "userAgent": call.agent, "ms": round(took * 1000, 1),
                "denied": " on ".join(refused) if refused else None}
        self.calls[call.region].append(line)
        if self.file:
            self.file.write(json.dumps(line, default=str) + "\n")

    def since(self, region, sequence):
        """The calls of a region (of all without one) after a sequence number."""
        logs = [self.calls[region]] if region else self.calls.values()
        return sorted((c for log in logs for c in log if c["seq"] > sequence), key=lambda c: c["seq"])

    def last(self, region):
        """The number of a region's last call."""
        log = self.calls.get(region)
        return log[-1]["seq"] if log else 0

    def clear(self):
        self.calls.clear()
