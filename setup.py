"""Where the packages lie: five folders at the top of the repository, installed inside `dcgan_features`.

All else stands in pyproject.toml, which cannot say this without naming every folder twice.
"""

from setuptools import find_packages, setup

NAME = "dcgan_features"
FOLDERS = ("benchmarks", "data", "eval", "features", "gan")

setup(
    packages=[
        NAME,
        *(f"{NAME}.{name}" for name in find_packages(include=[*FOLDERS, *(f"{name}.*" for name in FOLDERS)])),
    ],
    package_dir={NAME: NAME, **{f"{NAME}.{name}": name for name in FOLDERS}},
)
