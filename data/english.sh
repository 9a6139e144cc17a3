#!/usr/bin/env bash
# Makes a corpus of real English out of Debian packages: the King James Bible, a dictionary, WordNet's definitions, quotations
# and the prose of the Linux kernel's documentation.
#   usage: data/english.sh OUT_FOLDER   ->  OUT_FOLDER/train.jsonl and validation.jsonl, {"text", "source"} per line
# Downloads about 65 MB with `apt-get download` into a working folder; installs nothing and needs no root. The same
# package versions give the same bytes. Files that are there already are left alone.
set -euo pipefail
export LC_ALL=C

if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
  echo "usage: data/english.sh OUT_FOLDER" >&2
  exit 2
fi
out=$1
cleaners=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/english

say() { printf 'english.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 5; }

if [ -s "$out/train.jsonl" ] && [ -s "$out/validation.jsonl" ]; then
  say "$out/train.jsonl and validation.jsonl are there already; remove them to make them anew"
  exit 0
fi
for program in apt-get dpkg-deb perl zcat; do
  command -v "$program" >/dev/null || die "needs the program $program (a Debian or Ubuntu system); not found"
done
mkdir -p "$out"
scratch=$(mktemp -d -p "$out")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# fetch PACKAGE: its files go below $scratch/unpacked, the package stays as $scratch/PACKAGE.deb
fetch() {
  mkdir -p "$scratch/get"
  (cd "$scratch/get" && apt-get -q -o APT::Sandbox::User= download "$1") >"$scratch/log" 2>&1 ||
    { cat "$scratch/log" >&2
      die "package $1 cannot be had; do the package lists know it (apt-get update), is there a network?"; }
  mv "$scratch"/get/*.deb "$scratch/$1.deb"
  dpkg-deb -x "$scratch/$1.deb" "$scratch/unpacked"
}

# depends PACKAGE PATTERN: the first package it depends on whose name matches
depends() {
  dpkg-deb -f "$scratch/$1.deb" Depends | sed 's/[,|]/\n/g' | sed 's/(.*//; s/ //g' | grep -m1 -xE "$2" ||
    die "package $1 no longer depends on a package $2"
}

# write SOURCE MIN_BYTES: the documents on stdin
write() { perl "$cleaners/write_jsonl.pl" "$1" "$2" "$scratch/train.jsonl" "$scratch/validation.jsonl"; }

fetch_all() {
  local package
  for package in bible-kjv bible-kjv-text dict-gcide wordnet-base fortunes fortunes-min linux-doc; do
    say "fetching $package"
    fetch "$package"
  done
  package=$(depends bible-kjv 'libreadline.*')
  fetch "$package"
  package=$(depends linux-doc 'linux-doc-.*')
  fetch "$package"
}

# The text is packed in a format of its own, which the package's program reads.
bible() {
  local library
  library=$(find "$scratch/unpacked" -name 'libreadline.so*' -print -quit)
  LD_LIBRARY_PATH=${library%/*} "$scratch/unpacked/usr/bin/bible" -f -p "$scratch/unpacked/usr/lib" 'gen1:1-rev22:21' |
    perl "$cleaners/verses.pl" | write bible 100
}

dictionary() {
  zcat "$scratch/unpacked/usr/share/dictd/gcide.dict.dz" | perl "$cleaners/dictionary.pl" | write dictionary 60
}

wordnet() {
  (cd "$scratch/unpacked/usr/share/wordnet" && cat data.noun data.verb data.adj data.adv) |
    perl "$cleaners/synsets.pl" | write wordnet 200
}

# Left out: pictures in letters, other languages, chat, and jokes at the cost of groups of people.
fortunes() {
  find "$scratch/unpacked/usr/share/games/fortunes" -type f ! -name '*.*' \
    ! -name ascii-art ! -name translate-me ! -name knghtbrd ! -name ethnic ! -name men-women ! -name drugs | sort |
    while read -r file; do cat "$file"; echo '%'; done | perl "$cleaners/fortunes.pl" | write fortunes 60
}

manual() {
  find "$scratch"/unpacked/usr/share/doc/linux-doc-*/Documentation -type f \
    \( -name '*.rst*' -o -name '*.txt*' \) ! -path '*/translations/*' ! -path '*/bindings/*' -print0 | sort -z |
    xargs -0 perl "$cleaners/manual.pl" | write linux-doc 400
}

fetch_all
printf '%-12s %8s %8s %12s %12s\n' source documents held-out bytes words
for source in bible dictionary wordnet fortunes manual; do "$source"; done
sync "$scratch/train.jsonl" "$scratch/validation.jsonl"
mv "$scratch/train.jsonl" "$scratch/validation.jsonl" "$out/"
say "wrote $out/train.jsonl and $out/validation.jsonl"
