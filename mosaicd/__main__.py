"""The program: ``python -m mosaicd`` is the same as ``mosaicd``."""


def main() -> None:
    """Run the command line, which workers do without: they import this module as well."""
    from mosaicd import cli

    cli.main()


if __name__ == "__main__":
    main()
