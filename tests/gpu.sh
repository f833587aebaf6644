#!/usr/bin/env bash
# Checks that need an NVIDIA GPU. Usage: tests/gpu.sh FOVEA [PYTORCH_RIA.py]   (FOVEA built with --features cuda)
# Prints what belongs into tests/gpu-results.md.
set -euo pipefail
fovea=$(realpath "$1")
peer=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$(dirname "$0")/.."

echo "== device"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader

echo "== quickstart on cuda:0"
time "$fovea" run experiments/quickstart.toml device=cuda:0 run.dir="$work/gpu" run.cache="$work/cache"

echo "== agreement with the CPU: one epoch from the same initialisation"
for device in cpu cuda:0; do
  "$fovea" run experiments/quickstart.toml device=$device run.dir="$work/agree-$device" run.cache="$work/cache" \
    loss=ria seed=0 training.epochs=1 training.warmup_epochs=0 >/dev/null
done
python3 - "$work" <<'PY'
import json, pathlib, sys
rows = {}
for device in ("cpu", "cuda:0"):
    (path,) = pathlib.Path(sys.argv[1], f"agree-{device}", "trials").glob("*/metrics.jsonl")
    for line in path.read_text().splitlines():
        r = json.loads(line)
        rows.setdefault((r["split"], r["metric"], r.get("noise"), r.get("level"), r.get("subset"), r.get("epoch")), []).append(r["value"])
for key in [("train", m, None, None, None, 1) for m in ("loss", "cross-entropy", "explanation-loss")]:
    cpu, gpu = rows[key]
    print(key[1], "cpu", cpu, "gpu", gpu, "relative difference", abs(cpu - gpu) / abs(cpu))
    assert abs(cpu - gpu) <= 1e-2 * abs(cpu), key
PY

echo "== throughput of CE and RIA steps"
for shape in "resnet18 64 224" "resnet50 64 224" "vgg16 64 224" "resnet18 128 224"; do
  read -r model batch size <<<"$shape"
  "$fovea" bench step --model "$model" --batch "$batch" --size "$size" --steps 20 --device cuda:0
  if [ -n "$peer" ]; then python3 "$peer" "$model" "$batch" "$size" 20 cuda; fi
done
