#!/usr/bin/env bash
# Interrupts the demo at several moments (seconds, as arguments), as Ctrl-C and as another program would, and looks for
# what is left.
# Build first, so that the moments are not all in the build.
set -euo pipefail
cd "$(dirname "$0")/.."

# Everything that the demo starts inherits this, so that only its own leftovers are found.
mark=OTAFERRY_DEMO_TEST=$$
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
mistakes=0

left_over() {
    local file
    for file in /proc/[0-9]*/environ; do
        # Other users' processes cannot be read, and some have ended meanwhile.
        if { tr '\0' '\n' <"$file" | grep -qx "$mark"; } 2>/dev/null; then
            file=${file%/environ}
            printf '%s %s\n' "${file#/proc/}" "$({ tr '\0' ' ' <"$file/cmdline" | cut -c 1-100; } 2>/dev/null)"
        fi
    done
}

interrupt() {
    local signal=$1 after=$2 code=0
    # A session of its own with a terminal of its own: the signal of Ctrl-C goes to its whole foreground group.
    env "$mark" python3 - "$signal" "$after" >"$scratch/screen" 2>&1 <<'END' || code=$?
import os, pty, signal, sys, time
number, after = sys.argv[1], float(sys.argv[2])
child, terminal = pty.fork()
if child == 0:
    os.execvp("packaging/demo.sh", ["packaging/demo.sh"])
os.set_blocking(terminal, False)
start, sent, code = time.time(), False, None
while time.time() - start < after + 60:
    try:
        sys.stdout.buffer.write(os.read(terminal, 65536))
    except (BlockingIOError, OSError):
        pass
    if not sent and time.time() - start >= after:
        sent = True
        if number == "INT":
            os.write(terminal, b"\x03")
        else:
            os.kill(child, getattr(signal, "SIG" + number))
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        code = os.waitstatus_to_exitcode(status)
        break
    time.sleep(0.02)
sys.exit(255 if code is None else code % 256)
END
    local left folders
    left=$(left_over)
    folders=$(find "$scratch" -mindepth 1 -maxdepth 1 ! -name screen)
    if [[ -n $left || -n $folders ]]; then
        mistakes=$((mistakes + 1))
        printf 'left behind by %s after %s s (%s):\n%s\n%s\n' "$signal" "$after" "$code" "$left" "$folders" >&2
        tail -n 5 "$scratch/screen" >&2
        # They are this script's own.
        if [[ -n $left ]]; then cut -d ' ' -f 1 <<<"$left" | xargs -r kill -KILL 2>/dev/null || true; fi
        find "$scratch" -mindepth 1 -maxdepth 1 ! -name screen -exec rm -rf {} +
    elif [[ $code -ne 0 && $code -ne 129 && $code -ne 130 && $code -ne 143 ]]; then
        mistakes=$((mistakes + 1))
        printf '%s after %s s ended with %s:\n' "$signal" "$after" "$code" >&2
        tail -n 5 "$scratch/screen" >&2
    else
        printf '%-4s after %4s s: ended with %3s, nothing left\n' "$signal" "$after" "$code"
    fi
}

moments=("$@")
[[ $# -gt 0 ]] || moments=(0.1 0.5 1 2 3 4 5 6 7 8)
for moment in "${moments[@]}"; do
    interrupt INT "$moment"
    interrupt TERM "$moment"
done
interrupt HUP 4
[[ $mistakes -eq 0 ]]
