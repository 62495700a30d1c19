"""Where frames come from: files, folders, cameras, servers and the synthetic plaza, behind one door."""

from argus.vision.sources.opening import known_schemes, open_source
from argus.vision.sources.options import Opener, SourceOptions
from argus.vision.sources.protocol import Source, SourceCounters, SourceInfo

__all__ = [
    "Opener",
    "Source",
    "SourceCounters",
    "SourceInfo",
    "SourceOptions",
    "known_schemes",
    "open_source",
]
