"""The command line: python -m local start|stop|status|reset|logs|interrupt|env."""

import sys

if __name__ == "__main__":
    try:
        from local.cli import main

        sys.exit(main())
    except KeyboardInterrupt:
        # While the above was imported.
        sys.exit(130)
