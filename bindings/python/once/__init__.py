"""@Once: real-time, peer-to-peer communication; see Node."""

from ._abi import Cancel, OnceError
from ._model import *
from ._model import __version__
