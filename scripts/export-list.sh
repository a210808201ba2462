#!/usr/bin/env bash
# Exports the chats of a list, tries again what may succeed later, and alerts by exit code.
#
#   export-list.sh LIST ARCHIVE [OPTION of tgbulk export]...
#
# TGBULK    the command (tgbulk)
# TRIES     how often in all (5)
# PAUSE     seconds before another try where Telegram names no time; they double (30)
# MOST_WAIT seconds of the longest wait that is sat out (3600)
# ALERT     a command that gets the exit code and a sentence in the end, where the code is not 0 (none)
#
# A chat that cannot be had does not stop the others and is not tried again. The exit code is that of the last try.
set -uo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
list=$1 archive=$2
shift 2

folder=$(mktemp -d) || exit 8
trap 'rm -rf "$folder"' EXIT
summary=$folder/summary.json
pause=${PAUSE:-30}

for ((try = 1; ; try++)); do
    rm -f "$summary"
    "${TGBULK:-tgbulk}" export --chats-file "$list" --summary "$summary" --quiet "$@" -o "$archive"
    code=$?
    case $code in
    0 | 130) exit $code ;;
    2 | 11) break ;; # a wrong list or option; stopped on purpose
    esac
    [ "$try" -lt "${TRIES:-5}" ] || break
    grep -q '"retryable": *true' "$summary" 2>/dev/null || break
    wait=$(sed -n 's/.*"retry_after": *\([0-9][0-9]*\).*/\1/p' "$summary" | sort -n | tail -n 1)
    if [ -z "$wait" ]; then
        wait=$pause
        pause=$((pause * 2))
    fi
    [ "$wait" -le "${MOST_WAIT:-3600}" ] || break
    echo "export-list: exit code $code, try $try; again in $wait s" >&2
    sleep "$wait" || exit
done
echo "export-list: $archive: given up after $try tries (exit code $code)" >&2
if [ -n "${ALERT:-}" ]; then
    "$ALERT" "$code" "$archive: given up after $try tries"
fi
exit "$code"
