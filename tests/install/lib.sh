# What the scripts beside this one share: steps, checks, and people who apply all the time.
# shellcheck shell=bash

step() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}
# A command, as one would type it, and then what it says.
run() {
    printf '$ %s\n' "$*"
    "$@"
}

# How many calls have changed something in AWS so far. The emulator counts them.
aws_writes() { curl --silent --fail "$AWS_ENDPOINT_URL/albedo/stats" | sed 's/.*"writes": *\([0-9]*\).*/\1/'; }

# Waits until a command succeeds, for at most so many seconds.
eventually() { # seconds, command
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "in time: $*"
        sleep 0.5
    done
}

# Waits until AWS has not been written to for three seconds.
quiet() {
    local before
    until before=$(aws_writes) && sleep 3 && [[ $(aws_writes) == "$before" ]]; do :; done
}

# Starts people who apply an Ingress again and again, each time with another path; `applied` ends them and insists that nothing failed.
appliers=() applied_in=
applying() { # how many
    applied_in=$(mktemp -d)
    local n
    for n in $(seq "$1"); do
        while [[ ! -e $applied_in/stop ]]; do
            sed "s/NAME/applied-$n/; s/VALUE/$RANDOM/" "$HERE/applied.yaml" >"$applied_in/$n.yaml"
            if kubectl apply -f "$applied_in/$n.yaml" >>"$applied_in/$n.out" 2>&1; then
                echo applied >>"$applied_in/fine"
            else
                cp "$applied_in/$n.out" "$applied_in/failed-$n"
            fi
        done &
        appliers+=($!)
    done
}
applied() {
    touch "$applied_in/stop"
    wait "${appliers[@]}"
    appliers=()
    local failed
    failed=$(find "$applied_in" -name 'failed-*' | head -1)
    [[ -z $failed ]] || fail "an apply failed: $(tail -3 "$failed")"
    printf '%s applies meanwhile, none failed\n' "$(wc -l <"$applied_in/fine")"
    rm -r "$applied_in"
}
