"""Live photos: a photo, and in a file of its own the few seconds of film around it."""

import os
from enum import StrEnum
from pathlib import Path, PurePosixPath

from mosaicd.jobs.queue import JobQueue
from mosaicd.media.files import signature
from mosaicd.media.quicktime import MovieFacts, movie_facts

_FILM_SUFFIX = ".mov"
_PHOTO_SUFFIXES = (".heic", ".HEIC", ".heif", ".HEIF", ".jpg", ".JPG", ".jpeg", ".JPEG")
_LONGEST_SECONDS = 10.0
_MOST_APART_NS = 60 * 10**9


class LivePhotoFilms(StrEnum):
    """What becomes of the films of live photos."""

    SKIP = "skip"
    TILES = "tiles"


def have_one_name(photo: str, film: str) -> bool:
    """Whether two paths in the inbox differ in nothing but their endings."""
    return photo.rpartition(".")[0].casefold() == film.rpartition(".")[0].casefold()


def is_live_photo_film(film: str, inbox: Path, queue: JobQueue) -> bool:
    """Whether a file in the inbox is the film of a live photo.

    Phones write into such a film which photo it belongs to; so it is known before that photo comes, and without
    it. Where a program has dropped that note, it is short, and a photo of its name was taken at the same time,
    which stands beside it or has been used already.

    Parameters
    ----------
    film : str
        Relative to the inbox.
    inbox : Path
    queue : JobQueue
    """
    facts = _facts(inbox / film)
    if facts.is_paired:
        return True
    if facts.seconds is None or facts.seconds > _LONGEST_SECONDS or not film.lower().endswith(_FILM_SUFFIX):
        return False
    looks = signature(inbox / film)
    return looks is not None and any(
        abs(looks.mtime_ns - photo_ns) <= _MOST_APART_NS for photo_ns in _times_of_photos(film, inbox, queue)
    )


def _facts(film: Path) -> MovieFacts:
    try:
        # a pipe would keep one waiting
        descriptor = os.open(film, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return movie_facts(file)
    except OSError:
        return MovieFacts()


def _times_of_photos(film: str, inbox: Path, queue: JobQueue) -> list[int]:
    """When photos of a film's name were last changed, in nanoseconds since 1970."""
    paths = [str(PurePosixPath(film).with_suffix(suffix)) for suffix in _PHOTO_SUFFIXES]
    beside = [looks.mtime_ns for path in paths if (looks := signature(inbox / path)) is not None]
    return beside + [job.mtime_ns for job in queue.last_of_paths(paths).values()]
