"""`python -m gan.strip`: the former name of `gan.sample_history`, for one release."""

from dcgan_features.data.utils.cli import run
from dcgan_features.gan.sample_history import app

if __name__ == "__main__":
    run(app)
