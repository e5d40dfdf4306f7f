"""The store: one SQLite database that holds tiles, sources, mosaics, their uses of tiles, and jobs."""
