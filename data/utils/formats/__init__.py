"""The one way to read each format: whatever is wrong with a file becomes an `InputError` that names it.

`read_array` and `map_array` (.npy), `read_archive` (.npz), `read_hdf5`, `read_json`, `read_yaml`, `read_tensors`
(.safetensors), `read_sound` (WAV, FLAC); `sealed` and `opened` for JSON that this project writes, which a digest
covers.
"""

from dcgan_features.data.utils.formats.archive import read_archive
from dcgan_features.data.utils.formats.array import keep_array, kept_array, map_array, read_array
from dcgan_features.data.utils.formats.hdf5 import read_hdf5
from dcgan_features.data.utils.formats.json_text import opened, parse_json, read_json, read_sealed, sealed, write_sealed
from dcgan_features.data.utils.formats.sound import read_sound, write_sound
from dcgan_features.data.utils.formats.tensors import read_tensors
from dcgan_features.data.utils.formats.yaml_text import parse_yaml, read_yaml
from dcgan_features.data.utils.raw import printable, read_bytes, read_text

__all__ = [
    "keep_array",
    "kept_array",
    "map_array",
    "opened",
    "parse_json",
    "parse_yaml",
    "printable",
    "read_archive",
    "read_array",
    "read_bytes",
    "read_hdf5",
    "read_json",
    "read_sealed",
    "read_sound",
    "read_tensors",
    "read_text",
    "read_yaml",
    "sealed",
    "write_sealed",
    "write_sound",
]
