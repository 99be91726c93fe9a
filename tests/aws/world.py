"""The standard world of a region (VPC, subnets, nodes, …) and everything else that can be planted beside it.

A region may have any name.  The ids of us-east-1 with the cluster `demo` are fixed, those of another region are derived from
its name.  Nodes and their network interfaces have the same ids in every region: one Kubernetes cluster, whose Nodes are seen
by every test, can then stand before many regions, one a test.
"""
import copy
import hashlib
import uuid

from moto.acm.models import CertBundle, acm_backends
from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend, Zone
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.elbv2.models import elbv2_backends
from moto.shield.models import shield_backends
from moto.wafv2.models import FakeWebACL, wafv2_backends

import journal

ACCOUNT, REGION, CLUSTER = "123456789012", "us-east-1", "demo"
# Seeded certificates exist for load balancers even where ACM itself would not hold them (another account's, IAM's).
CERTIFICATES = set()
TRUST_STORES = {}  # region -> name -> ARN
WAF_CLASSIC = {}  # resource's ARN -> web ACL's id
CAPACITY = {}  # load balancer's ARN -> units
WORLDS = {}  # region -> layout
_template = []


def zones_of(region):
    """The zones that moto knows of a region; a region it has never heard of gets three."""
    return [z.name for z in RegionsAndZonesBackend.zones.get(region, [])][:3] or [region + z for z in "abc"]


def layout(region, cluster, zones=None):
    """Everything about a region's standard world that is known before it is made."""
    zones = zones or zones_of(region)
    home = (region, cluster) == (REGION, CLUSTER)

    def own(prefix, name, fixed):
        return f"{prefix}-{fixed if home else hashlib.sha256(f'{region}/{cluster}/{name}'.encode()).hexdigest()[:17]}"
    subnets = []
    for public, kind, hexa in ((True, "public", "0a"), (False, "private", "0b")):
        for i, (z, zone) in enumerate(zip("abc", zones)):
            name = f"{kind}-{z}"
            subnets.append([name, own("subnet", name, f"{hexa}00000000000000{z}"), zone,
                            f"10.77.{i}.0/24" if public else f"10.77.{32 * (i + 1)}.0/19",
                            f"2600:1f18:77:{i if public else z}::/64", public])
    return {
        "account": ACCOUNT, "region": region, "cluster": cluster,
        "vpc": own("vpc", "vpc", "0a1b2c3d4e5f60001"), "cidr": "10.77.0.0/16",
        "subnets": subnets,  # name, id, zone, cidr, ipv6, public
        "node_sg": own("sg", "node", "0c0000000000000de"),
        "nodes": [  # name, instance, network interface, subnet, zone, ip
            ["node-a", "i-0d00000000000000a", "eni-0d00000000000000a", "private-a", zones[0], "10.77.32.4"],
            ["node-b", "i-0d00000000000000b", "eni-0d00000000000000b", "private-b", zones[1], "10.77.64.4"]],
        "pod_eni": "eni-0e0000000000000f0",
        "web_acl": [f"{cluster}-acl", f"arn:aws:wafv2:{region}:{ACCOUNT}:regional/webacl/{cluster}-acl/11111111-2222-3333-4444-555555555555"],
        "prefix_list": own("pl", "prefix-list", "0f000000000000001"),
        "shield": "subscribed",
    }


def described(region):
    """A region's world for people and tests; None where there is none."""
    w = WORLDS.get(region)
    return w and {
        "account": w["account"], "region": region, "cluster": w["cluster"], "vpcId": w["vpc"], "cidr": w["cidr"],
        "zones": sorted({s[2] for s in w["subnets"]}),
        "subnets": [dict(zip(("name", "id", "zone", "cidr", "ipv6Cidr", "public"), s)) for s in w["subnets"]],
        "nodeSecurityGroup": w["node_sg"],
        "nodes": [{**dict(zip(("name", "instanceId", "networkInterface", "subnet", "zone", "ip"), n)), "podCidr": pod_cidr(n[5])}
                  for n in w["nodes"]],
        "podNetworkInterface": w["pod_eni"], "webAcl": w["web_acl"][1], "prefixList": w["prefix_list"]}


def pod_cidr(ip):
    """The /24 after a node's own, of which its network interface has all sixteen /28 prefixes."""
    a, b, c, _ = ip.split(".")
    return f"{a}.{b}.{int(c) + 1}.0/24"


# ------------------------------------------------------------------------------------------------- making a world
def reset(salt=None, at=None):
    """Empty AWS, then the standard world of us-east-1."""
    journal.JOURNAL.update(salt=salt or uuid.uuid4().hex[:12], entries=[])
    journal.begin(at)
    journal.record({"standard": True})
    for kept in (CERTIFICATES, TRUST_STORES, WAF_CLASSIC, CAPACITY, WORLDS):
        kept.clear()
    BackendDict.reset()
    _make(layout(REGION, CLUSTER))


