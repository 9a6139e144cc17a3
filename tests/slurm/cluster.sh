#!/usr/bin/env bash
# A private Slurm of two nodes on this machine, in one folder, on free ports; sourced. Needs no systemd, no cgroups, no accounting
# data base, and touches no system folder. Several may run side by side.
#   start_slurm FOLDER      FOLDER: new, absolute. Exports SLURM_CONF; fails, with the reason in `why_no_slurm`, where it cannot run
#   stop_slurm              ends the daemons, by their process ids, and what they left

# shellcheck disable=SC2034  # why_no_slurm is read by who sources this
slurm_pids=() # the daemons, in the order of their start
why_no_slurm=""

start_slurm() {
  local folder=$1 program
  for program in munged slurmctld slurmd srun sbatch scontrol; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || { why_no_slurm="no $program here (packages slurm-wlm, munge)"; return 1; }
  done
  getent hosts "$(hostname -s)" >/dev/null || { why_no_slurm="the name of this machine, $(hostname -s), does not resolve"; return 1; }
  mkdir -p "$folder"/{state,spool,tmp/n1,tmp/n2}
  chmod 755 "$folder" # munged refuses a folder that others may write to, and one that they cannot enter
  write_slurm_conf "$folder"
  export SLURM_CONF=$folder/slurm.conf
  start_munge "$folder" || return 1
  start_daemon "$folder" slurmctld slurmctld -D -c
  start_daemon "$folder" slurmd.n1 slurmd -D -N n1
  start_daemon "$folder" slurmd.n2 slurmd -D -N n2
  within_s 30 both_nodes_idle && return
  why_no_slurm="the nodes did not come up in 30 s; last lines of the logs:
$(tail -n 5 "$folder"/slurmctld.log "$folder"/slurmd.*.log 2>&1)"
  return 1
}

stop_slurm() {
  local pid i
  for ((i = ${#slurm_pids[@]} - 1; i >= 0; --i)); do
    pid=${slurm_pids[i]}
    kill -TERM "$pid" 2>/dev/null
    within_s 5 is_gone "$pid" || kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  slurm_pids=()
}

# A daemon in the foreground of a background process: its id is ours to end.
start_daemon() {
  local folder=$1 name=$2
  shift 2
  PATH=$PATH:/usr/sbin:/sbin "$@" >"$folder/$name.out" 2>&1 </dev/null &
  slurm_pids+=($!)
}

start_munge() {
  local folder=$1
  dd if=/dev/urandom of="$folder/munge.key" bs=1 count=128 status=none
  chmod 600 "$folder/munge.key"
  start_daemon "$folder" munged munged --foreground --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
  within_s 10 test -S "$folder/munge.socket" && return
  why_no_slurm="munged does not run: $(tail -n 2 "$folder/munged.out")"
  return 1
}

# cred_expire: how long a requeued job waits. TmpFS of a node's own: the PMIx folders of two nodes of one machine would collide.
write_slurm_conf() {
  local folder=$1 host user ports
  host=$(hostname -s) user=$(id -un)
  read -ra ports <<<"$(three_free_ports)"
  cat >"$folder/slurm.conf" <<CONF
ClusterName=mini
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
TmpFS=$folder/tmp/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
SwitchType=switch/none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
SlurmctldTimeout=30
SlurmdTimeout=30
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[1]} CPUs=64 RealMemory=1000 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[2]} CPUs=64 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
CONF
}

# Below the range from which the system gives out ports by itself.
three_free_ports() {
  local found=() port
  while [ ${#found[@]} -lt 3 ]; do
    port=$((10000 + RANDOM % 20000))
    [[ " ${found[*]} " == *" $port "* ]] || (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || found+=("$port")
  done
  echo "${found[*]}"
}

both_nodes_idle() { [ "$(timeout 5 sinfo -h -N -o '%T' 2>/dev/null | grep -c '^idle$')" = 2 ]; }

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# within_s SECONDS COMMAND...: runs it until it succeeds
within_s() {
  local give_up=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$give_up" ] || return 1
    sleep 0.1
  done
}
