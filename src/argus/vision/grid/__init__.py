"""Many cameras in one annotated picture, and how it is shown: on a page, or in a file."""

from argus.vision.grid.page import GridPage
from argus.vision.grid.painting import GridPainter
from argus.vision.grid.tile import Tile, grid_status
from argus.vision.grid.writing import GridFile

__all__ = ["GridFile", "GridPage", "GridPainter", "Tile", "grid_status"]
