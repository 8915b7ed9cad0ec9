"""Lets torchvision be imported where its C++ extension cannot load (a CUDA wheel beside a CPU-only torch).

There, a bare `import torchvision`, and so `import timm`, dies with "operator torchvision::nms does not
exist": torchvision attaches Python code to two operators that only its extension declares. With these two
declared, transforms, models, data sets and every package that builds on them work. The operators stay without
an implementation: calling `torchvision.ops.nms` or a detection model still raises torchvision's own error.

Nothing is declared where the extension loads. Importing this package changes nothing in the process of its host: what
is about to import torchvision here, or a package that does, calls `prepare` first, and only the process of `lbp`, which
is ours, has a hook that does so for everybody's imports, those of plugin files too.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_libraries: list[Any] = []  # a torch.library.Library takes its operators with it when it is collected


def prepare() -> None:
    """To be called before torchvision, or a package that imports it, is imported by this package."""
    if "torchvision" in sys.modules or _libraries:
        return
    spec = importlib.util.find_spec("torchvision")
    if spec is not None and spec.submodule_search_locations:
        declare_missing_operators(spec.submodule_search_locations[0])


def lacks_extension() -> bool:
    """Whether torchvision's extension cannot load here: its operators are then declared, and do nothing."""
    prepare()
    return bool(_libraries)


def install() -> None:
    """Have `declare_missing_operators` run just before torchvision is first imported, whoever imports it.

    For a process that is this package's own.
    """
    if "torchvision" not in sys.modules and not any(isinstance(finder, _Hook) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hook())


def declare_missing_operators(folder: str) -> bool:
    """Declare the operators that importing torchvision needs, unless its extension brings them.

    Parameters
    ----------
    folder: torchvision's package folder, which holds the extension `_C`.

    Returns
    -------
    Whether anything was declared.
    """
    import torch

    loader = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    extension = importlib.machinery.FileFinder(folder, loader).find_spec("_C")
    try:
        if extension is None or extension.origin is None:
            raise ImportError(f"no extension _C in {folder}")
        with contextlib.ExitStack() as stack:
            if sys.platform == "win32":  # torchvision says where to look for libraries only while it is imported
                stack.enter_context(os.add_dll_directory(folder))
            torch.ops.load_library(extension.origin)
    except (ImportError, OSError):
        if hasattr(torch.ops.torchvision, "nms"):  # somebody else has cured it already
            return False
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        _libraries.append(library)
        return True
    return False


class _Hook:
    """Finder that finds torchvision where the others do, and prepares its first import; then it is gone.

    Looking torchvision up without importing it (`importlib.util.find_spec`) triggers nothing.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torchvision":
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        if spec is None or spec.loader is None or not spec.submodule_search_locations:
            return spec
        folder, loader = spec.submodule_search_locations[0], spec.loader

        def exec_module(module: ModuleType) -> None:
            with contextlib.suppress(ValueError):
                sys.meta_path.remove(self)
            del loader.exec_module  # back to the loader's own
            declare_missing_operators(folder)
            loader.exec_module(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
