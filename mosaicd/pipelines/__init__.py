"""The two pipelines: splice.py (video to tiles) and mosaic.py (photo to mosaic)."""
