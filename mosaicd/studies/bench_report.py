"""What every benchmark says at its end: its figures in a file, for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mosaicd.errors import MosaicdError
from mosaicd.studies.machine import Machine


def write_figures(file: Path, machine: Machine, content: Mapping[str, object]) -> None:
    """Write a benchmark's figures, and the machine that they were measured on, as JSON.

    Raises
    ------
    MosaicdError
        If the file cannot be written.
    """
    try:
        file.write_text(
            json.dumps({"machine": asdict(machine), **content}, indent=1) + "\n", encoding="utf-8"
        )
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise MosaicdError(message) from error
