"""Fast, exact primitives: plain functions on tensors that know nothing of pools, views or registries.

`blocks` has what primitives are built of, `design` experimental designs, `learners` what is fitted; the other modules
are called what they compute. A module can be imported without its folder: `labelbench_plus.algorithms.greedy_design` is
`labelbench_plus.algorithms.design.greedy_design`, the very same module.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class _Folders(MetaPathFinder, Loader):
    """Finds modules of this package's folders under their own names. Asked after all others."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package != __name__:
            return None
        for file in (file for folder in __path__ for file in Path(folder).glob(f"*/{name}.py")):
            return ModuleSpec(fullname, self, origin=str(file), loader_state=f"{package}.{file.parent.name}.{name}")
        return None

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        sys.modules[module.__name__] = import_module(module.__spec__.loader_state)


sys.meta_path.append(_Folders())