def add(region, cluster, zones=None, at=None):
    """The standard world of one more region; asked for again, nothing happens."""
    if region in WORLDS:
        if WORLDS[region]["cluster"] != cluster:
            raise ValueError(f"region {region} already belongs to the cluster {WORLDS[region]['cluster']}")
        return
    journal.begin(at)
    made = layout(region, cluster, zones)
    journal.record({"world": {"region": region, "cluster": cluster, "zones": sorted({s[2] for s in made["subnets"]})}})
    _introduce(region, sorted({s[2] for s in made["subnets"]}))
    _make(made)


def _introduce(region, zones):
    """Makes zones that moto has never heard of usable: it must know them, and instance types in them."""
    known = RegionsAndZonesBackend.zones.setdefault(region, [])
    INSTANCE_TYPE_OFFERINGS["region"].setdefault(region, [{"InstanceType": "m5.large", "Location": region}])
    offered = INSTANCE_TYPE_OFFERINGS["availability-zone"].setdefault(region, [])
    for zone in zones:
        if zone not in [z.name for z in known]:
            known.append(Zone(zone, region, f"{region.replace('-', '')}-az{len(known) + 1}"))
            offered.append({"InstanceType": "m5.large", "Location": zone})


def _make(w):
    region, own = w["region"], f"kubernetes.io/cluster/{w['cluster']}"
    WORLDS[region] = w
    ec2 = ec2_backends[ACCOUNT][region]
    with journal.given(vpc=w["vpc"]):
        vpc = ec2.create_vpc(w["cidr"], amazon_provided_ipv6_cidr_block=True)
    vpc.add_tags({"Name": f"{w['cluster']}-vpc", own: "owned"})
    gateway = ec2.create_internet_gateway()
    ec2.attach_internet_gateway(gateway.id, vpc.id)
    tables = {public: ec2.create_route_table(vpc.id).id for public in (True, False)}
    ec2.create_route(tables[True], "0.0.0.0/0", gateway_id=gateway.id)
    w["_tables"] = tables
    for name, sid, zone, cidr, v6, public in w["subnets"]:
        _subnet(w, sid, zone, cidr, v6, public, {
            "Name": name, own: "shared", "kubernetes.io/role/" + ("elb" if public else "internal-elb"): "1"})
    with journal.given(sg=w["node_sg"]):
        ec2.create_security_group(f"{w['cluster']}-node", f"nodes of {w['cluster']}", vpc_id=vpc.id).add_tags(
            {"Name": f"{w['cluster']}-node", own: "owned"})
    ids = {n: i for n, i, *_ in w["subnets"]}
    for name, instance, eni, subnet, zone, ip in w["nodes"]:
        _instance(w, instance, eni, ids[subnet], zone, ip, {"Name": name, own: "owned"})
    with journal.given(eni=w["pod_eni"]):
        ec2.create_network_interface(ids["private-a"], "10.77.32.5", group_ids=[w["node_sg"]], description="pods",
                                     tags={"Name": f"{w['cluster']}-pod-eni"})
    plant([{"kind": "web-acl", "arn": w["web_acl"][1]}, {"kind": "prefix-list", "id": w["prefix_list"], "cidrs": ["203.0.113.0/24"]}], region)
    if shield_backends[ACCOUNT]["aws"].subscription is None:
        shield_backends[ACCOUNT]["aws"].create_subscription()


def _subnet(w, sid, zone, cidr, v6, public, tags):
    ec2 = ec2_backends[ACCOUNT][w["region"]]
    with journal.given(subnet=sid):
        ec2.create_subnet(w["vpc"], cidr, ipv6_cidr_block=v6, availability_zone=zone).add_tags(tags)
    ec2.associate_route_table(w["_tables"][public], subnet_id=sid)


def _instance(w, instance, eni, subnet, zone, ip, tags):
    ec2 = ec2_backends[ACCOUNT][w["region"]]
    with journal.given(instance=instance, eni=eni):
        ec2.run_instances("ami-12c6146b", 1, None, [], instance_type="m5.large", is_instance_type_default=False, placement=zone,
                          region_name=w["region"], subnet_id=subnet, key_name=None, security_group_ids=[w["node_sg"]], private_ip=ip,
                          nics=[], tags={"instance": tags})
    # As the VPC CNI has it: a controller finds a pod's interface through the prefixes delegated to its node's.
    base = pod_cidr(ip).removesuffix(".0/24")
    ec2.enis[eni].ipv4_prefixes = [{"Ipv4Prefix": f"{base}.{16 * i}/28"} for i in range(16)]


# ------------------------------------------------------------------------------------------------- planting more
def seed(items, region=REGION, at=None):
    journal.begin(at)
    journal.record({"seed": items} if region == REGION else {"seed": items, "region": region})
    return plant(items, region)


