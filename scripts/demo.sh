#!/usr/bin/env bash
# The demo: one small GPT trained twice on the same text for the same number of FLOPs, from scratch
# and grown by Apollo; then what was saved, a sample of each, and a report page. Doing it again
# shows the same without training again; an interrupted demo goes on where it was.
#
#   TEXT=my.txt   train on this text; default: the kernel's documentation, from a Debian package
#   BUILD=build   where the program is
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly apollo="${BUILD:-build}/apollo"
text="${TEXT:-}"
if [[ -z $text ]]; then
  text=.demo/text.txt
  scripts/demo_text.sh "$text"
fi
if [[ ! -f $text ]]; then
  echo "demo: error: '$text': no such file; expected TEXT=FILE with plain English text" >&2
  exit 1
fi
text=$(realpath "$text")

# Runs of different texts or recipes do not mix.
key=$(cat recipes/demo/*.toml "$text" | cksum | cut -d' ' -f1)
readonly runs=".demo/runs-$key"

for method in scratch apollo; do
  printf '\n== training: %s\n' "$method" >&2
  "$apollo" train "recipes/demo/$method.toml" --out "$runs/$method" \
    --set "data.train=[\"$text\"]" --set "data.cache=\"$PWD/.demo/cache\""
done

printf '\n'
"$apollo" compare "$runs/scratch" "$runs/apollo" --html "$runs/comparison.html"
for method in scratch apollo; do
  printf '\nA sample of %s:\n' "$method"
  "$apollo" generate "$runs/$method" --prompt "The kernel " --max-tokens 80 --temperature 0.8 \
    --top-k 40 --seed 7
  printf '\n'
done
printf '\nReport page: %s\n' "$PWD/$runs/comparison.html"
