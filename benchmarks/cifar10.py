"""`python -m benchmarks.cifar10`: the paper's table 1, measured. Radford, Metz & Chintala (2016), section 5.1."""

from benchmarks.command import table_command
from gan.command import run

app = table_command("cifar10")

if __name__ == "__main__":
    run(app)
