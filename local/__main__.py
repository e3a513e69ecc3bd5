"""The command line: python -m local start|stop|status|reset|logs|env."""

import sys

from local.cli import main

if __name__ == "__main__":
    sys.exit(main())
