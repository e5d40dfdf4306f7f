"""Pure image work: arrays in, arrays out."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
PixelArray = NDArray[np.uint8]

__all__ = ["FloatArray", "PixelArray"]
