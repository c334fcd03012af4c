#!/bin/sh
# Creates a cluster, unless the nodes form one already, and waits until all of them serve: form-cluster.sh <address>:<port> …
# Their password, if any, is in REDISCLI_AUTH. May be run again at any time.
set -eu

# Waits up to a minute until the node's `cluster info` contains the line $2.
wait_for() {
  tries=0
  until redis-cli -h "${1%:*}" -p "${1##*:}" cluster info 2>&1 | grep -q "$2"; do
    tries=$((tries + 1))
    if [ "$tries" -ge 120 ]; then
      echo "The Redis node $1 does not get to $2" >&2
      exit 1
    fi
    sleep 0.5
  done
}

for node in "$@"; do
  wait_for "$node" '^cluster_state:'
done
if redis-cli -h "${1%:*}" -p "${1##*:}" cluster info | grep -q '^cluster_slots_assigned:0'; then
  redis-cli --cluster create "$@" --cluster-yes
fi
for node in "$@"; do
  wait_for "$node" '^cluster_state:ok'
  wait_for "$node" "^cluster_size:$#"
done
