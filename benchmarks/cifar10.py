"""`python -m benchmarks.cifar10`: the paper's table 1, measured. Radford, Metz & Chintala (2016), section 5.1."""

from dcgan_features.benchmarks.runner.cli import table_command
from dcgan_features.data.utils.cli import run

app = table_command("cifar10")

if __name__ == "__main__":
    run(app)
