#!/bin/bash
# Train on several nodes: sbatch deploy/slurm.sh rows.npy model.safetensors run
#SBATCH --job-name=isthmus
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --time=12:00:00
# Put back in the queue when it is pre-empted or a node fails: the checkpoint is where it goes on.
#SBATCH --requeue
# SIGTERM to every task a minute before the time is up: time to write the checkpoint. Then submit it again.
#SBATCH --signal=TERM@60
set -euo pipefail
rows=$1 model=$2 checkpoints=$3
# No --kill-on-bad-exit: told to end, all leave at the same chunk, and the first has a checkpoint to write; where one has
# died, the others leave by themselves.
srun isthmus fit "$rows" -o "$model" --checkpoint "$checkpoints" --distributed
