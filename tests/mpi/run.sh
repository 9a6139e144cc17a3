#!/usr/bin/env bash
# Runs a test program on K ranks of this machine, whatever its cores:   run.sh K PROGRAM [arguments]
# The program is told K and must find as many ranks.
set -euo pipefail
ranks=$1
shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export LCKV_TEST_RANKS=$ranks OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
exec mpirun -n "$ranks" --oversubscribe --bind-to none --mca btl self,vader "$@"
