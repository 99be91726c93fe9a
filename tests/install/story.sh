#!/usr/bin/env bash
# The life of an installation, as docs/install.md tells it: from an empty cluster through upgrades, a rollback and the change of where certificates come
# from, to the end and a new beginning. Applies go on all the time, and none may fail.
#
#   story.sh [ROUNDS]     how often it is upgraded and its certificate renewed, one after the other; 1 by default
#
# Needs kubectl, helm and curl on PATH, KUBECONFIG of a cluster with nodes and cert-manager, VALUES (a values file with the image, the cluster's name, region and
# credentials), and AWS_ENDPOINT_URL of the emulator, which counts what is written. `tests/it/story.rs` brings all of that.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHART=$HERE/../../deploy/helm/albedo
NAMESPACE=albedo-system
ROUNDS=${1:-1}
# shellcheck source=tests/install/lib.sh
source "$HERE/lib.sh"

helm_albedo() { # command, more arguments
    local command=$1
    shift
    run helm "$command" albedo "$CHART" --namespace "$NAMESPACE" --values "$VALUES" "$@" >/dev/null
}
rolled_out() { run kubectl -n "$NAMESPACE" rollout status deployment/albedo --timeout=120s; }
registered() { # webhook, failure policy
    local said
    said=$(kubectl get mutatingwebhookconfiguration albedo-webhook --output "jsonpath={.webhooks[?(@.name=='$1')].failurePolicy}") || return 1
    [[ $said == "$2" ]]
}
refuses() {
    local said
    ! said=$(kubectl apply -f "$HERE/wrong.yaml" 2>&1) || fail "a wrong Ingress was taken"
    [[ $said == *ALB002* ]] || fail "refused by somebody else: $said"
    printf '%s\n' "$said"
}

step "Before: nobody refuses anything"
run kubectl apply --dry-run=server -f "$HERE/wrong.yaml"

step "Installed, without cert-manager"
helm_albedo install --create-namespace
rolled_out
run helm test albedo --namespace "$NAMESPACE"

step "A wrong Ingress is refused, a right one becomes a load balancer"
refuses
run kubectl apply -f "$HERE/../../examples/2048.yaml"
eventually 60 sh -c 'kubectl -n game-2048 get ingress game-2048 -o yaml | grep -q "hostname: k8s-"'
run kubectl -n game-2048 get ingress

step "Upgraded with other values, while people apply"
applying 4
helm_albedo upgrade --set replicaCount=3 --set logLevel=debug --set podMutatorWebhookConfig.failurePolicy=Fail
rolled_out
applied
eventually 60 registered mpod.albedo.dev Fail

step "Rolled back"
applying 4
run helm rollback albedo 1 --namespace "$NAMESPACE"
rolled_out
applied
eventually 60 registered mpod.albedo.dev Ignore

step "Upgraded and its certificate renewed, $ROUNDS times"
certificate() { kubectl -n "$NAMESPACE" get secret albedo-serving --output 'jsonpath={.data.tls\.crt}'; }
is_renewed() { [[ $(certificate) != "$served" ]]; }
applying 4
for round in $(seq "$ROUNDS"); do
    helm_albedo upgrade --set-string podAnnotations.round="$round"
    rolled_out
    served=$(certificate)
    run kubectl -n "$NAMESPACE" annotate secret albedo-serving albedo.dev/renew="$round" --overwrite
    eventually 60 is_renewed
done
applied

step "Certificates from cert-manager from now on"
applying 4
helm_albedo upgrade --set certificates=cert-manager
rolled_out
refuses
applied

step "And by Albedo itself again"
applying 4
helm_albedo upgrade --set certificates=self
rolled_out
refuses
applied
run kubectl delete ingress --namespace default --selector '!none' --timeout=60s
quiet

step "Uninstalled: load balancers, bindings and classes stay, and nobody refuses anything"
before=$(aws_writes)
run helm uninstall albedo --namespace "$NAMESPACE" --wait
eventually 60 sh -c '! kubectl get validatingwebhookconfiguration albedo-webhook'
eventually 60 sh -c '! kubectl get mutatingwebhookconfiguration albedo-webhook'
run kubectl apply --dry-run=server -f "$HERE/wrong.yaml"
run kubectl -n game-2048 get ingress,targetgroupbindings
run kubectl get ingressclass alb

step "Installed again: not one write to AWS"
helm_albedo install
rolled_out
run helm test albedo --namespace "$NAMESPACE" >/dev/null
refuses
quiet
[[ $(aws_writes) == "$before" ]] || fail "$(($(aws_writes) - before)) calls changed something in AWS"

step "The Ingress goes, and takes all of it along"
run kubectl delete -f "$HERE/../../examples/2048.yaml" --timeout=120s
run helm uninstall albedo --namespace "$NAMESPACE" --wait
[[ -z $(kubectl get targetgroupbindings,ingressgroups --all-namespaces --output name) ]] || fail "something is left"
printf '\nThe end.\n'
