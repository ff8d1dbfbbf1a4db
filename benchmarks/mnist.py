"""`python -m benchmarks.mnist`: MNIST with few labels, by the systems that fill the SVHN table."""

from benchmarks.command import table_command
from gan.command import run

app = table_command("mnist")

if __name__ == "__main__":
    run(app)
