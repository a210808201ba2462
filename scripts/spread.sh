#!/usr/bin/env bash
# Exports the chats of a list with several accounts at a time, each with its share and an archive of its own.
#
#   spread.sh LIST FOLDER ACCOUNT...
#
# TGBULK   the command (tgbulk)
# OPTIONS  options of tgbulk export, for all of them (none)
#
# Line n goes to account n, counted round; the shares stay the same while lines are only added. FOLDER/ACCOUNT is its archive.
# One tgbulk with several --account shares the work on each chat instead, in one archive. The exit code is the
# one that all accounts have in common, else 3.
set -uo pipefail

if [ $# -lt 3 ]; then
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
list=$1 folder=$2
shift 2
accounts=("$@")

shares=$(mktemp -d) || exit 8
pids=()
trap 'rm -rf "$shares"' EXIT
trap 'kill "${pids[@]}" 2>/dev/null; wait; exit 130' INT
trap 'kill "${pids[@]}" 2>/dev/null; wait; exit 11' TERM

mkdir -p "$folder" || exit 8
grep -vE '^[[:space:]]*(#|$)' "$list" >"$shares/all" || {
    echo "spread: $list names no chats" >&2
    exit 2
}
for place in "${!accounts[@]}"; do
    awk -v n="${#accounts[@]}" -v k="$place" 'NR % n == (k + 1) % n' "$shares/all" >"$shares/$place"
done

read -r -a options <<<"${OPTIONS:-}"
for place in "${!accounts[@]}"; do
    [ -s "$shares/$place" ] || continue
    account=${accounts[$place]}
    "${TGBULK:-tgbulk}" export --account "$account" --chats-file "$shares/$place" --quiet ${options[@]+"${options[@]}"} \
        -o "$folder/$account" &
    pids+=($!)
done

codes=()
for pid in "${pids[@]}"; do
    wait "$pid"
    codes+=($?)
done
mapfile -t distinct < <(printf '%s\n' "${codes[@]}" | sort -u)
[ "${#distinct[@]}" -eq 1 ] || exit 3
exit "${distinct[0]}"
