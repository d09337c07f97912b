#!/usr/bin/env bash
# A conversation with curl:
#
#   attune.sh http://127.0.0.1:8000 my-session "I want to feel calm"     says something, and prints the turn
#   attune.sh http://127.0.0.1:8000 my-session                           follows what happens, an event on a line
#
# ATTUNE_TOKEN is presented where it is set. A message has a key, which makes it safe to send again: curl does so while the
# server is away, and it is one turn however often it arrives. What is followed goes on behind the last event that was printed,
# which is noted in `attune-SESSION.last` in this directory. Needs curl 7.71 or later.
set -euo pipefail

url=$1 session=$2

ask() {
  credential=()
  if [[ -n ${ATTUNE_TOKEN:-} ]]; then
    # On standard input, where no list of processes shows it.
    credential=(--config -)
  fi
  printf 'header = "Authorization: Bearer %s"\n' "${ATTUNE_TOKEN:-}" |
    curl --silent --show-error "${credential[@]}" "$@"
}

say() {
  key=${KEY:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}
  body=$(printf '%s' "$1" | python3 -c 'import json, sys; print(json.dumps({"user_input": sys.stdin.read()}))')
  ask --fail-with-body --retry 10 --retry-connrefused --retry-all-errors --retry-max-time 120 \
    --header 'Content-Type: application/json' --header "Idempotency-Key: $key" \
    --data "$body" "$url/session/$session/input"
}

# One stream, to its end. What was refused is printed, and ends the script where waiting does not help.
listen() {
  local id='' data='' status='' line
  while IFS= read -r line; do
    case $line in
      'id: '*) id=${line#id: } ;;
      'data: '*) data=${line#data: } ;;
      ': '*) [[ -e $last ]] || : >"$last" ;;
      'status: '*) status=${line#status: } ;;
      '{'*) printf '%s\n' "$line" >&2 ;;
      '')
        if [[ -n $data ]]; then
          printf '%s\n' "$data"
          printf '%s' "$id" >"$last.new" && mv "$last.new" "$last"
          pause=1
        fi
        data=''
        ;;
    esac
  # A stream says every 15 s that it is still there.
  done < <(ask --no-buffer --speed-limit 1 --speed-time 45 --write-out '\nstatus: %{http_code}\n' \
    --header "Last-Event-ID: $(cat "$last" 2>/dev/null)" "$url/session/$session/events" || true)
  [[ ! $status =~ ^4 || $status =~ ^(408|429)$ ]] || exit 1
}

follow() {
  last=attune-$session.last
  pause=1
  while true; do
    listen
    sleep "$pause"
    pause=$((pause < 8 ? pause * 2 : 10))
  done
}

if (($# > 2)); then
  say "$3"
else
  follow
fi
