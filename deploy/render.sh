#!/usr/bin/env bash
# Puts the installation together as one file, deploy/albedo.yaml, in the order in which it is to be applied.
#
#   deploy/render.sh           writes deploy/albedo.yaml
#   deploy/render.sh --check   fails, and shows the difference, when deploy/albedo.yaml is out of date
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=deploy/albedo.yaml

files=(
    deploy/namespace.yaml
    deploy/crds/elbv2.k8s.aws_targetgroupbindings.yaml
    deploy/crds/elbv2.k8s.aws_ingressclassparams.yaml
    deploy/crds/albedo.dev_ingressgroups.yaml
    deploy/serviceaccount.yaml
    deploy/rbac.yaml
    certs/issuer.yaml
    certs/serving.yaml
    deploy/service.yaml
    deploy/networkpolicy.yaml
    deploy/deployment.yaml
    deploy/poddisruptionbudget.yaml
    deploy/ingressclass.yaml
)
# Last, because from then on the API server calls Albedo. `albedo webhook-config` generates it.
webhooks=webhook-config/albedo-webhooks.yaml

# A manifest that neither list names would silently not be installed.
listed() {
    printf '%s\n' "${files[@]}" | sort
}
present() {
    find deploy/ deploy/crds/ certs -name '*.yaml' ! -name kustomization.yaml ! -path "$target" ! -path 'deploy/helm/*' | sed 's,//*,/,g' | sort
}
kustomized() {
    sed -n 's,^  - \(.*\.yaml\)$,deploy/\1,p' deploy/kustomization.yaml
    sed -n 's,^  - \(.*\.yaml\)$,certs/\1,p' certs/kustomization.yaml
}
diff <(listed) <(present) >&2 || { echo "render.sh: the list (<) and the folders (>) differ" >&2; exit 1; }
diff <(listed) <(kustomized | sort) >&2 || { echo "render.sh: the list (<) and the kustomizations (>) differ" >&2; exit 1; }

render() {
    local file
    echo "# Made by deploy/render.sh from deploy/, certs/ and webhook-config/; edit those."
    for file in "${files[@]}"; do
        printf -- '---\n# %s\n' "$file"
        cat "$file"
    done
    if [[ -f $webhooks ]]; then
        printf -- '---\n# %s\n' "$webhooks"
        # The file may open a document itself; an empty one between two markers is of no use.
        sed '1{/^---$/d}' "$webhooks"
    fi
}

case ${1:-} in
    "") render >"$target" ;;
    --check)
        [[ -f $target ]] || { echo "render.sh: $target is missing; run deploy/render.sh" >&2; exit 1; }
        diff -u "$target" <(render) >&2 || { echo "render.sh: $target is out of date; run deploy/render.sh" >&2; exit 1; }
        ;;
    *) echo "usage: deploy/render.sh [--check]" >&2; exit 2 ;;
esac
