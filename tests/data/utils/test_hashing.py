"""Both digests of arrays are in files that are found again by them: their bytes are written out here."""

import hashlib

import numpy as np
import pytest

from dcgan_features.data.utils.hashing import array_digest, digest_array, digest_of

ARRAY = np.array([[1, 2, 3], [4, 5, 6]], dtype="<i4")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_the_digest_in_weights_and_results():
    raw = ARRAY.tobytes()
    assert array_digest(ARRAY) == sha256(b"<i4 (2, 3);" + raw)
    assert array_digest(ARRAY, None, ARRAY[0]) == sha256(b"<i4 (2, 3);" + raw + b"absent;" + b"<i4 (3,);" + raw[:12])


def test_the_digest_in_the_keys_of_the_feature_store(monkeypatch):
    expected = sha256(b"((2, 3), '<i4')" + ARRAY.tobytes())
    assert digest_array(ARRAY) == digest_array(np.asfortranarray(ARRAY)) == expected
    monkeypatch.setattr("dcgan_features.data.utils.hashing._ROWS", 1)
    assert digest_array(ARRAY) == expected
    assert digest_array(np.array(7, "<i4")) == sha256(b"((), '<i4')" + b"\7\0\0\0")
    with pytest.raises(ValueError, match="Python objects"):
        digest_array(np.array([None]))


def test_the_digest_of_settings():
    assert digest_of({"b": 1, "a": [2, "c"]}) == sha256(b'{"a": [2, "c"], "b": 1}')
