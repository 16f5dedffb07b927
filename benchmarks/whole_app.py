"""The dashboard as Streamlit's test runner must see it: away from ``app/pages``.

Beside a folder of that name the runner takes each page for a script of its own and leaves the navigation out.
"""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[1] / "app" / "main.py"), run_name="__main__")
