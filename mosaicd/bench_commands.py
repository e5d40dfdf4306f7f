"""The commands that measure how fast mosaicd is, and how much memory it takes."""

from pathlib import Path
from typing import Annotated

import typer

from mosaicd.command_line import Config, Root, Sets, library_names, open_store, require_library, settings_from

Rounds = Annotated[int, typer.Option("--rounds", min=1, help="How often; medians are shown.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", readable=False, help="Write the figures to this file too.")
]


def matching(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    tiles: Annotated[
        str, typer.Option("--tiles", metavar="N,N", help="How many tiles, one number or several.")
    ] = "2000,20000,190000",
    cells: Annotated[int, typer.Option("--cells", min=1, help="How many cells.")] = 6912,
    engines: Annotated[
        str, typer.Option("--engines", metavar="NAME,NAME", help="Which engines.")
    ] = "perceptual,codebox,mean-color-ssim",
    rounds: Rounds = 5,
    json_file: JsonFile = None,
    library: Annotated[
        str | None,
        typer.Option(
            "--library", autocompletion=library_names, help="Use this library's tiles, not made up ones."
        ),
    ] = None,
) -> None:
    """Measure engines against numpy, plain loops and FAISS."""
    from mosaicd.studies import matching_bench

    counts = matching_bench.counts_in(tiles)
    chosen = matching_bench.engines_in(engines)
    material = None
    if library is not None:
        with open_store(settings_from(root, config, sets)) as database:
            with database.read() as session:
                library_id = require_library(session, library).id
            material = matching_bench.library_tiles(database, library_id)
    matching_bench.run(
        counts=counts,
        cells=cells,
        engines=chosen,
        rounds=rounds,
        library=material,
        json_file=json_file,
        say=_say,
    )


def index(
    tiles: Annotated[int, typer.Option("--tiles", min=1, help="How many tiles there are.")] = 100_000,
    added: Annotated[int, typer.Option("--add", min=1, help="How many are added at a time.")] = 1000,
    additions: Annotated[int, typer.Option("--times", min=1, help="How often that is done.")] = 100,
    cells: Annotated[int, typer.Option("--cells", min=1, help="How many cells.")] = 6912,
    json_file: JsonFile = None,
) -> None:
    """Measure what a growing index costs against one built anew."""
    from mosaicd.studies import index_bench

    index_bench.run(tiles=tiles, added=added, additions=additions, cells=cells, json_file=json_file, say=_say)


def scale(
    tiles: Annotated[
        str, typer.Option("--tiles", metavar="N,N", help="How many tiles, one number or several.")
    ] = "10000,100000,1000000",
    cells: Annotated[int, typer.Option("--cells", min=1, help="How many cells.")] = 9216,
    rounds: Rounds = 5,
    json_file: JsonFile = None,
) -> None:
    """Measure how time and memory grow with the library, against FAISS."""
    from mosaicd.studies import matching_bench, scale_bench

    counts = matching_bench.counts_in(tiles)
    scale_bench.run(counts=counts, cells=cells, rounds=rounds, json_file=json_file, say=_say)


def mosaic(
    tiles: Annotated[int, typer.Option("--tiles", min=1, help="How many tiles there are.")] = 20_000,
    across: Annotated[int, typer.Option("--across", min=2, help="How many cells along each side.")] = 96,
    rounds: Rounds = 5,
    json_file: JsonFile = None,
) -> None:
    """Measure whole mosaics by a daemon of its own, against FAISS."""
    from mosaicd.studies import mosaic_bench

    mosaic_bench.run(tiles=tiles, across=across, rounds=rounds, json_file=json_file, say=_say)


def splice(
    film: Annotated[Path | None, typer.Argument(help="A film; without one, three are made up.")] = None,
    seconds: Annotated[
        int, typer.Option("--seconds", min=1, max=3600, help="Length of films that are made up.")
    ] = 30,
    interval: Annotated[
        float,
        typer.Option("--interval", min=0.01, max=3600, help="Seconds from one sampling moment to the next."),
    ] = 1.0,
    rounds: Rounds = 5,
    json_file: JsonFile = None,
) -> None:
    """Measure how fast films become tiles, against ffmpeg."""
    from mosaicd.studies import splice_bench

    splice_bench.run(
        film=film, seconds=seconds, interval_seconds=interval, rounds=rounds, json_file=json_file, say=_say
    )


def _say(doing: str) -> None:
    typer.echo(doing, err=True)
