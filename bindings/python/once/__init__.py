"""@Once: real-time, peer-to-peer communication; see Node."""

from ._abi import Cancel
from ._crossing import OnceError
from ._model import *
from ._model import __version__
