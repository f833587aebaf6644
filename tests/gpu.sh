#!/usr/bin/env bash
# Measurements that need an NVIDIA GPU. Nothing is downloaded; PyTorch beside it where python3 has it, with torchvision and scipy.
#
#   tests/gpu.sh pack                strip and pack target/release/fovea (built with --features cuda) into runs/gpu/fovea.xz
#   tests/gpu.sh quick               does it run, and are tuned and compiled kernels kept: the same steps by two processes
#   tests/gpu.sh steps [MODEL ...]   CE and RIA steps, tf32 and bf16, batch 64 and 128, beside PyTorch; most important first
#   tests/gpu.sh workers             a sweep with one, two and four workers on the card
#   tests/gpu.sh sweep               the quickstart, and one epoch beside the CPU
#   tests/gpu.sh profile MODEL       which kernels a RIA step spends its time in
#   tests/gpu.sh table               tests/gpu-results.md from what there is
#
# Options, before the stage: --device cuda:0 (or cpu: a dry run), --small (tiny sizes), --seconds 540 (begin nothing after
# that; end everything by then), --fovea PROGRAM, --python PYTHON, --results FOLDER (what is known already: runs/gpu).
#
# Every result is a line in $OUT/STAGE.jsonl (or in the folder of results). A stage leaves out what the folder of results has, so a
# stage that was cut off is given again until it says `all there`. On a machine that is lent for single commands, each time:
#   bash tests/gpu.sh --fovea runs/gpu/fovea.xz steps      with runs/gpu carried along; then cp FILES/* runs/gpu/
set -euo pipefail
cd "$(dirname "$0")/.."

device=cuda:0 small=0 seconds=540 fovea=target/release/fovea python=python3 results=runs/gpu
while [[ ${1-} == --* ]]; do
  case $1 in
    --small) small=1; shift; continue ;;
    --device) device=$2 ;;
    --seconds) seconds=$2 ;;
    --fovea) fovea=$2 ;;
    --python) python=$2 ;;
    --results) results=$2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
stage=${1-help}
shift || true
out=${OUT:-$results}
work=$(mktemp -d)
sampler=
# A sampler that is ended before it began is a copy of this shell, which must not clean up.
trap '[[ $BASHPID != "$$" ]] || { [[ -z $sampler ]] || kill "$sampler" 2>/dev/null || true; rm -rf "$work"; }' EXIT
mkdir -p "$results" "$out"
file=$out/$stage.jsonl
[[ $device == cpu ]] && gpu=0 || gpu=1

left() { echo $((seconds - SECONDS)); }
known() { python3 tests/gpu_table.py has "$1" "$results" "$out"; }
keep() { python3 tests/gpu_table.py add "$1" "$file" "${@:2}" "gpu=$card"; }

# Runs a command within the time that is left. Leaves its output in $work/lines and its seconds in $took.
took=0
limited() {
  local begun
  if (($(left) < 5)); then
    echo "-- no time left for: ${*:1:6}"
    return 1
  fi
  echo "-- $*"
  begun=$(date +%s.%N)
  if ! timeout -k 5 "$(left)" "$@" >"$work/lines" 2>"$work/errors"; then
    tail -n 20 "$work/errors"
    echo "-- failed or out of time: $*"
    return 1
  fi
  took=$(python3 -c 'import sys, time; print(f"{time.time() - float(sys.argv[1]):.2f}")' "$begun")
}

sample() {
  ((gpu)) && (($(left) >= 5)) || return 0
  nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader,nounits -lms 250 >"$work/samples" &
  sampler=$!
}

unsample() {
  [[ -z $sampler ]] || kill "$sampler" 2>/dev/null || true
  sampler=
  touch "$work/samples"
}

