import numpy as np
import torch

from dcgan_features.features.discriminator.pooling import pool_to_grid, signed_power


def test_pooling_of_a_map_worked_by_hand():
    maps = torch.arange(16.0).view(1, 1, 4, 4)
    assert pool_to_grid(maps, 2).tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    assert pool_to_grid(-maps, 2).tolist() == [[[[0.0, -2.0], [-8.0, -10.0]]]]
    assert pool_to_grid(maps, 4).tolist() == maps.tolist()


def test_the_signed_power_worked_by_hand_in_either_precision():
    features = torch.tensor([-4.0, -0.25, 0.0, 9.0])
    assert signed_power(features, 0.5).tolist() == [-2.0, -0.5, 0.0, 3.0]
    assert signed_power(features, 1.0).tolist() == features.tolist()
    coarse = signed_power(features.bfloat16(), 0.25)
    assert coarse.dtype == torch.bfloat16
    np.testing.assert_allclose(coarse.float(), [-(4**0.25), -(0.25**0.25), 0.0, 9**0.25], rtol=2**-8)
    assert features.tolist() == [-4.0, -0.25, 0.0, 9.0]  # the argument is left alone
