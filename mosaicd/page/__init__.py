"""The page beside each mosaic: one HTML file that needs nothing but a browser."""