program() {
  if [[ $fovea == *.xz ]]; then
    xz -dc "$fovea" >/tmp/fovea-gpu
    chmod +x /tmp/fovea-gpu
    fovea=/tmp/fovea-gpu
  fi
  fovea=$(realpath "$fovea")
  card=$device
  ((gpu)) && card=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1 | tr -d ,)
  # NVRTC and CUDA's headers.
  if ((gpu)) && [[ -z ${CUDA_PATH-} && ! -d /usr/local/cuda ]]; then
    echo "no /usr/local/cuda: set CUDA_PATH to the folder with include/ and lib64/libnvrtc.so" >&2
  fi
  export FOVEA_CACHE_HOME=${FOVEA_CACHE_HOME:-/tmp/fovea-gpu-cache}
  "$fovea" --version
  echo "$card"
}

# step WHO MODEL BATCH SIZE PRECISION REPEATS [KEY]
step() {
  local who=$1 model=$2 batch=$3 size=$4 precision=$5 repeats=$6 key=${7-step/$1/$2/$3/$4/$5} ok=1
  known "$key" && return 0
  missing=$((missing + 1))
  local args=(--model "$model" --batch "$batch" --size "$size" --precision "$precision")
  if [[ $who == fovea ]]; then
    sample
    limited "$fovea" bench step "${args[@]}" --steps "$repeats" --device "$device" --json || ok=0
    unsample
  else
    limited "$python" tests/gpu_peer.py "${args[@]}" --repeats "$repeats" --device "${device%%:*}" || ok=0
  fi
  ((ok)) || return 0
  if [[ $who == fovea ]]; then
    keep "$key" --samples "$work/samples" --seconds "$took" "database=$(database)" <"$work/lines"
  else
    keep "$key" --seconds "$took" <"$work/lines"
  fi
  missing=$((missing - 1))
}

# Size of the kept kernels, MB.
database() {
  if [[ -d $FOVEA_CACHE_HOME/kernels ]]; then du -sm "$FOVEA_CACHE_HOME/kernels" | cut -f1; else echo 0; fi
}

# Seconds of a run: timed NAME ARGUMENTS...
run() { limited "$fovea" run "$@" run.cache="$work/cache" -q; }

has_torch() { "$python" -c 'import torch, torchvision, scipy' 2>/dev/null || { echo "-- no PyTorch for $python: Fovea alone"; return 1; }; }

finish() { if ((missing)); then echo "$missing missing: the same command again"; else echo "all there"; fi; }

