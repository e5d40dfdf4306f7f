"""File formats of mosaics."""

from enum import StrEnum


class OutputFormat(StrEnum):
    """File formats a mosaic can be written in."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"

    @property
    def suffix(self) -> str:
        """The end of the file's name."""
        return {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}[self]

    @property
    def edge_limit_pixels(self) -> int:
        """The longest edge that the format can hold."""
        return {"jpeg": 65_500, "png": 1_000_000, "webp": 16_383}[self]
