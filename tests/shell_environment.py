"""Variables of the shell that started the tests, read before the package drops those that point GDAL elsewhere."""

from __future__ import annotations

import os

SHELL = dict(os.environ)