missing=0 pair=0
case $stage in
  pack)
    mkdir -p runs/gpu
    strip -o "$work/fovea" "$fovea"
    xz -T0 -6 -c "$work/fovea" >runs/gpu/fovea.xz
    ls -l runs/gpu/fovea.xz
    ;;

  quick)
    program
    if ((gpu)); then nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv; fi
    ((small)) && shape=(resnet-tiny 4 32) || shape=(resnet18 64 224)
    step fovea "${shape[@]}" f32 3 kept/first
    step fovea "${shape[@]}" f32 3 kept/second
    finish
    ;;

  steps)
    program
    # A CPU has no tf32, and f32 of a GPU is its tf32.
    ((gpu)) && own=(tf32 bf16) || own=(f32 bf16)
    ((small)) && batches=(2 3) size=32 repeats=2 || batches=(64 128) size=224 repeats=20
    models=("$@")
    [[ ${#models[@]} -gt 0 ]] || models=(resnet18 resnet50 vgg16)
    peer=1
    has_torch || peer=0
    for batch in "${batches[@]}"; do
      for model in "${models[@]}"; do
        for precision in "${own[@]}"; do
          step fovea "$model" "$batch" $size "$precision" $repeats
        done
        for precision in tf32 bf16 f32; do
          if ((peer)); then step pytorch "$model" "$batch" $size "$precision" $repeats; fi
        done
      done
    done
    finish
    ;;

  workers)
    program
    ((small)) && size=32 train=16 batch=4 model=resnet-tiny || size=224 train=1280 batch=64 model=resnet18
    cat >"$work/workers.toml" <<TOML
name = "workers"
baseline = "loss=none"
device = "$device"

[run]
devices = ["$device"]

[dataset]
name = "scenes"
size = $size
train = $train
test = 8

[input]
size = $size

[model]
name = "$model"

[training]
epochs = 2
warmup_epochs = 0
batch_size = $batch

[evaluation]
gaussian = []
gallery = 0

[axes]
loss = ["none", "ria"]
seed = [0, 1]
TOML
    # What is compiled and tuned once is not what is measured.
    run "$work/workers.toml" training.epochs=1 dataset.train=$((2 * batch)) seed=0 run.dir="$work/first" || true
    for count in 1 2 4; do
      if known "workers/$count"; then continue; fi
      missing=$((missing + 1))
      run "$work/workers.toml" run.per_device=$count run.dir="$work/workers-$count" || continue
      keep "workers/$count" --seconds "$took" pictures=$((4 * 2 * train)) </dev/null
      missing=$((missing - 1))
    done
    finish
    ;;

  sweep)
    program
    ((small)) && sizes=(training.epochs=2 training.warmup_epochs=1 dataset.train=20 dataset.test=10) || sizes=(training.epochs=1 training.warmup_epochs=0)
    if ! known sweep/agreement; then
      missing=1
      for where in cpu "$device"; do
        limited "$fovea" run experiments/quickstart.toml device=$where loss=ria seed=0 "${sizes[@]}" \
          run.dir="$work/agree-${where%%:*}-$((++pair))" run.cache="$work/cache" -q || break
      done
      if note=$(python3 - "$work" <<'PY'
import json, pathlib, sys
rows = []
for run in sorted(pathlib.Path(sys.argv[1]).glob("agree-*"), key=lambda path: path.name[-1]):
    (path,) = run.glob("trials/*/metrics.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows.append({(r["metric"], r["epoch"]): r["value"] for r in lines if r["split"] == "train" and "epoch" in r})
cpu, gpu = rows
keys = [key for key in cpu if key[0] in ("cross-entropy", "explanation-loss")]
off = {f"{metric} of epoch {epoch}": abs(cpu[metric, epoch] - gpu[metric, epoch]) / abs(cpu[metric, epoch]) for metric, epoch in keys}
print("relative difference to the CPU: " + ", ".join(f"{name} {value:.2e}" for name, value in off.items()))
sys.exit(any(value > 1e-2 for value in off.values()))
PY
      ); then
        keep sweep/agreement "note=$note" </dev/null
        missing=0
      else
        echo "the GPU does not agree with the CPU: $note"
      fi
    fi
    if ! known sweep/quickstart; then
      missing=$((missing + 1))
      ((small)) || sizes=()
      if run experiments/quickstart.toml device="$device" "${sizes[@]}" run.dir="$work/quickstart"; then
        keep sweep/quickstart --seconds "$took" </dev/null
        missing=$((missing - 1))
      fi
    fi
    finish
    ;;

  profile)
    program
    model=${1:-resnet18}
    ((small)) && shape=(--batch 4 --size 32) || shape=(--batch 64 --size 224)
    # A configuration file takes the place of what Fovea sets, so it says where kernels are kept, too.
    mkdir "$work/here"
    cat >"$work/here/cubecl.toml" <<TOML
[profiling.logger]
level = "basic"
file = "$work/profile.log"

[compilation]
cache = true

[environment]
name = "fovea-$("$fovea" --version | awk '{ print $2 }')"
path = { directory = "$FOVEA_CACHE_HOME/kernels" }

[streaming]
policy = "single"
TOML
    limited env -C "$work/here" "$fovea" bench step --model "$model" "${shape[@]}" --steps 4 --precision f32 --device "$device" --json
    touch "$work/profile.log"
    python3 tests/gpu_table.py profile "$work/profile.log" | tee "$out/profile-$model.txt" || true
    ;;

  table)
    python3 tests/gpu_table.py table "$results" >"${1:-tests/gpu-results.md}"
    cat "${1:-tests/gpu-results.md}"
    ;;

  *)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
    exit 2
    ;;
esac
