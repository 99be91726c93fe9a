#!/usr/bin/env python3
"""Holds albedo against the golden cases: starts a test environment, replays, and compares with the list of known differences.

  golden.py --environment PATH --albedo PATH --kubectl PATH [--verdict] [--cases DIR]... [id ...]

Exit status 0: every case is as recorded, but for those in differences.tsv, each of which still differs.  With --verdict webhooks review
everything and refuse what they can: 0 if each Ingress is refused, by its code, or provisioned as reasons.tsv and denials.tsv say.
"""
import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import replay  # noqa: E402
import state  # noqa: E402
import verdicts  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def known_differences():
    rows = {}
    for line in open(os.path.join(HERE, "differences.tsv")):
        if line.strip() and not line.startswith("#"):
            case, reason = line.rstrip("\n").split("\t", 1)
            rows[case] = reason
    return rows


def controller(a, folder, probes):
    """The script that the replayer runs for each batch: CRDs first, then albedo in the foreground."""
    webhook = free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=albedo", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.crt"],
                   check=True, capture_output=True)
    mode = "enforce" if a.verdict else "off"
    register = f"'{a.albedo}' webhook-config --url=https://127.0.0.1:{webhook} --ca-file='{folder}/tls.crt' | '{a.kubectl}' apply -f - >/dev/null || exit 1"
    script = f"""#!/bin/sh
'{a.albedo}' crds | '{a.kubectl}' apply -f - >/dev/null || exit 1
{register if a.verdict else ""}
exec '{a.albedo}' run --cluster-name="$CLUSTER_NAME" --aws-region="$AWS_REGION" --aws-vpc-id="$VPC_ID" --bind-address=127.0.0.1 \\
  --webhook-bind-port={webhook} --webhook-cert-dir='{folder}' --health-probe-bind-addr=:{probes} --metrics-bind-addr=0 \\
  --admission-mode={mode} --admission-defaults=none --shutdown-linger-seconds=0 $CONTROLLER_FLAGS
"""
    path = os.path.join(folder, "controller.sh")
    with open(path, "w") as f:
        f.write(script)
    os.chmod(path, 0o755)
    return path


def hold_to_policy(albedo, aws):
    """From here on AWS allows what the policy of the cluster allows, and nothing else."""
    policy = subprocess.run([albedo, "iam-policy", f"--cluster-name={state.CLUSTER}"], check=True, capture_output=True, text=True).stdout
    request = urllib.request.Request(f"{aws}/albedo/policy?region={state.REGION}", f"[{policy}]".encode())
    urllib.request.urlopen(request, timeout=30).close()


def compare(known):
    """A callback for the replayer, and what it collects."""
    seen = {"same": [], "unlisted": [], "listed": set(), "tags": set()}

    def on_result(case, where, got):
        tag = case.id if where == case.path else f"{case.id}/{os.path.basename(where)}"
        seen["tags"].add(tag)
        hard, _ = state.verdict(json.load(open(os.path.join(where, "expected.json"))), got)
        if not hard:
            seen["same"].append(tag)
        elif tag in known:
            seen["listed"].add(tag)
        else:
            seen["unlisted"].append(tag)
            print(f"-- {tag}")
            for p, w, g in hard:
                print(f"     {p}\n       want {replay.show(w)}\n       got  {replay.show(g)}", flush=True)

    return on_result, seen


def compare_verdicts(known):
    """The same for a run in which everything is enforced."""
    seen, table = {"same": [], "unlisted": [], "listed": set(), "tags": set(), "denied": 0}, verdicts.Table()
    diverged = set()  # cases of which a step was not let in: what follows is not what was recorded

    def on_result(case, where, got):
        tag = case.id if where == case.path else f"{case.id}/{os.path.basename(where)}"
        want = json.load(open(os.path.join(where, "expected.json")))
        faults, all_in = table.compare(case.id, tag, want, got, known)
        if not all_in:
            diverged.add(case.id)
        seen["denied"] += not all_in
        if all_in and case.id not in diverged and tag not in known and want["outcome"] not in state.BAD:
            faults += state.verdict(want, got)[0]
        seen["unlisted" if faults else "same"].append(tag)
        if faults:
            print(f"-- {tag}")
        for path, wanted, found in faults:
            print(f"     {path}\n       want {replay.show(wanted)}\n       got  {replay.show(found)}", flush=True)

    return on_result, seen


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("environment", "albedo", "kubectl"):
        p.add_argument(f"--{name}", required=True, type=os.path.abspath)
    p.add_argument("--verdict", action="store_true", help="enforce everything, and compare what is refused")
    p.add_argument("--without-solo", action="store_true", help="with --verdict: leave out cases that must be alone")
    p.add_argument("--cases", action="append", help="folder of cases; default: cases beside this script")
    p.add_argument("only", nargs="*", help="case ids or beginnings of ids")
    a = p.parse_args()
    known = known_differences()
    with tempfile.TemporaryDirectory() as folder:
        # The environment ends when its standard input closes, so also when this process is killed.
        environment = subprocess.Popen([a.environment], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            world = json.loads(environment.stdout.readline())
            hold_to_policy(a.albedo, world["aws"])
            probes = free_port()
            argv = ["--kubeconfig", world["kubeconfig"], "--aws", world["aws"], "--ready", f"http://127.0.0.1:{probes}/readyz",
                    "--controller", controller(a, folder, probes), "--log", os.path.join(folder, "albedo.log")]
            for cases in a.cases or [os.path.join(HERE, "cases")]:
                argv += ["--cases", cases]
            if a.verdict:  # what is refused makes nothing; all that can share a region does, as far as its quota of 50 load balancers goes
                argv += ["--batch", "40", "--quiet", "2"] + ["--without-solo"] * a.without_solo
            on_result, seen = (compare_verdicts if a.verdict else compare)(known)
            broken = replay.main(argv + a.only, on_result)
            if seen["unlisted"] or broken:
                sys.stdout.write("".join(open(os.path.join(folder, "albedo.log"), errors="replace").readlines()[-40:]))
        finally:
            environment.stdin.close()
            environment.wait(30)
    stale = [t for t in known if t in seen["tags"] and t not in seen["listed"]]
    if a.verdict:
        stale = []
        print(f"{len(seen['same'])} as the tables say, {seen['denied']} of them with a refusal, {len(seen['unlisted'])} not")
    else:
        print(f"{len(seen['same'])} identical, {len(seen['listed'])} listed differences, {len(seen['unlisted'])} unlisted")
    for tag in seen["unlisted"]:
        print(f"  unlisted: {tag}")
    for tag in stale:
        print(f"  listed, but identical now: {tag} (take it out of differences.tsv)")
    return 1 if seen["unlisted"] or stale or broken or not seen["same"] else 0


if __name__ == "__main__":
    sys.exit(main())
