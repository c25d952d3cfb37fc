#!/usr/bin/env bash
# What only a GPU can tell, on a machine with one and without a network: bash benchmarks/gpu/check.sh [STAGE...]
#
# Stages: build test sanitize train measure; each can run alone after build and ends within 8 minutes. Every run ends
# with benchmarks/results/GPU.json and GPU.md, made of the last run of each stage; what could not run is listed there.
#
# Needed: nvcc, g++, CMake; python3 (or $PYTHON) with NumPy, tqdm, pybind11, pytest. Used where they are there: PyTorch,
# cuBLAS (in $HOTLOOP_CUBLAS or where the loader finds it), compute-sanitizer, MNIST ($HOTLOOP_DATA/mnist, or
# shared/data/mnist in or beside the checkout). $HOTLOOP_COMMIT names the commit where there is no git.
#
# HOTLOOP_CUDA_BACKEND=emulated tries the script itself on a machine without a GPU: tiny sizes, nothing is a measurement,
# and nothing is written outside build/.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
python=${PYTHON:-python3}
emulated=$([ "${HOTLOOP_CUDA_BACKEND:-}" = emulated ] && echo yes || true)
out=$root/build/gpu${emulated:+-emulated}
library=$out/cmake/libhotloop_cuda${emulated:+_emulated}.so
export PYTHONPATH=$out/python PYTHONDONTWRITEBYTECODE=1 PATH=$PATH:/usr/local/cuda/bin
command_line="bash benchmarks/gpu/check.sh${*:+ $*}"

# All of the suite: tests/test_cuda*.py put every op, model and captured step on the device, and must not be skipped.
tests=(env HOTLOOP_TEST_DEVICE=cuda "$python" -m pytest -q -p no:cacheprovider)
# Emulated, the rest would take longer than a stage may.
if [ -n "$emulated" ]; then tests+=(tests/test_cuda.py tests/test_cuda_arrays.py tests/test_precision.py); else tests+=(tests); fi

# note WHAT OUTCOME SECONDS: a line of the report.
note() {
  printf '%s\t%s\t%s\t%s\n' "$stage" "$1" "$2" "$3" >> "$out/$stage.tsv"
  printf '%-10s %-44s %s (%s s)\n' "$stage" "$1" "$2" "$3"
}

missing() { note "$1" "not run: $2" 0; }

# try WHAT SECONDS COMMAND...: at most so long; its output goes to a log, and its last line into the report.
try() {
  local what=$1 limit=$2 started=$SECONDS status=0
  local log="$out/logs/$stage-${what//[^a-zA-Z0-9]/-}.log"
  shift 2
  timeout "$limit" "$@" > "$log" 2>&1 || status=$?
  case $status in
    0) note "$what" "ok: $(last_line "$log")" $((SECONDS - started)) ;;
    124) note "$what" "failed: took over $limit s" "$limit" ;;
    *) note "$what" "failed: $(last_line "$log"), see $log" $((SECONDS - started)) ;;
  esac
  return "$status"
}

last_line() { grep -v '^[[:space:]]*$' "$1" | tail -n 1 | tr '\t' ' ' | cut -c 1-160; }

has_module() { "$python" -c "import $1" 2> /dev/null; }

# jsonl NAME COMMAND...: what the command prints on its standard output becomes $out/NAME.jsonl.
jsonl() { "${@:2}" > "$out/$1.jsonl"; }

mnist() {
  local folder
  for folder in "${HOTLOOP_DATA:-}" "$root/shared/data" "$root/../shared/data"; do
    if [ -e "$folder/mnist/train-images-idx3-ubyte.gz" ] || [ -e "$folder/mnist/train-images-idx3-ubyte" ]; then
      echo "$folder/mnist" && return
    fi
  done
  return 1
}

configure() {
  cmake -S "$root" -B "$1" -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE="$(command -v "$python")" \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" -DHOTLOOP_CUDA_EMULATION=ON "${@:2}"
}
export -f jsonl configure  # for bash -c under timeout
export root out python

