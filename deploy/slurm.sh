#!/bin/bash
# Train on several nodes: sbatch deploy/slurm.sh rows.npy model.safetensors run
#SBATCH --job-name=isthmus
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --time=12:00:00
# Put back in the queue when it is pre-empted: the checkpoint is where it goes on.
#SBATCH --requeue
# SIGTERM to every task, a minute before the end: time to write the checkpoint.
#SBATCH --signal=TERM@60
set -euo pipefail
rows=$1 model=$2 checkpoints=$3
# One task dead means none can go on; Slurm ends the step, and --requeue or you start it again.
srun --kill-on-bad-exit=1 isthmus fit "$rows" -o "$model" --checkpoint "$checkpoints" --distributed
