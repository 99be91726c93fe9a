"""What is to become of each Ingress of the golden cases where everything is enforced, by the tables that the engine's own test stands on, and
what has become of it."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
CODE = re.compile(r"\bALB\d{3}\b")
DENIED, MALFORMED = "refused-by-webhook", "refused-by-apiserver"
# What is wrong with an edit and not with what it leads to: (case/step, Ingress) -> codes.
EDITS = {("s03-scheme-and-name-change/03-internet-facing", "s03-scheme-and-name-change/web"): {"ALB301"}}  # a replacement has to be meant


def _rows(name):
    lines = (line.rstrip("\n") for line in open(os.path.join(HERE, name)))
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


class Table:
    def __init__(self):
        self.reasons = {(row[0], row[1]): row[2:] for row in _rows("reasons.tsv")}
        self.denials = {}
        for case, ingress, code, _field in _rows("denials.tsv"):
            self.denials.setdefault((case, ingress), set()).add(code)
        self.denied = set()  # (case, Ingress) that a step has refused, which is not there since or as it was before

    def expected(self, tag, ingress, recorded):
        """Outcome, and the codes that it has to be told with."""
        if recorded["outcome"] == MALFORMED:
            return MALFORMED, set()
        if (tag, ingress) in EDITS:
            return DENIED, EDITS[tag, ingress]
        if (tag, ingress) in self.denials:
            return DENIED, self.denials[tag, ingress]
        code, _field, *when = self.reasons.get((tag, ingress), (None, None))
        if code == "malformed":
            return MALFORMED, set()
        if code == "-":
            return "provisioned", set()
        if code:
            return ("failed", set()) if "later" in when else (DENIED, {code})
        return recorded["outcome"], set()

    def compare(self, case, tag, want, got, known):
        """What differs, and whether all of the step was let in."""
        faults, all_in = [], True
        for ingress, recorded in (want.get("ingresses") or {}).items():
            outcome, codes = self.expected(tag, ingress, recorded)
            found = (got.get("ingresses") or {}).get(ingress)
            update = (found or {}).get("refusedUpdate")
            if update is None and (case, ingress) in self.denied and outcome != MALFORMED and _is_as_before(found):
                all_in = False
                continue  # an earlier step has not let it in
            if found is None and recorded["outcome"] == "deleting" and tag in known:
                continue  # gone already
            found = update or found
            is_, told = (found or {}).get("outcome", "not there"), set(CODE.findall(_told(found)))
            if is_ == DENIED:
                self.denied.add((case, ingress))
            all_in = all_in and is_ not in (DENIED, MALFORMED)
            if is_ != outcome or not codes <= told:
                faults.append((ingress, f"{outcome} {sorted(codes)}", f"{is_} {sorted(told)}"))
        return faults, all_in


def _is_as_before(found):
    """Not there, or as an earlier step has left it."""
    return found is None or found["outcome"] == "provisioned"


def _told(found):
    return "\n".join(str(part) for part in ((found or {}).get("message"), (found or {}).get("events")))
