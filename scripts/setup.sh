#!/usr/bin/env bash
# Installs what building or testing Apollo needs on Debian 12+ or Ubuntu 24.04+: Debian packages,
# and a Python venv in .venv that holds the LibTorch wheel. Quick where everything is there already.
#
#   scripts/setup.sh [build|test|style|lint|fuzz]    build (default); test: also the Python originals
#                                         that the tests compare with; style: also clang-format;
#                                         lint: also clang-tidy; fuzz: also clang with libFuzzer
#
# Environment:
#   APOLLO_TORCH=DIR        build with this LibTorch archive or torch package (include/ and lib/);
#                           torch is then not installed into .venv, except for `test`, where the
#                           comparisons need the Python package itself.
#   APOLLO_TORCH_INDEX=URL  take torch from this package index. PyPI's Linux wheel brings CUDA, some
#                           3 GB with its libraries; a machine without an NVIDIA GPU is better off
#                           with https://download.pytorch.org/whl/cpu (200 MB).
#   PYTHON=PROGRAM          the Python (3.11 or newer) that makes the venv; default: python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly group="${1:-build}"
readonly venv=.venv
readonly torch_dir="${APOLLO_TORCH:-}"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "error: $1"
  [[ $# -lt 2 ]] || say "hint: $2"
  exit 1
}

debian_packages() {
  echo build-essential cmake ninja-build ccache pkgconf ca-certificates python3 python3-venv \
    libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libxxhash-dev \
    zlib1g-dev liblzma-dev libzstd-dev
  case $group in
    test) echo libgtest-dev libpcre2-dev libicu-dev ;;
    style) echo clang-format ;;
    lint) echo libgtest-dev libpcre2-dev libicu-dev clang-format clang-tidy ;;
    fuzz) echo libgtest-dev libpcre2-dev libicu-dev clang-19 libclang-rt-19-dev ;;
  esac
}

# oneDNN, whose matrix products are twice as fast on some processors: used where it is installed.
readonly optional_package=libdnnl-dev

missing_debian_packages() {
  local wanted installed
  wanted=$(echo "$(debian_packages) $optional_package" | tr ' ' '\n' | sort)
  # dpkg-query fails as soon as one name is unknown to it, and still prints the others.
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
    sed -n 's/^installed //p' | sort -u) || true
  comm -23 <(echo "$wanted") <(echo "$installed")
}

install_debian_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "not Debian or Ubuntu: taking it that these (or what they are called here) are installed:"
    debian_packages >&2
    return
  fi
  local missing
  mapfile -t missing < <(missing_debian_packages)
  [[ ${#missing[@]} -gt 0 ]] || return 0

  local as_root=(env)
  if [[ $(id -u) -ne 0 ]]; then
    if ! sudo -n true 2>/dev/null; then
      if [[ ${missing[*]} == "$optional_package" ]]; then
        say "going on without oneDNN; to have it: sudo apt-get install $optional_package"
        return
      fi
      fail "${#missing[@]} Debian packages are missing, and installing them needs root" \
        "run this, then the same command again:
  sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'"
    fi
    as_root=(sudo -n env)
  fi
  as_root+=(DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600)
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" -q update </dev/null >&2 ||
    fail "apt-get update failed" "check the network and /etc/apt/sources.list*"
  if ! apt-cache show "$optional_package" >/dev/null 2>&1; then
    say "this system has no package $optional_package: going on without oneDNN"
    mapfile -t missing < <(missing_debian_packages | grep -vx "$optional_package")
    [[ ${#missing[@]} -gt 0 ]] || return 0
  fi
  "${as_root[@]}" -q install -y --no-install-recommends "${missing[@]}" </dev/null >&2 ||
    fail "apt-get could not install the packages" \
      "Debian 12+ or Ubuntu 24.04+ (with 'universe') has them all"
}

check_torch_dir() {
  [[ -z $torch_dir || -f $torch_dir/include/ATen/Functions.h ]] ||
    fail "APOLLO_TORCH='$torch_dir' holds no include/ATen/Functions.h" \
      "name an unpacked LibTorch archive or the folder of an installed torch package"
}

make_venv() {
  if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
  local python="${PYTHON:-python3}"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "'$python' is missing or older than Python 3.11" "name another: PYTHON=/usr/bin/python3"
  say "making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv" >&2 ||
    fail "'$python -m venv' failed" "use Debian's Python with python3-venv: PYTHON=/usr/bin/python3"
}

pip_install() {
  "$venv/bin/python" -m pip install --disable-pip-version-check "$@" </dev/null >&2 ||
    fail "pip could not install: $*" \
      "it needs the network (or a configured index) and free disk space; run the same command again"
}

# The venv is filled to a level: bare (no torch) < build < test. A stamp in it keeps what it was
# filled with, so that an edited requirements file is noticed.
requirements_of() {
  case $1 in
    bare) grep -v '^torch==' scripts/requirements.txt ;;
    build) cat scripts/requirements.txt ;;
    test) cat scripts/requirements.txt scripts/requirements-test.txt ;;
  esac
}

venv_is_ready() {
  [[ -x $venv/bin/python ]] || return 1
  local have
  for have in test build bare; do
    if cmp -s "$venv/.filled-$have" <(requirements_of "$have"); then return 0; fi
    if [[ $have == "$level" ]]; then return 1; fi
  done
}

fill_venv() {
  if venv_is_ready; then return; fi
  make_venv
  if [[ $level == bare ]]; then
    say "building with APOLLO_TORCH='$torch_dir'; installing the other Python packages into $venv"
  elif [[ -n ${APOLLO_TORCH_INDEX:-} ]]; then
    say "installing torch from $APOLLO_TORCH_INDEX"
    pip_install --index-url "$APOLLO_TORCH_INDEX" "$(grep '^torch==' scripts/requirements.txt)"
  elif [[ ! -e /dev/nvidiactl && $(uname -m) == x86_64 ]]; then
    say "no NVIDIA GPU here: should pip fetch gigabytes of CUDA, stop it and set" \
      "APOLLO_TORCH_INDEX=https://download.pytorch.org/whl/cpu"
  fi
  say "installing Python packages into $venv (the torch wheel is large: this takes minutes)"
  requirements_of "$level" | grep -v '^-r ' >"$venv/requirements.txt"
  pip_install -r "$venv/requirements.txt"
  requirements_of "$level" >"$venv/.filled-$level"
}

# Without these headers steps on a GPU are launched operator by operator (src/ops/device_graph.h).
# The torch wheel brings those of CUDA 13 but for one part, which has a wheel of its own.
add_cuda_headers() {
  local include version
  for include in "$venv"/lib/python3*/site-packages/nvidia/cu13/include; do
    [[ -f $include/cuda_runtime.h && ! -f $include/crt/host_config.h ]] || continue
    version=$("$venv/bin/python" -c \
      'from importlib.metadata import version; print(version("nvidia-cuda-runtime"))')
    say "installing the CUDA runtime's other headers"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps \
      "nvidia-cuda-crt==${version%.*}.*" </dev/null >&2 ||
      say "going on without them: the GPU path will not record CUDA graphs"
  done
}

case $group in
  build | test | style | lint | fuzz) ;;
  *) fail "unknown group '$group'" "scripts/setup.sh [build|test|style|lint|fuzz]" ;;
esac
level=build
if [[ $group == test ]]; then
  level="test"
elif [[ -n $torch_dir ]]; then
  level=bare
fi
check_torch_dir
install_debian_packages
fill_venv
add_cuda_headers
