"""Libraries and films of varied squares, cut from the photos that scikit-image's wheel brings along."""

from pathlib import Path

import av

from mosaicd.studies.bench_library import PHOTOS, fill_library, photo, varied_squares

__all__ = ["PHOTOS", "fill_library", "photo", "varied_film", "varied_squares"]


def varied_film(path: Path, *, seconds: int, seed: int = 2) -> Path:
    """A film of one frame a second, each a square of `varied_squares`; H.264."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        for square in varied_squares(seconds, seed=seed, edge=128):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(square, format="rgb24")))
        container.mux(stream.encode())
    return path
