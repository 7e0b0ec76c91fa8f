"""``python -m quantflow_mlflow``."""

import sys

from quantflow_mlflow.command import main

sys.exit(main())
