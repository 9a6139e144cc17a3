#!/usr/bin/env bash
# From a fresh Debian machine to a trained, scored and exported LCKV model: set-up, build, corpus, tokenise, train, evaluate, sample
# of predictions, export, report. Ten minutes on two cores with AMX, twenty without.
#   launch/quickstart.sh [--short] [--dry-run]
#   --short     fewer stories and steps, to check the path itself
#   --dry-run   print the commands, and do nothing
#   BUILD_DIR   another folder than build/
set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
me=quickstart.sh
home=$PWD
# shellcheck source=launch/common.sh
source launch/common.sh

steps=500 stories=20000 questions=400 label="" dry_run=false
for argument in "$@"; do
  case $argument in
    --short) steps=40 stories=2000 questions=80 label=" (short)" ;;
    --dry-run) dry_run=true ;;
    --help | -h) print_help launch/quickstart.sh; exit 0 ;;
    *) refuse_usage "unknown argument $argument" ;;
  esac
done
build=${BUILD_DIR:-build}
world=data/corpora/world
run=runs/quickstart
started=$SECONDS
part() { printf '\n== %s  [%d s]\n' "$*" "$((SECONDS - started))"; }
do_() { if $dry_run; then as_text "$@"; else "$@"; fi; }

part "1/8 set-up: packages that are missing"
do_ tools/setup.sh --build-only
part "2/8 build"
do_ cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release --log-level=WARNING
do_ cmake --build "$build" --target lckv make_world

part "3/8 corpus: a closed world of small stories"
do_ "$build/make_world" --out "$world" --seed 1 --stories "$stories" --questions "$questions"
part "4/8 tokenise"
do_ rm -f "$world/tokenizer.model"
do_ "$build/lckv" tokenize "$world/train.jsonl" -o "$world/train.h5" --tokenizer "$world/tokenizer.model" \
  --train-sentencepiece 2048
do_ "$build/lckv" tokenize "$world/validation.jsonl" -o "$world/validation.h5" --tokenizer "$world/tokenizer.model"

part "5/8 train"
do_ rm -rf "$run" # a quickstart begins anew; lckv itself would continue a run it finds
do_ "$build/lckv" plan configs/quickstart.yaml --set train.steps="$steps"
do_ "$build/lckv" train configs/quickstart.yaml --set train.steps="$steps"

part "6/8 evaluate: perplexity as trained and exact, held-out questions$label"
do_ "$build/lckv" eval "$run" --perplexity "$world/validation.h5"
do_ "$build/lckv" eval "$run" --perplexity "$world/validation.h5" --forward sequential --max-tokens 4096
do_ "$build/lckv" eval "$run" --questions "$world/questions.jsonl" --show 5

part "7/8 export to a Hugging Face folder"
do_ "$build/lckv" export "$run" -o "$run/huggingface" --overwrite
do_ ls -l "$run/huggingface"
part "8/8 the run on a page"
do_ "$build/lckv" report "$run" -o "$run/report.html"
part "done$label: model in $run, export in $run/huggingface, curves in $run/report.html"
