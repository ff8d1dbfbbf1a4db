#!/usr/bin/env bash
# Table 1 from ImageNet's images, on one GPU. Stopped at any time, the same command goes on where it was.
#   benchmarks/studies/cifar10-gpu.sh FOLDER [PART...]
# FOLDER holds CIFAR-10 and tiny_imagenet_32.npy. Parts, in order of worth, with their minutes on an NVIDIA H200 at the rates
# of docs/scale-measured.md; those of the Exemplar-CNN and of measuring are estimates:
#   dcgan      the paper's network for the paper's 38,400,000 images, 9 minutes; its snapshots scored on training images, 5
#   exemplar   Exemplar-CNN's largest network, its classes clustered half-way, 8 minutes
#   seeds      three seeds of 9,600,000 images, 7 minutes
#   tasks      flips alone, and rotation prediction alone, 9,600,000 images each, 5 minutes
#   measure    each row once on the test set, 10 minutes
# TINY=1 tries all of it with a few minibatches; DEVICE=cpu on the CPU.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:?name the folder that holds CIFAR-10 and tiny_imagenet_32.npy}
shift
parts=${*:-dcgan exemplar seeds tasks measure}
device=${DEVICE:-cuda}
PATH="$PWD/.venv/bin:$PATH"
if [ -n "${TINY:-}" ]; then
    runs=runs/imagenet-tiny preset=tiny whole=512 quarter=256 every=256
    patches="network: 8c5-8c5-16f, samples: 1280, seeds: 40, decay: 640, cluster_after: 640, samples_per_seed: null"
else
    runs=runs/imagenet preset=default whole=38400000 quarter=9600000 every=1920000
    patches="network: large, samples: 24000000, seeds: 16000, decay: 8000000, cluster_after: 12000000"
fi
mkdir -p "$runs"

train() { # NAME IMAGES SEED MORE: a DCGAN with a snapshot after every so many images
    echo "{network: paper-32, images: $2, seed: $3, snapshot_every: $every, sample_every: 5000$4}" >"$runs/$1.yaml"
    python -m gan.train --data tiny-imagenet-32 --data-root "$data" --recipe "$runs/$1.yaml" --out "$runs/$1" \
        --device "$device"
}

for part in $parts; do
    case $part in
    dcgan)
        train dcgan "$whole" 0 ""
        python -m benchmarks.layers --table benchmarks/studies/imagenet.yaml --preset "$preset" --row dcgan \
            --training "$runs/dcgan" --protocol choice --data-root "$data" --device "$device"
        ;;
    exemplar)
        echo "{$patches, image_size: 64, optimiser: adam, learning_rate: 0.001, dropout: 0}" >"$runs/exemplar.yaml"
        python -m features.exemplar.train --data tiny-imagenet-32 --data-root "$data" --recipe "$runs/exemplar.yaml" \
            --out "$runs/exemplar" --device "$device"
        ;;
    seeds) for seed in 0 1 2; do train "dcgan-seed-$seed" "$quarter" "$seed" ""; done ;;
    tasks)
        train dcgan-flips "$quarter" 0 ", flips: true"
        train dcgan-rotations "$quarter" 0 ", rotation: 1.0"
        ;;
    measure)
        python -m benchmarks.cifar10 --table benchmarks/studies/imagenet.yaml --preset "$preset" --data-root "$data" \
            --device "$device"
        ;;
    *) echo "error: unknown part '$part'; the parts are dcgan, exemplar, seeds, tasks and measure" >&2 && exit 2 ;;
    esac
done
