#!/usr/bin/env bash
# Trains a plain Llama and LCKV (w = 2) of the same size on the same tokens of real English, and prints their validation curves side
# by side. Small enough for two CPU cores: 8 layers of width 256, vocabulary 8192.
#   usage: tools/compare_layouts.sh [STEPS]     default 600 steps of 16 x 512 tokens; BUILD_DIR: another folder than build/
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
steps=${1:-600}
lckv=${BUILD_DIR:-build}/lckv
corpus=data/corpora/english

data/english.sh "$corpus"
if [ ! -s "$corpus/train_8k.h5" ]; then
  "$lckv" tokenize "$corpus/train.jsonl" -o "$corpus/train_8k.h5" --tokenizer "$corpus/8k.model" --train-sentencepiece 8192
  "$lckv" tokenize "$corpus/validation.jsonl" -o "$corpus/validation_8k.h5" --tokenizer "$corpus/8k.model"
fi
for layout in llama_50m lckv_50m; do
  "$lckv" train "configs/$layout.yaml" --set output="runs/compare_$layout" \
    --set data.train="$corpus/train_8k.h5" --set data.validation="$corpus/validation_8k.h5" \
    --set model.vocab_size=8192 --set model.hidden_size=256 --set model.intermediate_size=512 \
    --set model.num_attention_heads=4 --set model.num_key_value_heads=2 --set data.sequence_tokens=512 \
    --set train.sequences_per_step=16 --set train.micro_batch_sequences=16 --set train.steps="$steps" \
    --set optimizer.lr=1.5e-3 --set optimizer.beta2=0.95 --set schedule.warmup_frac=0.03 \
    --set schedule.final_lr_frac=0.1 --set validation.every_steps=$((steps / 12)) --set validation.tokens=131072
done
awk -v steps="$steps" '
  BEGIN { FS = "[:,}]"; print "tokens        llama loss  ppl       lckv loss  ppl" }
  /validation_loss/ { step = $2; loss = $4; if (FILENAME ~ /llama/) llama[step] = loss
    else printf "%-12d  %.4f  %8.2f    %.4f  %8.2f\n", step * 16 * 512, llama[step], exp(llama[step]), loss, exp(loss) }
' runs/compare_llama_50m/metrics.jsonl runs/compare_lckv_50m/metrics.jsonl
