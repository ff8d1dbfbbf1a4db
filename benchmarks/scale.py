"""`python -m benchmarks.scale`: the former name of `benchmarks.speed.scale`, for one release."""

from dcgan_features.benchmarks.speed.scale import app
from dcgan_features.data.utils.cli import run

if __name__ == "__main__":
    run(app)
