# Sourced by the other scripts: locks that survive a crash of their holder, and children that get our signals.
# shellcheck shell=bash

# What a process was started as; nothing for one that has ended, also when nobody has reaped it yet.
command_of() {
    if [ -r "/proc/$1/cmdline" ]; then
        tr '\0' ' ' <"/proc/$1/cmdline"
    else
        ps -o args= -p "$1" 2>/dev/null || true
    fi
}

# take_lock FILE: true when this script now holds FILE; else `lock_holder` is the process that does.
# A lock whose holder has ended, or whose number now belongs to another program, is taken over.
lock_holder=
take_lock() {
    local tries=0
    until (set -o noclobber && echo "$$" >"$1") 2>/dev/null; do
        lock_holder=$(cat "$1" 2>/dev/null || true)
        case "$lock_holder" in
            '' | *[!0-9]*) ;;
            *) case "$(command_of "$lock_holder")" in *scripts/*) return 1 ;; esac ;;
        esac
        rm -f "$1"
        tries=$((tries + 1))
        [ "$tries" -lt 10 ] || return 1
    done
}

# A signal ends this script through its EXIT trap, with the status that says so.
exit_on_signals() {
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# run_child process|group COMMAND...: runs COMMAND in a process group of its own and waits for its end, whatever signal
# arrives here; SIGINT, SIGTERM and SIGHUP are handed on to it, or to its whole group. Returns its exit status; a group
# that was signaled has never succeeded.
run_child() {
    local reach=$1 child target signal status again signaled=
    shift
    set -m
    "$@" </dev/null &
    child=$!
    set +m
    target=$child
    [ "$reach" = process ] || target=-$child
    # shellcheck disable=SC2064  # `target` is meant as it is now
    for signal in INT TERM HUP; do
        trap "again=1; signaled=1; kill -$signal -- $target 2>/dev/null || true" "$signal"
    done
    while :; do
        again=
        status=0
        wait "$child" || status=$?
        [ -n "$again" ] || break
    done
    exit_on_signals
    if [ "$reach" = group ] && [ -n "$signaled" ] && [ "$status" = 0 ]; then return 130; fi
    return "$status"
}
