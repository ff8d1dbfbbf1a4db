#!/usr/bin/env bash
# Faces of 64 x 64 until they are good, on one GPU: 1.3 million presentations, about two minutes; then beside faces-64.
#   benchmarks/studies/faces-gpu.sh FOLDER [OUT]
# FOLDER holds the pictures. TINY=1 and DEVICE=cpu show within minutes that all works. Stopped, it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:?name the folder of pictures}
out=${2:-runs/faces}
device=${DEVICE:-cuda}
images=1300000
if [ -n "${TINY:-}" ]; then images=640; fi
mkdir -p "$out"
for network in lsun-64-narrow-resize lsun-64-narrow; do
    recipe=$out/$network.yaml
    cat > "$recipe" <<END
network: $network
images: $images
batch_size: 64
flips: true
averaging: 0.999
sample_every: 2000
snapshot_every: 200000
END
    python -m gan.train --data "$data" --recipe "$recipe" --out "$out/$network" --device "$device"
done
python -m benchmarks.realism faces-64 "$out/lsun-64-narrow" "$out/lsun-64-narrow-resize" --data "$data" --name faces \
    --results "$out/results"
