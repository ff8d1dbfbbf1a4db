"""`python -m benchmarks.svhn`: the paper's table 2, measured. Radford, Metz & Chintala (2016), section 5.2."""

from benchmarks.command import table_command
from gan.command import run

app = table_command("svhn")

if __name__ == "__main__":
    run(app)
