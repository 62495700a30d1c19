"""A made-up square with people and vehicles, the truth about them, and rules that suit it."""

from argus.vision.synthetic.options import PlazaOptions, parse_plaza_url
from argus.vision.synthetic.plaza import Plaza
from argus.vision.synthetic.suggestion import PLAZA_CROWDS, PLAZA_LINES, PLAZA_ZONES
from argus.vision.synthetic.truth import PlazaTruth

__all__ = [
    "PLAZA_CROWDS",
    "PLAZA_LINES",
    "PLAZA_ZONES",
    "Plaza",
    "PlazaOptions",
    "PlazaTruth",
    "parse_plaza_url",
]
