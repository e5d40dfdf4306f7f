"""mosaicd turns films dropped into a folder into tiles, and photos into mosaics made of them."""

from importlib.metadata import version

__version__ = version("mosaicd")
