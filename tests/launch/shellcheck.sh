#!/usr/bin/env bash
# All shell scripts of the repository, by name or by their first line, are shellcheck clean.
# Exit code: 0; 1 findings; 77 there is no shellcheck here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! command -v shellcheck >/dev/null; then
  printf '\n**** SKIPPED: tests/launch/shellcheck.sh: no shellcheck here (package shellcheck)\n\n'
  exit 77
fi

scripts=()
while IFS= read -r file; do
  case $file in
    *.sh | *.sbatch) scripts+=("$file") ;;
    *) if IFS= read -r line <"$file" && [[ $line =~ ^\#!.*[/\ ](ba)?sh ]]; then scripts+=("$file"); fi ;;
  esac
done < <(find .ci data launch tests tools -type f \( -name '*.sh' -o -name '*.sbatch' -o ! -name '*.*' \) -not -path 'data/corpora/*' | sort)

shellcheck --external-sources --source-path=. --shell=bash "${scripts[@]}"
echo "${#scripts[@]} scripts are clean"
