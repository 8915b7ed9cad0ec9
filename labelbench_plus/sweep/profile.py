"""The launcher of a sweep: a name or a YAML file, with overrides from the suite and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from labelbench_plus.contracts.launchers import Launcher
from labelbench_plus.faults import told
from labelbench_plus.inputs.plain_yaml import YAMLRefused, load_yaml, place
from labelbench_plus.plugins import registry


class ProfileError(Exception):
    """A launcher's settings cannot be used. One line per fault: where it is and what would be right."""


def load_profile(launcher: str, suite: Mapping[str, Any], overrides: Sequence[str]) -> Launcher:
    """Build the launcher that `launcher` stands for.

    Parameters
    ----------
    launcher: a launcher's name, or the path of a YAML file: a mapping with its `name` and settings.
    suite: what the suite overrides, by launcher name.
    overrides: `setting=value` or `pack.concurrent=2`, with the value in YAML; these win.

    Raises
    ------
    ProfileError
        The file, a setting or a value is wrong.
    """
    settings: dict[str, Any] = {"name": launcher}
    marks: Any = None
    if "/" in launcher or launcher.endswith((".yaml", ".yml")):
        try:
            settings, marks = _yaml(Path(launcher).read_text(encoding="utf-8"), launcher)
        except OSError as error:
            raise ProfileError(f"{launcher}: cannot be read: {error.strerror}") from error
        if not isinstance(settings, dict) or "name" not in settings:
            raise ProfileError(f"{launcher}: expected a mapping with the launcher's 'name' and its settings")
    written = settings
    settings = _merged(settings, suite.get(str(settings["name"]), {}))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ProfileError(f"--set {override}: expected setting=value, e.g. time=2h")
        value, _ = _yaml(text, f"--set {override}")
        for part in reversed(key.split(".")):
            value = {part: value}
        settings = _merged(settings, value)
    try:
        built: Launcher = registry("launchers").build(settings)
    except PydanticCustomError as error:
        raise ProfileError(f"{launcher}: {error.message()}") from error
    except ValidationError as error:
        lines = []
        for path, message in told(error, settings):
            field = str(path[0]) if path else ""
            as_written = field in written and written[field] == settings[field] and marks is not None
            where = f"{launcher}:{place(marks, path)}" if as_written else launcher
            lines.append(f"{where}: {'.'.join(map(str, path)) or 'profile'}: {message}")
        raise ProfileError("\n".join(lines)) from error
    return built


def _yaml(text: str, where: str) -> tuple[Any, Any]:
    try:
        return load_yaml(text)
    except YAMLRefused as error:
        raise ProfileError(f"{where}{error.place}: {error}") from error


def _merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(settings)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
