#!/usr/bin/env bash
# Ends what one_machine_up.sh started in DIR, process by process, and removes DIR.
set -uo pipefail
dir=${1:?usage: one_machine_down.sh DIR}
[ -d "$dir/run" ] || exit 0
export SLURM_CONF="$dir/slurm.conf"
timeout 20 scancel --user=root >/dev/null 2>&1 && sleep 1
pids=()
for file in "$dir"/run/slurmd-*.pid "$dir/run/slurmctld.pid" "$dir/run/munged.pid"; do
    [ -s "$file" ] || continue
    pid=$(cat "$file") name=$(basename "$file" .pid)
    # A number may have been given to somebody else's process since.
    grep -qa "${name%%-*}" "/proc/$pid/cmdline" 2>/dev/null && kill "$pid" 2>/dev/null && pids+=("$pid")
done
for pid in "${pids[@]}"; do
    for ((i = 0; i < 100; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null
done
rm -rf "$dir"
