"""The stand-ins are found by processes that the tests start, too."""

import os
from pathlib import Path

STANDIN = str(Path(__file__).with_name("standin"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (STANDIN, os.environ.get("PYTHONPATH"))))
