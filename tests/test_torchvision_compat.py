"""Torchvision can be imported by this package and by `lbp`, whether or not torchvision's C++ extension can load."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from labelbench_plus import _torchvision_compat as compat

ROOT = Path(compat.__file__).parents[1]
HOOKED = "any(type(finder).__name__ == '_Hook' for finder in sys.meta_path)"
installed = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None or importlib.util.find_spec("timm") is None,
    reason="torchvision and timm are not installed",
)


def python(code: str) -> str:
    """Run code in a fresh interpreter, which must succeed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_nothing_heavy() -> None:
    python(
        "import sys, labelbench_plus\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'timm', 'sklearn', 'pandas', 'wandb'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert labelbench_plus.__version__"
    )


def test_importing_the_package_leaves_its_host_as_it_was() -> None:
    python(
        "import sys\n"
        "before = list(sys.meta_path), list(sys.path_hooks)\n"
        "import labelbench_plus\n"
        "labelbench_plus.run_suite\n"  # which imports most of it
        "assert (list(sys.meta_path), list(sys.path_hooks)) == before\n"
    )


@installed
def test_models_load_in_a_host_that_has_no_hook() -> None:
    python(
        "import sys\n"
        "before = list(sys.meta_path)\n"
        "from labelbench_plus.encoders import encoders\n"
        "for name in ('timm', 'torchvision'):\n"
        "    encoder = encoders.build({'name': name, 'model': 'resnet18', 'weights': 'random-plumbing-test'})\n"
        "    assert encoder.side() == 224\n"
        "assert sys.meta_path == before\n"
    )


@installed
def test_models_and_transforms_work_and_the_hook_leaves_nothing_behind() -> None:
    python(
        "import sys, importlib.util\n"
        "from labelbench_plus import _torchvision_compat\n"
        "_torchvision_compat.install()\n"
        f"assert {HOOKED}\n"
        "importlib.util.find_spec('torchvision')\n"
        f"assert {HOOKED} and 'torch' not in sys.modules, 'a mere look-up must trigger nothing'\n"
        "import timm, torch, torchvision, inspect\n"
        f"assert not {HOOKED}\n"
        "assert 'exec_module' not in vars(torchvision.__spec__.loader)\n"
        "assert torchvision.__spec__.loader is torchvision.__loader__\n"
        "assert 'transforms' in inspect.getsource(torchvision)\n"
        # declared if and only if the real extension did not load; then nms fails with torchvision's own words
        "healthy = torchvision.extension._has_ops()\n"
        "assert len(_torchvision_compat._libraries) == (0 if healthy else 1)\n"
        "try:\n"
        "    assert len(torchvision.ops.nms(torch.tensor([[0., 0., 1., 1.]]), torch.ones(1), 0.5)) == 1\n"
        "except RuntimeError as error:\n"
        "    assert not healthy and 'custom C++ ops' in str(error)\n"
        "from PIL import Image\n"
        "from torchvision.transforms import v2\n"
        "image = v2.Compose([v2.ToImage(), v2.Resize(64), v2.ToDtype(torch.float32, scale=True)])(\n"
        "    Image.new('RGB', (80, 90)))\n"
        "assert image.shape == (3, 72, 64)\n"
        "with torch.inference_mode():\n"
        "    assert torchvision.models.squeezenet1_1(num_classes=3).eval()(image[None]).shape == (1, 3)\n"
        "    model = timm.create_model('tf_efficientnet_lite0', num_classes=3).eval()\n"
        "    assert model(image[None]).shape == (1, 3)\n"
    )


@installed
def test_the_bare_import_is_what_needs_the_cure() -> None:
    printed = python(
        "try:\n"
        "    import torchvision\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
        "    from labelbench_plus import _torchvision_compat\n"
        "    _torchvision_compat.prepare()\n"  # also after a first attempt that failed
        "    import torchvision\n"
        "    torchvision.transforms.Resize(8)\n"
    )
    if not printed:
        pytest.skip("torchvision's extension loads on this machine: there is nothing to cure")
    assert "torchvision::nms does not exist" in printed


def test_the_hook_is_installed_once_and_not_after_torchvision() -> None:
    python(
        "import sys, types\n"
        "sys.modules['torchvision'] = types.ModuleType('torchvision')\n"
        "from labelbench_plus._torchvision_compat import install\n"
        "install()\n"
        f"assert not {HOOKED}\n"
        "del sys.modules['torchvision']\n"
        "install()\n"
        "install()\n"
        "assert sum(type(finder).__name__ == '_Hook' for finder in sys.meta_path) == 1\n"
    )


def test_without_torchvision_the_error_is_the_usual_one() -> None:
    python(
        "import sys\n"
        "from labelbench_plus._torchvision_compat import install, prepare\n"
        "install()\n"
        "sys.path = [p for p in sys.path if 'packages' not in p]\n"
        "prepare()\n"
        "try:\n"
        "    import torchvision\n"
        "except ModuleNotFoundError as error:\n"
        "    assert error.name == 'torchvision'\n"
        "else:\n"
        "    raise AssertionError('torchvision was found after all')\n"
    )


class FakeTorch:
    """Stands in for torch: an extension that loads or not, and the operators of torchvision's namespace."""

    def __init__(self, loads: bool) -> None:
        self.loads, self.loaded, self.declared = loads, [], []
        self.ops = SimpleNamespace(load_library=self.load_library, torchvision=SimpleNamespace())
        self.library = SimpleNamespace(Library=self.new_library)

    def load_library(self, path: str) -> None:
        self.loaded.append(path)
        if not self.loads:
            raise OSError("libcudart.so: cannot open shared object file")

    def new_library(self, namespace: str, kind: str) -> SimpleNamespace:
        assert (namespace, kind) == ("torchvision", "DEF")
        return SimpleNamespace(define=self.define)

    def define(self, schema: str) -> None:
        self.declared.append(schema)
        setattr(self.ops.torchvision, schema.partition("(")[0], schema)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder with an extension in it, and nothing declared yet."""
    monkeypatch.setattr(compat, "_libraries", [])
    (tmp_path / "_C.so").touch()
    return tmp_path


def test_a_healthy_machine_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = FakeTorch(loads=True)
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]
    assert compat.declare_missing_operators(str(folder)) is False
    assert torch.loaded == [str(folder / "_C.so")]
    assert torch.declared == []
    assert compat._libraries == []


@pytest.mark.parametrize("extension", ["present", "absent"])
def test_both_operators_are_declared_once_where_the_extension_cannot_load(
    extension: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if extension == "absent":
        (folder / "_C.so").unlink()
    torch = FakeTorch(loads=False)
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]
    assert compat.declare_missing_operators(str(folder)) is True
    assert [schema.partition("(")[0] for schema in torch.declared] == ["nms", "qnms"]
    assert len(compat._libraries) == 1, "the library must be kept alive"
    assert compat.declare_missing_operators(str(folder)) is False, "a second cure must find the first"
    assert len(torch.declared) == 2
