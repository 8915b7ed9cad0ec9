"""LabelBench Plus: which way of spending N labels, with which way of training, gives the best model?

Importing this package is cheap, and changes nothing in its host: a public name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelbench_plus.api import RunsFailed, learning_curves, load_model, ranking, run_details, run_suite
    from labelbench_plus.isolation.suites import load_suite
    from labelbench_plus.plugins import load_plugin_file
    from labelbench_plus.suite import Suite, SuiteError

__version__ = "0.1.0"
__all__ = [
    "RunsFailed",
    "Suite",
    "SuiteError",
    "__version__",
    "learning_curves",
    "load_model",
    "load_plugin_file",
    "load_suite",
    "ranking",
    "run_details",
    "run_suite",
]

_HOMES = {
    "RunsFailed": "api",
    "Suite": "suite",
    "SuiteError": "suite",
    "learning_curves": "api",
    "load_model": "api",
    "load_plugin_file": "plugins",
    "load_suite": "isolation.suites",
    "ranking": "api",
    "run_details": "api",
    "run_suite": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
