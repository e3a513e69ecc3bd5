"""What script mode runs by its path: `python training/entry.py --epochs 20 ...`; everything else is training/train.py.

A file that is run by its path finds the modules beside it, but not the package that it belongs to.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    runpy.run_module("training.train", run_name="__main__")
