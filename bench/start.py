"""Import one handler as Lambda would, and say what that took: `python -m bench.start predict.handler`."""

import sys
import time

STARTED = time.perf_counter()
__import__(sys.argv[1])
TOOK_MS = (time.perf_counter() - STARTED) * 1000

# Afterwards, so that neither handler finds these two imported already.
import json  # noqa: E402
import resource  # noqa: E402

PEAK_KB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.stdout.write(json.dumps({"ms": TOOK_MS, "kb": PEAK_KB}) + "\n")