build() {
  local module tool absent=
  for module in numpy tqdm pybind11 pytest; do has_module $module || absent+=" $module"; done
  for tool in g++ cmake; do command -v $tool > /dev/null || absent+=" $tool"; done
  [ -n "$emulated" ] || command -v nvcc > /dev/null || absent+=" nvcc"
  [ -z "$absent" ] || { missing "everything" "this machine lacks$absent" && return; }
  rm -f "$out"/*.jsonl "$out"/{test,sanitize,train,measure}.tsv  # of another build
  local targets=(_core cuda_parity) cuda=OFF
  if [ -n "$emulated" ]; then targets+=(hotloop_cuda_emulated); else targets+=(hotloop_cuda) cuda=AUTO; fi
  try "configure" 30 bash -c 'configure "$@"' - "$out/cmake" -DHOTLOOP_CUDA=$cuda || return
  try "library, extension, parity program" 400 cmake --build "$out/cmake" -j "$(nproc)" --target "${targets[@]}" || return
  try "kernel timer" 40 g++ -std=c++20 -O2 -Icsrc benchmarks/gpu/kernels.cpp -o "$out/kernels" -ldl || return
  rm -rf "$out/python"
  cp -r "$root/python" "$out/"
  rm -f "$out"/python/hotloop/*.so
  cp "$out"/cmake/_core*.so "$library" "$out/python/hotloop/"
}

test() {
  try "kernels against the CPU's" 120 "$out/cmake/cuda_parity" "$library"
  try "device found by the package" 30 "$python" -c \
    'import hotloop as hl, numpy as np; print(hl.array(np.ones(3, np.float32), device="cuda").numpy())' || return
  try "Python tests" 320 "${tests[@]}"
}

# Blocks of memory in their exact sizes, so that one element too far is seen.
sanitize() {
  command -v compute-sanitizer > /dev/null || { missing "compute-sanitizer" "it is not installed" && return; }
  local flags=(-DHOTLOOP_CUDA=AUTO -DCMAKE_CUDA_FLAGS=-DHL_SANITIZED) word
  try "configure, exact memory" 60 bash -c 'configure "$@"' - "$out/exact" "${flags[@]}" || return
  try "library, exact memory" 180 cmake --build "$out/exact" -j "$(nproc)" --target hotloop_cuda || return
  check() { # TOOL SECONDS [WORD]
    try "$1, ${3:-all kernels}" "$2" compute-sanitizer --tool ${1/memcheck/memcheck --report-api-errors no} \
      --error-exitcode 1 "$out/cmake/cuda_parity" "$out/exact/libhotloop_cuda.so" "${@:3}"
  }
  check memcheck 100  # one row asks for more memory than there is: a failure that is no error
  for word in matmul conv2d softmax sum; do
    check racecheck 16 $word
    check synccheck 16 $word
  done
}

train() {
  local data options=()
  data=$(mnist) || { missing "MNIST" "its files were not found" && return; }
  if [ -n "$emulated" ]; then options=(--steps 2 --batch-size 8 --epochs 0); fi
  try "MNIST, losses and accuracy" 470 bash -c 'jsonl "$@"' - train "$python" benchmarks/gpu/train.py --data "$data" \
    "${options[@]}"
}

measure() {
  local data options=()
  try "kernels" 150 bash -c 'jsonl "$@"' - kernels "$out/kernels" "$library" ${emulated:+--tiny}
  if [ -n "$emulated" ]; then
    missing "PyTorch's kernels" "the device is emulated"
  elif ! has_module torch; then
    missing "PyTorch's kernels" "PyTorch is not installed"
  else
    try "PyTorch's kernels" 170 bash -c 'jsonl "$@"' - torch "$python" benchmarks/gpu/torch_peers.py "$out/kernels.jsonl"
  fi
  data=$(mnist) || { missing "MNIST step" "MNIST's files were not found" && return; }
  if [ -n "$emulated" ]; then options=(--batch-size 8 --epochs 1 --images 16); fi
  try "MNIST step" 150 bash -c 'jsonl "$@"' - step "$python" benchmarks/gpu/mnist_step.py --data "$data" "${options[@]}"
}

if [ "${1:-}" = --stage ]; then
  stage=$2
  "$stage"
  exit 0
fi

stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(build test sanitize train measure)
mkdir -p "$out/logs"
if [ -z "$emulated" ] && ! nvidia-smi > /dev/null 2>&1; then
  echo "no GPU is to be seen: nvidia-smi is missing or fails; HOTLOOP_CUDA_BACKEND=emulated tries this script without one"
  exit 2
fi
for stage in "${stages[@]}"; do
  case $stage in build | test | sanitize | train | measure) ;; *) echo "no such stage: $stage" && exit 2 ;; esac
  rm -f "$out/$stage.tsv"
  timeout 480 bash "$0" --stage "$stage" || note "$stage" "failed: took over 480 s" 480
done
"$python" benchmarks/gpu/report.py "$out" "$command_line" ${emulated:+--emulated}
