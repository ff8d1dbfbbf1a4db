#!/usr/bin/env bash
# The probes on 50,000 x 28,672 on one GPU: one C, seven and 45, against torch's L-BFGS, scikit-learn on the same GPU and, where
# it can be imported, cuML; about four minutes (an estimate: it has not been run on a GPU). Writes RESULTS/speed/svm-gpu.json.
#   benchmarks/studies/solver-gpu.sh [RESULTS]
# TINY=1 tries all of it on a small problem; DEVICE=cpu on the CPU, which writes svm-large.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${1:-results}
device=${DEVICE:-cuda}
size=""
if [ -n "${TINY:-}" ]; then size="--rows 600 --dimensions 64"; fi
PATH="$PWD/.venv/bin:$PATH"
export SCIPY_ARRAY_API=1 # scikit-learn computes on the GPU only with it
# shellcheck disable=SC2086
python -m benchmarks.speed svm-large $size --device "$device" --results "$results"
