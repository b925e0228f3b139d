#!/usr/bin/env bash
# The demo: one small GPT trained twice on the same text for the same number of FLOPs, from scratch
# and grown by Apollo, side by side on a core each; then what was saved, a sample of each, and a
# report page. Done again, it shows the same without training; stopped, it goes on where it was.
#
#   TEXT=my.txt   train on this text; default: the kernel's documentation, from a Debian package
#   BUILD=build   where the program is
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly apollo="${BUILD:-build}/apollo"
text="${TEXT:-}"
prompt="The"
if [[ -z $text ]]; then
  prompt="The kernel"
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

train() {
  "$apollo" train "recipes/demo/$1.toml" --out "$runs/$1" --set "data.train=[\"$text\"]" \
    --set "data.cache=\"$PWD/.demo/cache\"" 2> >(sed -u "s/^/$(printf '%-8s' "$1")| /" >&2)
}

echo "demo: the same model from scratch and grown, on the same text, for the same FLOPs" >&2
train scratch &
scratch=$!
# Where this script is stopped, the other run is asked to save too.
trap 'kill -TERM "$scratch" 2>/dev/null || true' EXIT
train apollo
wait "$scratch"
trap - EXIT

printf '\n'
"$apollo" compare "$runs/scratch" "$runs/apollo" --html "$runs/comparison.html"
for method in scratch apollo; do
  printf '\nA sample of %s:\n' "$method"
  "$apollo" generate "$runs/$method" --prompt "$prompt" --max-tokens 80 --temperature 0.8 \
    --top-k 40 --seed 7
  printf '\n'
done
printf '\nReport page: %s\n' "$PWD/$runs/comparison.html"
