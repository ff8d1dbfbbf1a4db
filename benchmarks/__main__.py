"""`python -m benchmarks`: lists the commands, and `python -m benchmarks compare ...` runs one."""

from dcgan_features.benchmarks.commands import main

if __name__ == "__main__":
    main(program="python -m benchmarks")
