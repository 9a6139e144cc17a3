#!/usr/bin/env bash
# From a fresh Debian machine to a trained, scored and exported LCKV model: set-up, build, corpus, tokenise, train, evaluate, sample
# of predictions, export. Under ten minutes on two cores.
#   launch/quickstart.sh [--short]     --short: fewer stories and steps, to check the path itself
set -euo pipefail
cd "$(dirname "$0")/.."
steps=500 stories=20000 questions=400 label=""
[ "${1:-}" = "--short" ] && { steps=40; stories=2000; questions=80; label=" (short)"; }
build=${BUILD_DIR:-build}
world=data/corpora/world
run=runs/quickstart
started=$SECONDS
say() { printf '\n== %s  [%d s]\n' "$*" "$((SECONDS - started))"; }

say "1/7 set-up: packages that are missing"
tools/setup.sh
say "2/7 build"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" --target lckv make_world

say "3/7 corpus: a closed world of small stories"
"$build/make_world" --out "$world" --seed 1 --stories "$stories" --questions "$questions"
say "4/7 tokenise"
rm -f "$world/tokenizer.model"
"$build/lckv" tokenize "$world/train.jsonl" -o "$world/train.h5" --tokenizer "$world/tokenizer.model" \
  --train-sentencepiece 2048
"$build/lckv" tokenize "$world/validation.jsonl" -o "$world/validation.h5" --tokenizer "$world/tokenizer.model"

say "5/7 train"
rm -rf "$run"   # a quickstart begins anew; lckv itself would continue a run it finds
"$build/lckv" plan configs/quickstart.yaml --set train.steps="$steps"
"$build/lckv" train configs/quickstart.yaml --set train.steps="$steps"

say "6/7 evaluate: perplexity as trained and exact, held-out questions$label"
"$build/lckv" eval "$run" --perplexity "$world/validation.h5"
"$build/lckv" eval "$run" --perplexity "$world/validation.h5" --forward sequential --max-tokens 4096
"$build/lckv" eval "$run" --questions "$world/questions.jsonl" --show 5

say "7/7 export to a Hugging Face folder"
"$build/lckv" export "$run" -o "$run/huggingface" --overwrite
ls -l "$run/huggingface"
say "done$label: model in $run, export in $run/huggingface"
