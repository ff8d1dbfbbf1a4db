#!/usr/bin/env bash
# The shipped faces-64, as it was trained: 1.42 million presentations of drawn faces, two hours of one CPU core or minutes of
# a GPU; then its samples beside real images.
#   benchmarks/studies/faces.sh FOLDER [OUT]
# FOLDER holds the pictures. DEVICE=cpu or cuda chooses; TINY=1 shows within minutes that all works. Stopped, it goes on
# where it was.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:?name the folder of pictures}
out=${2:-runs/faces}
device=${DEVICE:+--device $DEVICE}
first=1100000
second=320000
if [ -n "${TINY:-}" ]; then first=640; second=640; fi
mkdir -p "$out"
cat > "$out/first.yaml" <<END
network: lsun-64-narrow-resize
images: $first
batch_size: 64
flips: true
averaging: 0.999
sample_every: 2000
snapshot_every: 100000
END
python -m gan.train --data "$data" --recipe "$out/first.yaml" --out "$out/first" $device
# Then with noise on what the discriminator sees and half of its learning rate: it had the 6,000 faces nearly by heart.
cat > "$out/second.yaml" <<END
network: lsun-64-narrow-resize
start_from: $(cd "$out" && pwd)/first/weights.safetensors
images: $second
batch_size: 64
seed: 1
flips: true
averaging: 0.99
instance_noise: 0.2
discriminator_rate: 0.5
sample_every: 1000
snapshot_every: 32000
END
python -m gan.train --data "$data" --recipe "$out/second.yaml" --out "$out/second" $device
python -m benchmarks.realism "$out/first" "$out/second" --data "$data" --name faces --results "$out/results"
