#!/usr/bin/env bash
# Builds what the tests stand on (etcd, the Kubernetes control plane, cert-manager, tools, the AWS emulator's Python) into a cache outside target/.
#
#   tests/environment.sh controlplane     etcd, kube-apiserver, kube-controller-manager, kubectl
#   tests/environment.sh tools [NAME…]    certmanager, helm (the default), vegeta, toxiproxy
#   tests/environment.sh aws              a Python environment for tests/aws/emulator.py
#   tests/environment.sh all              controlplane, tools, aws
#
# The last line on stdout is the folder of the executables (`all`: one line each); progress goes to stderr. What is there
# already is not built again, and two callers at the same time build once. A folder's name is a hash of everything that
# goes into it, so branches share the cache without disturbing each other.
#
#   ALBEDO_CACHE        the cache; default ${XDG_CACHE_HOME:-$HOME/.cache}/albedo
#   KUBEBUILDER_ASSETS  a folder that holds the control plane's executables already; nothing is built then
#   PYTHON              the Python that the environment is made from; default python3
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${ALBEDO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/albedo}

kubernetes=1.36.3
certmanager=1.21.2
helm=4.2.4
toxiproxy=2.12.0
CONTROLPLANE=(etcd kube-apiserver kube-controller-manager kubectl)

# Clients parse the server's version; without these it reports v0.0.0-master.
kubernetes_flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    kubernetes_flags+=" -X $package.gitVersion=v$kubernetes -X $package.gitMajor=${kubernetes%%.*}"
    kubernetes_flags+=" -X $package.gitMinor=$(cut -d. -f2 <<<"$kubernetes") -X $package.gitTreeState=clean"
done

say() { printf 'environment: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# What is built for a name: the linker's flags, a tab, the package.
recipe() {
    case $1 in
        etcd) printf -- '-s -w\tgo.etcd.io/etcd/server/v3' ;;
        kube-apiserver | kube-controller-manager | kubectl) printf '%s\tk8s.io/kubernetes/cmd/%s' "$kubernetes_flags" "$1" ;;
        certmanager) printf -- '-s -w -X github.com/cert-manager/cert-manager/pkg/util.AppVersion=v%s\t./certmanager' "$certmanager" ;;
        helm) printf -- '-s -w -X helm.sh/helm/v4/internal/version.version=v%s\thelm.sh/helm/v4/cmd/helm' "$helm" ;;
        vegeta) printf -- '-s -w\tgithub.com/tsenart/vegeta/v12' ;;
        toxiproxy) printf -- '-s -w -X github.com/Shopify/toxiproxy/v2.Version=%s\tgithub.com/Shopify/toxiproxy/v2/cmd/server' "$toxiproxy" ;;
        *) die "nothing called '$1' can be built here; there are: ${CONTROLPLANE[*]} certmanager helm vegeta toxiproxy" ;;
    esac
}

# The first 16 hex digits over the files named and what comes on stdin.
key() {
    { cat "$@"; cat; } | sha256sum | cut -c1-16
}

missing() { # folder, names: those that are not there
    local folder=$1 name
    shift
    for name; do
        [[ -x $folder/$name ]] || printf '%s\n' "$name"
    done
}

# Runs the rest with the lock of one folder held; a second caller waits and then finds the work done.
locked() {
    mkdir -p "$cache"
    (
        flock -n 9 || { say "waiting for another run that builds $1"; flock 9; }
        shift
        "$@"
    ) 9>"$cache/$1.lock"
}

build_go() { # module's folder, folder of executables, names
    local module=$1 bin=$2 name flags package temp
    shift 2
    command -v go >/dev/null || die "needs go on PATH to build $*"
    mkdir -p "$bin"
    rm -rf "$bin"/.building.* # of a run that was killed
    temp=$(mktemp -d "$bin/.building.XXXXXX")
    # shellcheck disable=SC2064  # expanded now: the variable is gone when the trap runs
    trap "rm -rf '$temp'" EXIT
    for name in $(missing "$bin" "$@"); do
        IFS=$'\t' read -r flags package <<<"$(recipe "$name")"
        say "building $name (minutes the first time)"
        # -trimpath in every build: with and without it nothing of Go's own cache is shared.
        (cd "$module" && GOFLAGS=-buildvcs=false GOWORK=off go build -trimpath -ldflags "$flags" -o "$temp/$name" "$package") >&2 \
            || die "go build of $name ($package) in $module failed"
        [[ $name != certmanager ]] || custom_resources "$module" "$bin/../crds" "$temp"
        mv -f "$temp/$name" "$bin/$name"
    done
}

# cert-manager's own custom resource definitions, beside the executables; before certmanager itself, which is what is looked for.
custom_resources() { # module's folder, target, folder to work in
    local source
    source=$(cd "$1" && go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)/deploy/crds
    mkdir "$3/crds"
    cp "$source"/*.yaml "$3/crds/" || die "cert-manager's module has no definitions in $source"
    chmod u+w "$3/crds"/*
    rm -rf "$2"
    mv "$3/crds" "$2"
}

built() { # folder's name in the cache, module's folder, names
    local folder=$1 module=$2 bin=$cache/$1/bin
    shift 2
    if [[ -n $(missing "$bin" "$@") ]]; then
        locked "$folder" build_go "$module" "$bin" "$@"
    fi
    printf '%s\n' "$bin"
}

controlplane() {
    if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
        local lacking
        lacking=$(missing "$KUBEBUILDER_ASSETS" "${CONTROLPLANE[@]}")
        [[ -z $lacking ]] || die "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks $(tr '\n' ' ' <<<"$lacking")"
        printf '%s\n' "$KUBEBUILDER_ASSETS"
        return
    fi
    local module=$here/controlplane
    built "controlplane-$(key "$module/go.sum" <<<"$kubernetes_flags")" "$module" "${CONTROLPLANE[@]}"
}

tools() {
    [[ $# -gt 0 ]] || set -- certmanager helm
    local module=$here/tools name
    for name; do
        recipe "$name" >/dev/null
    done
    built "tools-$(key "$module/go.sum" "$module/certmanager/main.go" <<<"$certmanager $helm $toxiproxy")" "$module" "$@"
}

build_python() { # folder
    local folder=$1 temp python=${PYTHON:-python3}
    [[ ! -x $folder/bin/python ]] || return 0
    command -v "$python" >/dev/null || die "needs $python on PATH to make the emulator's environment"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$python is older than 3.11, which the pinned packages need"
    rm -rf "$folder".building.* # of a run that was killed
    temp=$(mktemp -d "$folder.building.XXXXXX")
    # shellcheck disable=SC2064  # expanded now: the variable is gone when the trap runs
    trap "rm -rf '$temp'" EXIT
    say "installing the AWS emulator's packages (a minute the first time)"
    "$python" -m venv "$temp" >&2 || die "$python -m venv failed"
    "$temp/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/aws/requirements.txt" >&2 \
        || die "pip install of $here/aws/requirements.txt failed"
    # Scripts in bin name the folder they were made in, which is renamed below; only the interpreter itself is used.
    find "$temp/bin" -type f ! -name 'python*' -delete
    rm -rf "$folder"
    mv "$temp" "$folder"
}

aws() {
    local name folder
    name=aws-$(key "$here/aws/requirements.txt" </dev/null)
    folder=$cache/$name
    if [[ ! -x $folder/bin/python ]]; then
        locked "$name" build_python "$folder"
    fi
    printf '%s\n' "$folder/bin"
}

case ${1:-} in
    controlplane | aws) "$1" ;;
    tools) "$@" ;;
    all)
        controlplane
        tools
        aws
        ;;
    *)
        sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
esac
