"""Settings in words, as their models have them: what the example file and README are held true against."""

from enum import Enum
from pathlib import Path

from mosaicd.pipelines.appearance import Appearance
from mosaicd.settings import LibrarySettings, Settings

GENERAL = [name for name in Settings.model_fields if name not in {*LibrarySettings.model_fields, "library"}]
PER_LIBRARY = list(LibrarySettings.model_fields)
APPEARANCE = list(Appearance.model_fields)


def description(name: str) -> str:
    """What a setting does."""
    return Settings.model_fields[name].description or ""


def default_in_toml(name: str) -> str:
    """A setting's default, as a file has it."""
    return _in_toml(_default(name))


def _default(name: str) -> object:
    """A setting's default; for a path that depends on others, what comes of their defaults."""
    settings = Settings()
    if name == "database":
        return _with_tilde(settings.database_path)
    if (value := getattr(settings, name)) is None:
        return _with_tilde(getattr(settings.folders, name))
    return value


def _with_tilde(path: Path) -> Path:
    return Path("~") / path.relative_to(Path.home())


def _in_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:_}"
        case float():
            return repr(value)
        case Enum():
            return f'"{value.value}"'
        case _:
            return f'"{value}"'
