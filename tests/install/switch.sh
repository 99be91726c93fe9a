#!/usr/bin/env bash
# The switch in a cluster that the AWS Load Balancer Controller ("LBC") left, and the way back, as docs/migration.md tells it: load balancers, targets and
# rules stay, with not one write to AWS, and what LBC knows its objects by stays on them.
#
# Needs what story.sh needs; CLUSTER, REGION and VPC are those of the frozen cluster, in which LBC is scaled to 0 already.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHART=$HERE/../../deploy/helm/albedo
NAMESPACE=albedo-system
# shellcheck source=tests/install/lib.sh
source "$HERE/lib.sh"

# What LBC reads of its objects: all but what Kubernetes counts by itself. A status that stayed empty because LBC never provisioned an Ingress is no difference.
as_lbc_sees_it() {
    local kind
    for kind in ingresses targetgroupbindings ingressclasses ingressclassparams; do
        kubectl get "$kind" --all-namespaces --output json
    done | python3 -c '
import json, sys
decoder, text, at = json.JSONDecoder(), sys.stdin.read(), 0
while at < len(text.rstrip()):
    found, at = decoder.raw_decode(text, at)
    at += len(text[at:]) - len(text[at:].lstrip())
    for item in found["items"]:
        for counted in ("managedFields", "resourceVersion", "generation"):
            item["metadata"].pop(counted, None)
        print(json.dumps(item, sort_keys=True))
'
}

step "Before: is this cluster ready?"
run albedo preflight --cluster-name="$CLUSTER" --aws-region="$REGION" --aws-vpc-id="$VPC" || [[ $? == 1 ]]
before=$(aws_writes)
as_lbc_sees_it >"$WORK/before"

step "The switch"
run kubectl apply --server-side --force-conflicts -f "$CHART/crds"
run helm install albedo "$CHART" --namespace "$NAMESPACE" --create-namespace --values "$VALUES" >/dev/null
run kubectl -n "$NAMESPACE" rollout status deployment/albedo --timeout=120s
run helm test albedo --namespace "$NAMESPACE" >/dev/null
all=$(kubectl get targetgroupbindings --all-namespaces --output name | wc -l)
eventually 60 sh -c 'kubectl get ingressgroups --no-headers | grep -q . && ! kubectl get ingressgroups --no-headers | grep -qv Ready'
quiet
run kubectl get ingressgroups
[[ $(aws_writes) == "$before" ]] || fail "$(($(aws_writes) - before)) calls changed something in AWS"
printf 'not one write to AWS; %s bindings\n' "$all"

step "Back to LBC"
run helm uninstall albedo --namespace "$NAMESPACE" --wait
eventually 60 sh -c '! kubectl get validatingwebhookconfiguration albedo-webhook'
quiet
[[ $(aws_writes) == "$before" ]] || fail "$(($(aws_writes) - before)) calls changed something in AWS"
as_lbc_sees_it >"$WORK/after"
diff -u "$WORK/before" "$WORK/after" || fail "LBC would not find its objects as it left them"
printf 'not one write to AWS, and the objects are as LBC left them\n\nThe end.\n'
