"""`python -m daw_assist` is `daw-assist`."""

import sys

from daw_assist.cli import main

sys.exit(main())
