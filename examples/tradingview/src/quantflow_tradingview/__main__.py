"""``python -m quantflow_tradingview``."""

import sys

from quantflow_tradingview.command import main

sys.exit(main())
