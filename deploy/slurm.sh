#!/bin/bash
# Train on several nodes: sbatch deploy/slurm.sh rows.npy model.safetensors run
#SBATCH --job-name=isthmus
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --time=12:00:00
# Requeue the job if it is pre-empted or a node fails; it resumes from the checkpoint.
#SBATCH --requeue
# Send SIGTERM to every task a minute before the time limit, to write a checkpoint. Then submit the job again.
#SBATCH --signal=TERM@60
set -euo pipefail
rows=$1 model=$2 checkpoints=$3
# No --kill-on-bad-exit: after SIGTERM all tasks stop at the same chunk and the first one writes the checkpoint; if one
# task fails, the others exit on their own.
srun isthmus fit "$rows" -o "$model" --checkpoint "$checkpoints" --distributed
