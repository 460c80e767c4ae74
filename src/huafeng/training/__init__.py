"""Learning a style: needs the extra `train` (torch). The runtime never imports this package."""
