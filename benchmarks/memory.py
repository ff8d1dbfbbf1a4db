"""`python -m benchmarks.memory`: the former name of `benchmarks.memorisation`, for one release."""

from dcgan_features.benchmarks.memorisation.__main__ import app
from dcgan_features.data.utils.cli import run

if __name__ == "__main__":
    run(app)
