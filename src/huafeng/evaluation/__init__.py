"""Measuring: how near a style comes to its works, what it keeps of the photo, how clean it is. Needs the extra `evaluate`."""
