"""Listeners as AWS has them and moto doesn't: certificates that must exist, one default and a list of others, mutual TLS, TLS policies, attributes."""
import re

from moto.acm.models import acm_backends
from moto.core.responses import ActionResult
from moto.elbv2 import models as m
from moto.elbv2.exceptions import ListenerNotFoundError
from moto.elbv2.models import ELBv2Backend as B, FakeAction
from moto.elbv2.responses import ELBV2Response as R
from moto.elbv2.ssl_policies import SSL_POLICIES

import world
from strict import E, patch, refuse_second_user

IDLE = "tcp.idle_timeout.seconds"
ATTRIBUTES = {IDLE, "routing.http.response.server.enabled"} | {f"routing.http.request.{h}.header_name" for h in (
    "x_amzn_mtls_clientcert_serial_number", "x_amzn_mtls_clientcert_issuer", "x_amzn_mtls_clientcert_subject", "x_amzn_mtls_clientcert_validity",
    "x_amzn_mtls_clientcert_leaf", "x_amzn_mtls_clientcert", "x_amzn_tls_version", "x_amzn_tls_cipher_suite")} | {
    f"routing.http.response.{h}.header_value" for h in (
        "access_control_allow_origin", "access_control_allow_methods", "access_control_allow_headers", "access_control_allow_credentials",
        "access_control_expose_headers", "access_control_max_age", "strict_transport_security", "content_security_policy",
        "x_content_type_options", "x_frame_options")}
CERTIFICATE = re.compile(r"^arn:aws[a-z-]*:(acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]{36}|iam::\d{12}:server-certificate/[\w+=,.@/-]+)$")
NEW_POLICY = re.compile(r"^ELBSecurityPolicy-TLS13-1-[0-3]-(\w+-)*(PQ|FIPS)-[0-9-]+$")  # newer than moto's list


def install():
    m.register_certificate = lambda **_: None
    B._certificate_exists = _exists
    R.modify_listener = _modify
    _create()
    _certificates()


def _exists(backend, certificate_arn):
    """Seeded, or made in ACM by an AWS call."""
    return certificate_arn in world.CERTIFICATES or certificate_arn in acm_backends[backend.account_id][backend.region_name]._certificates


def _check_certificate(backend, arn):
    if not CERTIFICATE.match(arn):
        raise E("ValidationError", f"Certificate ARN '{arn}' is not valid")
    if not backend._certificate_exists(certificate_arn=arn):
        raise E("CertificateNotFound", f"Certificate '{arn}' not found")


def _mutual(region, p):
    ma = p.get("MutualAuthentication")
    if not ma:
        return None
    if ma.get("Mode") == "verify" and ma.get("TrustStoreArn") not in world.TRUST_STORES.get(region, {}).values():
        raise E("TrustStoreNotFound", f"Trust store '{ma.get('TrustStoreArn')}' not found")
    return {k: v for k, v in ma.items() if v not in (None, "")}


def _check(backend, p, protocol):
    for c in p.get("Certificates") or []:
        _check_certificate(backend, c["CertificateArn"])
    policy = p.get("SslPolicy")
    if policy is not None and policy not in SSL_POLICIES and not NEW_POLICY.match(policy):
        raise E("SSLPolicyNotFound", f"SSL policy '{policy}' not found")
    if protocol == "HTTP" and p.get("Certificates"):
        raise E("ValidationError", "Certificates cannot be specified for HTTP listeners")
    for a in p.get("DefaultActions") or []:
        if protocol == "HTTP" and a["Type"].startswith(("authenticate", "jwt")):
            raise E("InvalidLoadBalancerAction", f"Actions of type '{a['Type']}' are supported only on HTTPS listeners")
    return _mutual(backend.region_name, p)


def _create():
    @patch(R, "create_listener")
    def _(old, self):
        p = self._get_params()
        ma = _check(self.elbv2_backend, p, p.get("Protocol"))
        out = old(self)
        li = out.result["Listeners"][0]
        li.extra = []
        li.mutual_authentication = ma or ({"Mode": "off"} if li.protocol == "HTTPS" else None)
        if li.protocol not in ("HTTPS", "TLS"):
            li.ssl_policy = None
        if li.protocol in ("HTTP", "HTTPS"):
            li.attributes = {"routing.http.response.server.enabled": "true"}
        elif li.protocol == "TCP":
            li.attributes = {IDLE: "350"}
        return out

    @patch(R, "modify_listener_attributes")
    def _(old, self):
        p = self._get_params()
        hit = self.elbv2_backend.describe_listeners(None, [p["ListenerArn"]])
        tcp = hit and hit[0].protocol == "TCP"
        for a in p["Attributes"]:
            if a["Key"] not in ATTRIBUTES:
                raise E("ValidationError", f"Listener attribute key '{a['Key']}' is not recognized")
            if (a["Key"] == IDLE) != bool(tcp):
                raise E("InvalidConfigurationRequest", f"Listener attribute key '{a['Key']}' is not supported on this listener")
            if tcp and not (a["Value"].isdigit() and 60 <= int(a["Value"]) <= 6000):
                raise E("ValidationError", f"'{IDLE}' must be between 60 and 6000")
        return old(self)


def _modify(self):
    p, be = self._get_params(), self.elbv2_backend
    hit = be.describe_listeners(None, [p["ListenerArn"]])
    if not hit:
        raise ListenerNotFoundError()
    li = hit[0]
    protocol = p.get("Protocol") or li.protocol
    ma = _check(be, p, protocol)
    if protocol == "HTTPS" and not (p.get("Certificates") or li.certificates):
        raise E("ValidationError", "A certificate must be specified for HTTPS listeners")
    if p.get("DefaultActions"):
        acts = [FakeAction(a) for a in p["DefaultActions"]]
        be._validate_actions(acts)
        refuse_second_user(be, li.load_balancer_arn, p["DefaultActions"])
        li.default_actions = acts
        li._default_rule[0].actions = acts
    li.port, li.protocol = p.get("Port") or li.port, protocol
    if protocol == "HTTPS":
        if p.get("Certificates"):
            li.certificate = p["Certificates"][0]["CertificateArn"]
            li.certificates = [li.certificate]
        li.ssl_policy = p.get("SslPolicy") or li.ssl_policy or "ELBSecurityPolicy-2016-08"
        li.mutual_authentication = ma or li.mutual_authentication or {"Mode": "off"}
    else:
        li.certificate, li.certificates, li.extra, li.ssl_policy, li.mutual_authentication = None, [], [], None, None
    return ActionResult({"Listeners": [li]})


def _certificates():
    def one(self, arn):
        return self.describe_listeners(load_balancer_arn=None, listener_arns=[arn])[0]

    def add(self, arn, certificates):
        li = one(self, arn)
        for c in certificates:
            _check_certificate(self, c["CertificateArn"])
            if c["CertificateArn"] not in li.extra:
                li.extra.append(c["CertificateArn"])
        return li.extra

    def remove(self, arn, certificates):
        li = one(self, arn)
        li.extra = [c for c in li.extra if c not in [x["CertificateArn"] for x in certificates]]
    B.add_listener_certificates, B.remove_listener_certificates = add, remove
    B.describe_listener_certificates = lambda self, arn: one(self, arn).certificates + one(self, arn).extra
