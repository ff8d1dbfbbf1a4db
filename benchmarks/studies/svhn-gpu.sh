#!/usr/bin/env bash
# Table 2 at the published sizes, on one GPU, the rows in order of worth. Stopped, it goes on where it was.
#   benchmarks/studies/svhn-gpu.sh FOLDER [RESULTS]
# FOLDER holds train_32x32.mat and test_32x32.mat, or svhn_recut.npz. docs/semi-supervised.md has the expected hours.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:?name the folder that holds SVHN}
results=${2:-results/svhn-paper}
for row in dcgan dcgan-authors dcgan-authors-views random-dcgan random-dcgan-views knn knn-pca knn-contrast tsvm tsvm-pixels \
    supervised-cnn m1-knn m1-tsvm swwae swwae-dropout swwae-control swwae-dropout-control m1-m2; do
    python -m benchmarks.svhn --preset from-scratch --only "$row" --data-root "$data" --results "$results" --device cuda
done
