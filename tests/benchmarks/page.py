"""How fast a mosaic's page is: first paint, the whole image, and frames a second while zooming and panning.

``python -m tests.benchmarks.page PAGE.mosaic.html [--rounds 5]``, in a headless Chromium without a graphics card.
"""

import argparse
import statistics
from pathlib import Path

from tests.browser import Visit, browser

_VIEWPORTS = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1440, "height": 900}}
_ZOOM_SECONDS = 3.0
_COUNT_FRAMES = """
seconds => new Promise(done => {
  const start = performance.now();
  let frames = 0, longest = 0, last = start;
  const step = now => {
    frames += 1;
    longest = Math.max(longest, now - last);
    last = now;
    if (now - start < 1000 * seconds) requestAnimationFrame(step);
    else done([frames / (now - start) * 1000, longest]);
  };
  requestAnimationFrame(step);
})
"""
_TURN_THE_WHEEL = """
seconds => {
  const map = document.getElementById("mosaic"), box = map.getBoundingClientRect();
  const start = performance.now();
  const turn = () => {
    const spent = performance.now() - start;
    if (spent > 1000 * seconds) return;
    map.dispatchEvent(new WheelEvent("wheel", {
      deltaY: spent < 500 * seconds ? -40 : 40, bubbles: true, cancelable: true,
      clientX: box.x + box.width / 3, clientY: box.y + box.height / 3,
    }));
    setTimeout(turn, 30);
  };
  turn();
}
"""


def main() -> None:
    """Measure a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    page = options.page.absolute()
    print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
    with browser() as opened:
        for name, viewport in _VIEWPORTS.items():
            paints, wholes, rates, pauses = [], [], [], []
            for _ in range(options.rounds):
                with Visit(opened, page, viewport=viewport) as visit:
                    paint, whole = visit.page.evaluate(
                        "[performance.getEntriesByType('paint')[0].startTime, performance.now()]"
                    )
                    visit.page.evaluate(_TURN_THE_WHEEL, _ZOOM_SECONDS)
                    rate, pause = visit.page.evaluate(_COUNT_FRAMES, _ZOOM_SECONDS)
                paints.append(paint)
                wholes.append(whole)
                rates.append(rate)
                pauses.append(pause)
            print(
                f"{name}: first paint {_range(paints)} ms, all there {_range(wholes)} ms, "
                f"zooming {_range(rates)} frames a second, longest pause {_range(pauses)} ms"
            )


def _range(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


if __name__ == "__main__":
    main()
