"""Hydra's composition, with its mistakes on one line each, and the files of a sweep read once for all its cells."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from editmgt.errors import UserError, nearest
from editmgt.sweeps.overrides import is_group, is_hydra, parse


class Composer:
    """Composes the cells of a sweep, inside ``initialize_config_dir``.

    Hydra reads some 25 files for each. Cells mostly differ in single values, so those that take the same files share
    one reading, and their values are set on copies of it.
    """

    def __init__(self, conf_dir: Path, task: str) -> None:
        self._conf_dir, self._task = conf_dir, task
        self._read: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, arguments: list[str]) -> DictConfig:
        """Return what Hydra composes of these overrides; a ``UserError`` where it cannot."""
        overrides = parse(arguments)
        values = [override for override in overrides if self._is_value(override)]
        files = tuple(str(override.input_line) for override in overrides if override not in values)
        if files not in self._read:
            self._read[files] = composed(self._task, list(files))
        config = deepcopy(self._read[files])
        try:
            for override in values:
                OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        except OmegaConfBaseException:
            return composed(self._task, arguments)  # says in Hydra's words what is wrong
        return config

    def _is_value(self, override: Override) -> bool:
        """Whether it gives a key that is there another value, and chooses no file."""
        changes = not (override.is_add() or override.is_force_add() or override.is_delete())
        key = override.key_or_group
        return (
            changes and not override.package and not is_hydra(override) and not is_group(self._conf_dir, key)
        )


def composed(task: str, overrides: list[str], hydra: bool = False) -> DictConfig:
    """Return what Hydra composes, with its own settings if asked for; a ``UserError`` of one line where it cannot."""
    try:
        return compose(task, overrides=overrides, return_hydra_config=hydra)
    except MissingConfigException as error:
        options = [str(option) for option in error.options or ()]
        group, _, name = str(error.missing_cfg_file or "").rpartition("/")
        if group == "benchmark":  # it follows the data
            raise UserError(
                f"data={name} has no benchmark of its own: add benchmark=NAME, one of {', '.join(options)}."
            ) from error
        raise UserError(f"{first_line(error)}{nearest(name, options)}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(first_line(error)) from error


def first_line(error: Exception) -> str:
    """Hydra says the mistake in its first line and goes on about its grammar; a cause may be the clearer one."""
    line = str(error).strip().splitlines()[0]
    cause = str(error.__cause__ or "").strip().splitlines()
    return line if not cause or cause[0] in line else f"{line} {cause[0]}"


def plain(config: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """The same in plain containers."""
    container = OmegaConf.to_container(config, resolve=resolve, throw_on_missing=resolve)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