def plant(items, region):
    """Every item is {"kind": …, …}; what is there already stays.  Answers what each was given as its id or ARN."""
    if region not in WORLDS:
        raise ValueError(f"region {region} has no world yet")
    made = []
    for item in items:
        if item["kind"] not in KINDS:
            raise ValueError(f"unknown kind {item['kind']!r}; there are {', '.join(sorted(KINDS))}")
        made.append(KINDS[item["kind"]](item, WORLDS[region], region))
    return made


def _certificate(it, _w, region):
    if not it.get("arn"):
        name = uuid.uuid5(uuid.NAMESPACE_DNS, f"{region}/{it['domains']}/{it.get('type')}/{it.get('status')}")
        it["arn"] = f"arn:aws:acm:{region}:{ACCOUNT}:certificate/{name}"
    CERTIFICATES.add(it["arn"])
    if it["arn"].startswith(f"arn:aws:acm:{region}:{ACCOUNT}:"):
        acm_backends[ACCOUNT][region]._certificates.setdefault(it["arn"], _bundle(it, it.get("domains") or ["unrelated.invalid"]))
    return it["arn"]


def _bundle(it, names):
    if not _template:  # made once: a key takes a quarter of a second
        _template.append(CertBundle.generate_cert("template.invalid", ACCOUNT, REGION))
    b = copy.copy(_template[0])
    b.arn, b.common_name, b.sans, b.in_use_by, b.check = it["arn"], names[0], list(names), [], lambda: None
    b.type, b.status, b.cert_authority_arn = it.get("type", "AMAZON_ISSUED"), it.get("status", "ISSUED"), it.get("authority")
    return b


def _more_subnet(it, w, region):
    ec2 = ec2_backends[ACCOUNT][region]
    if not any(it["id"] in zone for zone in ec2.subnets.values()):
        _subnet(w, it["id"], it["az"], it["cidr"], it.get("ipv6"), bool(it.get("public")), it.get("tags") or {})
        if it.get("outpost"):
            ec2.get_subnet(it["id"]).outpost_arn = it["outpost"]
    return it["id"]


def _subnet_tags(it, _w, region):
    """Changes the tags of a subnet of the standard world; null removes one."""
    ec2 = ec2_backends[ACCOUNT][region]
    subnet = ec2.get_subnet(it["id"])
    for name, value in it["tags"].items():
        if value is None:
            ec2.delete_tags([subnet.id], {name: None})
        else:
            subnet.add_tags({name: value})
    return it["id"]


def _node(it, w, region):
    _instance(w, it["id"], it["eni"], it["subnet"], it["az"], it["ip"], {"Name": it["name"]})
    if it.get("prefixes"):
        ec2_backends[ACCOUNT][region].enis[it["eni"]].ipv4_prefixes = [{"Ipv4Prefix": prefix} for prefix in it["prefixes"]]
    return it["id"]


def _security_group(it, w, region):
    ec2 = ec2_backends[ACCOUNT][region]
    if not ec2.get_security_group_from_id(it["id"]):
        with journal.given(sg=it["id"]):
            ec2.create_security_group(it.get("name") or it["id"][3:], "seeded", vpc_id=w["vpc"]).add_tags(it.get("tags") or {})
    return it["id"]


def _web_acl(it, _w, region):
    name, wid = it["arn"].split("/")[-2:]
    wafv2_backends[ACCOUNT][region].wacls.setdefault(it["arn"], FakeWebACL(name, ACCOUNT, it["arn"], wid, {}, {"Allow": {}}, "", []))
    return it["arn"]


def _target_group(it, w, region):
    elb = elbv2_backends[ACCOUNT][region]
    name = it.get("name") or it["arn"].split("/")[-2]
    for t in elb.target_groups.values():
        if t.name == name:
            return t.arn
    t = elb.create_target_group(name, vpc_id=w["vpc"], protocol=it.get("protocol", "HTTP"), port=80,
                                target_type=it.get("targetType", "ip"), protocol_version=it.get("version"))
    if it.get("arn"):
        elb.target_groups.pop(t.arn)
        t.arn = it["arn"]
        elb.target_groups[t.arn] = t
    return t.arn


def _trust_store(it, _w, region):
    TRUST_STORES.setdefault(region, {})[it["name"]] = it["arn"]
    return it["arn"]


def _prefix_list(it, _w, region):
    ec2 = ec2_backends[ACCOUNT][region]
    if it["id"] not in ec2.managed_prefix_lists:
        entries = [{"Cidr": c, "Description": ""} for c in it.get("cidrs", ["198.51.100.0/24"])]
        with journal.given(pl=it["id"]):
            ec2.create_managed_prefix_list("IPv4", entries, 5, it["id"], {})
    return it["id"]


KINDS = {
    "certificate": _certificate, "subnet": _more_subnet, "subnet-tags": _subnet_tags, "node": _node, "security-group": _security_group,
    "web-acl": _web_acl, "target-group": _target_group, "trust-store": _trust_store, "prefix-list": _prefix_list}
