"""`python -m benchmarks.overview`: the former name of `benchmarks.documents.overview`, for one release."""

from dcgan_features.benchmarks.documents.overview import app
from dcgan_features.data.utils.cli import run

if __name__ == "__main__":
    run(app)
