"""`python -m rnnsearch` is the same as the console script `rnnsearch`."""

import sys

from rnnsearch.cli.main import main

sys.exit(main())
