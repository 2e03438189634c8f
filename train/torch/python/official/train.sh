#!/bin/sh
# Trains on with the paper's code on the GPUs of one machine.
#
#   sh train.sh 1d-tokenizer stage1                     the code's folder, and the stage: stage1 or stage2
#   sh train.sh 1d-tokenizer stage1 --num_processes 4   more options are those of accelerate launch
#
# Stage 1 goes on from the exported weights. Stage 2 begins from what stage 1 made here, or else from the exported weights.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
code=$1
stage=$2
shift 2
WEIGHTS=$HERE/stage1/pytorch_model.bin
if [ "$stage" = stage1 ] || [ ! -e "$WEIGHTS" ]; then
  WEIGHTS=$HERE/model.bin
  [ -e "$WEIGHTS" ] || python3 "$HERE/weights.py" "$HERE/../model.safetensors" "$WEIGHTS"
fi
export HERE WEIGHTS
export PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}"
cd "$code"
exec accelerate launch "$@" scripts/train_titok.py config="$HERE/$stage.yaml"
