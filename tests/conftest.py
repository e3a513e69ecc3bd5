"""What every test may lean on: the project's own Node, and no AWS settings of the person who runs the tests."""

import functools
import gc
import os
import signal
import sys
from pathlib import Path

from botocore.loaders import JSONFileLoader

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PATH"] = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
# A hundred processes start from these sources; each would compile them anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A shell starts what runs behind its back deaf to Ctrl-C, and children inherit that; tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The models of AWS's APIs: a session of botocore reads each anew, which takes a tenth of a second for a large one.
read = JSONFileLoader.load_file
parsed = functools.cache(lambda path: read(JSONFileLoader(), path))
JSONFileLoader.load_file = lambda _self, path: parsed(path)


def pytest_collection_finish() -> None:
    """Modules and tests live until the end: nobody need look through them for garbage again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Once more for what the tests made; pytest would look through all of it five times."""
    gc.collect()
    gc.freeze()
