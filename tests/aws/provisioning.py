"""Load balancers that take their time, or go wrong: made in the state `provisioning`, `active` after as many seconds as the control API set for their
region, or in another state for as long as it says so."""
import time

from moto.elbv2.models import ELBv2Backend as B, FakeLoadBalancer as LB

from strict import patch

SECONDS = {}  # region -> how long
STATES = {}  # region -> the state in place of `active`
AILING = ("failed", "active_impaired")


def set_to(region, seconds, state):
    if state and state not in AILING:
        raise ValueError(f"unknown state {state}; there are {AILING}")
    SECONDS[region], STATES[region] = seconds or 0, state


def install():
    @patch(B, "create_load_balancer")
    def _(old, self, **k):
        lb = old(self, **k)
        lb.born = time.time()
        return lb

    @patch(LB, "activate")
    def _(old, self):
        region = self.arn.split(":")[3]
        if time.time() - getattr(self, "born", 0) >= SECONDS.get(region, 0):
            old(self)
            if self.state in ("active", *AILING):
                self.state = STATES.get(region) or "active"
