"""The one package that is imported and installed: `dcgan_features.{data,gan,features,eval,benchmarks}`.

In a clone the five folders lie at the top of the repository, beside this one, so that `python -m benchmarks.cifar10`
works there as it is written. They are found because the repository is added to this package's path: no links, which
Windows does not always make, and no files that an editable install would have to keep in step. A wheel holds the five
folders inside this one, and nothing is added.
"""

from pathlib import Path

if not Path(__file__).with_name("data").is_dir():
    __path__.append(str(Path(__file__).parents[1]))
