"""Codecs and files: video reader, photo reader, masters, outbox and archive."""
