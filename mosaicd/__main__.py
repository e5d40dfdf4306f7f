"""``python -m mosaicd`` is the same as ``mosaicd``."""

from mosaicd.cli import main

if __name__ == "__main__":
    main()
