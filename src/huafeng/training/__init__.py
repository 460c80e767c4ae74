"""Learning a style: needs the extra `train` (torch). The runtime never imports this package."""

import os

# Read by OpenMP when torch is imported. Otherwise threads that wait spin, each on a core that another one could use.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
