"""``python -m quantflow_manifest``."""

import sys

from quantflow_manifest.command import main

sys.exit(main())
