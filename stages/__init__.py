"""One DVC stage each."""

import os

# before torch is loaded: threads that wait spin but briefly, as beside other work they hold up those they wait for
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
