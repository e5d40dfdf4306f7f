"""Pure matching: the tile index, penalties as arrays, the assignment of tiles to cells."""
