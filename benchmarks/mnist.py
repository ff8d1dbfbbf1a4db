"""`python -m benchmarks.mnist`: MNIST with few labels, by the systems that fill the SVHN table."""

from dcgan_features.benchmarks.runner.cli import table_command
from dcgan_features.data.utils.cli import run

app = table_command("mnist")

if __name__ == "__main__":
    run(app)
