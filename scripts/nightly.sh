#!/usr/bin/env bash
# Brings an archive of all channels up to date, once a night.
#
#   nightly.sh ARCHIVE [OPTION of tgbulk export]...
#
# TGBULK     the command (tgbulk)
# WAIT_LOCK  seconds to wait for a run that is still going on (3600)
# TEXTFILE   where node_exporter's textfile collector looks, as /var/lib/node_exporter/tgbulk.prom (none)
# ALERT      a command that gets the exit code and a sentence when somebody has to look (none)
#
# Takes Telegram's export mode where Telegram grants it at once. The exit code is that of tgbulk export.
set -uo pipefail

if [ $# -lt 1 ]; then
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
archive=$1
shift

options=(--type channel --takeout try --wait-lock "${WAIT_LOCK:-3600}" --quiet)
if [ -n "${TEXTFILE:-}" ]; then
    options+=(--metrics-textfile "$TEXTFILE")
fi
"${TGBULK:-tgbulk}" export "${options[@]}" "$@" -o "$archive"
code=$?

case $code in
0 | 130) exit $code ;;
3) text="some channels are not complete" ;;
6) text="another run holds the account or the archive" ;;
7) text="Telegram cannot be reached" ;;
9 | 10) text="Telegram asks to wait" ;;
11) text="the run was stopped" ;;
*) text="the run failed" ;;
esac
echo "nightly: $archive: $text (exit code $code)" >&2
if [ -n "${ALERT:-}" ]; then
    "$ALERT" "$code" "$archive: $text"
fi
exit $code
