#!/usr/bin/env bash
# A conversation with curl: `attune.sh http://127.0.0.1:8000 my-session "I want to feel calmer"`.
#
# ATTUNE_TOKEN is presented where it is set. The key makes the message safe to send again: curl does so while the server is
# away, and it is one turn however often it arrives. Needs curl 7.71 or later.
set -euo pipefail

url=$1 session=$2 text=$3
key=${KEY:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}
credential=()
if [[ -n ${ATTUNE_TOKEN:-} ]]; then
  # On standard input, where no list of processes shows it.
  credential=(--config -)
fi
body=$(printf '%s' "$text" | python3 -c 'import json, sys; print(json.dumps({"user_input": sys.stdin.read()}))')

printf 'header = "Authorization: Bearer %s"\n' "${ATTUNE_TOKEN:-}" |
  curl --silent --show-error --fail-with-body --retry 10 --retry-connrefused --retry-all-errors --retry-max-time 120 \
    "${credential[@]}" --header 'Content-Type: application/json' --header "Idempotency-Key: $key" \
    --data "$body" "$url/session/$session/input"
