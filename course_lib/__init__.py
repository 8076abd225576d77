"""多模态大模型发展历程: the companion package of the course.

Every idea is one short file. Floors import downwards only: foundations, models, data and training, posttraining,
plots, widgets, then what teaches with them. Importing the package itself loads nothing heavy.
"""

import os

__version__ = "0.1.0"

# Two kernels on two cores spin against each other; OpenMP reads this once, when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
