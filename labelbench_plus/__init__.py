"""LabelBench Plus: which way of spending N labels, with which way of training, gives the best model?

Importing this package is cheap: it loads neither torch nor NumPy, only a hook for torchvision's first import.
"""

from labelbench_plus import _torchvision_compat

__version__ = "0.1.0"

_torchvision_compat.install()
