#!/usr/bin/env bash
# Makes the demo's text: the English documentation of the Linux kernel (reStructuredText, more than
# 20 MB) from the newest package of the linux-doc family that apt offers. Nothing is installed and
# no root is needed: the package is downloaded and unpacked in a temporary folder.
#
#   scripts/demo_text.sh OUT.txt     does nothing where OUT.txt already stands
#
# One document for each .rst file, unchanged, followed by a line `<|endoftext|>`. The order is
# that of the files' MD5: fixed for a package, and every part of the text mixes all subjects.
set -euo pipefail

readonly out="${1:?usage: scripts/demo_text.sh OUT.txt}"
readonly least_bytes=5000000

say() { printf 'demo text: %s\n' "$*" >&2; }
fail() {
  say "error: $*"
  say "hint: bring your own text: make demo TEXT=my.txt"
  exit 1
}
report() {
  say "'$out' holds $(grep -c '^<|endoftext|>$' "$out") documents," \
    "$(wc -w <"$out") words, $(wc -c <"$out") bytes"
}

if [[ -s $out ]]; then
  report
  exit
fi
if ! command -v apt-get >/dev/null; then
  fail "the text comes from a Debian package, and this machine has no apt-get"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/apollo-demo-text.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The machine's own package lists may be empty (a fresh container) or older than the mirror; private
# ones can be fetched by any user.
apt_options=(-q -o APT::Sandbox::User=)
newest_package() {
  apt-cache "${apt_options[@]}" pkgnames linux-doc |
    grep -E '^linux-doc(-[0-9]+\.[0-9]+)?$' | sort -V | tail -n 1
}
download() {
  local package
  package=$(newest_package)
  [[ -n $package ]] || return 1
  say "downloading $package"
  (cd "$work" && apt-get "${apt_options[@]}" download "$package" </dev/null >&2)
}
if ! download; then
  say "fetching package lists"
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  apt_options+=(-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache")
  apt-get "${apt_options[@]}" update </dev/null >&2 || say "apt-get update failed"
  download || fail "apt-get could not download a linux-doc package; is there a network?"
fi

say "unpacking"
mkdir "$work/root"
dpkg-deb --fsys-tarfile "$work"/linux-doc*.deb |
  tar -x -C "$work/root" --wildcards --exclude='*/translations' --exclude='*/html' \
    --exclude='*.exceptions.gz' '*.rst*'
printf '\n<|endoftext|>\n' >"$work/end"
(cd "$work/root" && find . -type f -print0 | xargs -0 md5sum) |
  LC_ALL=C sort | cut -c 35- >"$work/order"

mkdir -p "$(dirname "$out")"
while read -r name; do
  printf '%s\0' "$work/root/$name" "$work/end"
done <"$work/order" | xargs -0 zcat -f >"$out.partial"
size=$(wc -c <"$out.partial")
[[ $size -ge $least_bytes ]] ||
  fail "$(basename "$work"/linux-doc*.deb) holds only $size bytes of text, $least_bytes expected"
mv "$out.partial" "$out"
report
