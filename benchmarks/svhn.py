"""`python -m benchmarks.svhn`: the paper's table 2, measured. Radford, Metz & Chintala (2016), section 5.2."""

from dcgan_features.benchmarks.runner.cli import table_command
from dcgan_features.data.utils.cli import run

app = table_command("svhn")

if __name__ == "__main__":
    run(app)
