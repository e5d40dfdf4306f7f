"""Which squares are blurred, and which are lines of writing."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from mosaicd.imaging import PixelArray
from mosaicd.imaging.frames import square_crops
from mosaicd.imaging.worth import is_blurred, is_writing
from tests.libraries import photo

EDGE = 128
NAMES = [
    "Directed by",
    "Anna Smith",
    "Produced by",
    "John B. Miller",
    "Music",
    "The Little Orchestra",
    "Catering",
]
PICTURES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg")


def squares(name: str) -> list[PixelArray]:
    return square_crops(photo(name), edge=EDGE)


def blurred(square: PixelArray, sigma: float) -> PixelArray:
    return np.asarray(cv2.GaussianBlur(square, (0, 0), sigma), np.uint8)


def smooth(*, bent: bool) -> PixelArray:
    """A sunset: light that falls evenly, or bends once."""
    down = np.linspace(0, 1, EDGE)[:, np.newaxis]
    light = 1 - down**2 if bent else 1 - down
    sky = np.array([250, 140, 40]) * np.broadcast_to(light[..., np.newaxis], (EDGE, EDGE, 3))
    return np.ascontiguousarray(sky.astype(np.uint8))


def written(*, size: int, ink: int, ground: int, centred: bool) -> PixelArray:
    """Credits of a film in 720p, cut at its left end."""
    image = Image.new("RGB", (1280, 720), (ground, ground, ground))
    draw = ImageDraw.Draw(image)
    for number, top in enumerate(range(5, 720, size * 3 // 2)):
        place = (360, top) if centred else (60, top)
        anchor = "mt" if centred else "lt"
        text = f"{NAMES[number % len(NAMES)]}   {NAMES[-1 - number % len(NAMES)]}"
        draw.text(place, text, font=ImageFont.load_default(size), anchor=anchor, fill=(ink, ink, ink))
    return square_crops(np.asarray(image), edge=EDGE)[0]


def stars(seed: int) -> PixelArray:
    random = np.random.default_rng(seed)
    sky = np.zeros((720, 720, 3), np.uint8)
    for _ in range(int(random.integers(20, 400))):
        place, color = random.integers(0, 720, 2).tolist(), random.integers(100, 255, 3).tolist()
        cv2.circle(sky, place, int(random.integers(1, 6)), color, -1)
    return square_crops(sky, edge=EDGE)[0]


@pytest.mark.parametrize("name", PICTURES)
def test_a_sharp_picture_is_neither_blurred_nor_writing(name: str) -> None:
    for square in squares(name):
        assert not is_blurred(square)
        assert not is_writing(square)


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png"])
def test_a_picture_out_of_focus_is_blurred(name: str) -> None:
    for square in squares(name):
        assert is_blurred(blurred(square, 4))


def test_a_picture_is_measured_at_one_size_and_smaller_ones_not_at_all() -> None:
    (large,) = square_crops(photo("astronaut.png"), edge=512)
    assert not is_blurred(large)
    assert is_blurred(blurred(large, 16))
    (small,) = square_crops(photo("astronaut.png"), edge=64)
    assert not is_blurred(blurred(small, 4))
    assert not is_writing(written(size=40, ink=240, ground=5, centred=True)[::2, ::2])


@pytest.mark.parametrize("bent", [False, True])
def test_what_is_smooth_by_nature_is_not_blurred(bent: bool) -> None:  # noqa: FBT001
    assert not is_blurred(smooth(bent=bent))


@pytest.mark.parametrize("size", [24, 40, 64])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("ink", "ground"), [(240, 5), (20, 250)])
def test_lines_of_credits_are_writing(size: int, ink: int, ground: int, centred: bool) -> None:  # noqa: FBT001
    assert is_writing(written(size=size, ink=ink, ground=ground, centred=centred))


def test_a_starry_sky_is_no_writing() -> None:
    assert not any(is_writing(stars(seed)) for seed in range(60))
    hubble = photo("hubble_deep_field.jpg")
    places = np.random.default_rng(1).integers(0, 400, (40, 2))
    assert not any(
        is_writing(
            square_crops(np.ascontiguousarray(hubble[top : top + 450, left : left + 450]), edge=EDGE)[0]
        )
        for top, left in places
    )


def test_one_bar_is_no_writing() -> None:
    bar = np.zeros((EDGE, EDGE, 3), np.uint8)
    bar[60:64, 20:100] = 255
    assert not is_writing(bar)
    assert not is_writing(np.zeros_like(bar))
