"""Load balancers that take their time: made in the state `provisioning`, `active` after as many seconds as the door set for their region."""
import time

from moto.elbv2.models import ELBv2Backend as B, FakeLoadBalancer as LB

from strict import patch

SECONDS = {}  # region -> how long


def install():
    @patch(B, "create_load_balancer")
    def _(old, self, **k):
        lb = old(self, **k)
        lb.born = time.time()
        return lb

    @patch(LB, "activate")
    def _(old, self):
        if time.time() - getattr(self, "born", 0) >= SECONDS.get(self.arn.split(":")[3], 0):
            old(self)
