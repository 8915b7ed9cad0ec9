#!/usr/bin/env bash
# Starts a whole SLURM cluster on this machine, for tests: a controller and several "nodes" with pretended GPUs.
# Needs root and Debian's slurmctld, slurmd, slurm-client and munge. Run again, it does nothing.
#
#   slurm/one_machine_up.sh DIR      all state, logs and sockets go to DIR; then: . DIR/env.sh
#   slurm/one_machine_down.sh DIR    ends it and removes DIR
#
#   LBP_NODES (4)  LBP_CPUS (4, of each node; may exceed the machine's)  LBP_GPUS (2, of each node)
#   LBP_MAX_ARRAY (11)  LBP_PORT (16830; this one and the LBP_NODES after it)
#
# Exit codes: 0 up, 77 cannot be had here (not root, or not installed), 1 it should have worked.
set -euo pipefail
dir=${1:?usage: one_machine_up.sh DIR}
nodes=${LBP_NODES:-4} cpus=${LBP_CPUS:-4} gpus=${LBP_GPUS:-2} max_array=${LBP_MAX_ARRAY:-11} port=${LBP_PORT:-16830}
last=$((nodes - 1)) host=$(hostname -s)

if [ "$(id -u)" != 0 ]; then echo "needs root"; exit 77; fi
for tool in slurmctld slurmd munged munge sbatch; do
    command -v "$tool" >/dev/null || { echo "needs $tool: apt-get install slurmctld slurmd slurm-client munge"; exit 77; }
done

mkdir -p "$dir"/{munge,state,spool,log,run,dev}
dir=$(cd "$dir" && pwd)
chmod 700 "$dir/munge"
export SLURM_CONF="$dir/slurm.conf"

running() { [ -s "$dir/run/$1.pid" ] && kill -0 "$(cat "$dir/run/$1.pid")" 2>/dev/null; }
await() { # SECONDS COMMAND...
    local tries=$(($1 * 5)); shift
    for ((i = 0; i < tries; i++)); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
    return 1
}
fail() { echo "$1"; tail -n 20 "$dir"/log/*.log; exit 1; }

# A null device stands for a GPU: SLURM counts it and sets CUDA_VISIBLE_DEVICES, and nothing can be computed on it.
: >"$dir/gres.conf"
if [ "$gpus" -gt 0 ]; then
    for ((i = 0; i < gpus; i++)); do [ -c "$dir/dev/nvidia$i" ] || mknod "$dir/dev/nvidia$i" c 1 3; done
    echo "AutoDetect=off" >>"$dir/gres.conf"
    for ((n = 0; n < nodes; n++)); do
        for ((i = 0; i < gpus; i++)); do echo "NodeName=n$n Name=gpu File=$dir/dev/nvidia$i" >>"$dir/gres.conf"; done
    done
fi

# What is not obvious below:
#   cred_expire        how long a requeued job is held back; the default makes that two minutes
#   config_overrides   a node may claim more than the machine has
#   preempt_send_user_signal  a preempted job gets its USR2 (--signal), as on a cluster that is set up well
#   SlurmdTimeout      after so long without an answer a node is dead and its jobs are requeued
#   MinJobAge          for so long squeue still tells how a job ended
cat >"$SLURM_CONF" <<CONF
ClusterName=labelbench
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
MaxArraySize=$max_array
MinJobAge=3600
KillWait=4
CompleteWait=0
InactiveLimit=0
Waittime=0
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=${LBP_NODE_TIMEOUT:-15}
MessageTimeout=10
GresTypes=gpu
NodeName=n[0-$last] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))] Sockets=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=16000 Gres=gpu:$gpus State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE GraceTime=60 State=UP
PartitionName=urgent Nodes=ALL Default=NO MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF State=UP
CONF
printf 'export SLURM_CONF=%q\n' "$SLURM_CONF" >"$dir/env.sh"

if ! running munged; then
    [ -s "$dir/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
    rm -f "$dir/munge/socket"*
    munged --force --socket="$dir/munge/socket" --key-file="$dir/munge/key" --pid-file="$dir/run/munged.pid" \
        --log-file="$dir/log/munged.log" --seed-file="$dir/munge/seed" 2>>"$dir/log/munged.log"
    chmod 711 "$dir/munge"
    await 20 munge -n -S "$dir/munge/socket" || fail "munged does not answer"
fi
running slurmctld || slurmctld -f "$SLURM_CONF" 2>>"$dir/log/start.log"
await 60 scontrol ping || fail "slurmctld does not answer"
for ((n = 0; n < nodes; n++)); do
    mkdir -p "$dir/spool/n$n"
    running "slurmd-n$n" || slurmd -N "n$n" -f "$SLURM_CONF" 2>>"$dir/log/start.log" || fail "slurmd n$n does not start"
done
all_up() { [ "$(sinfo -h -N -p main -o '%N %T' | grep -cE ' (idle|mixed|allocated)$')" = "$nodes" ]; }
await 60 all_up || fail "not all nodes are up: $(sinfo -h -N -p main -o '%N %T %E' | tr '\n' ';')"
echo ". $dir/env.sh"
