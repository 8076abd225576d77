"""What a page does beyond its widgets: guesses that answer, exercises that are checked in it, and their style.

Site and decks load the files from their assets; JupyterLab gets them from `lesson.start`.
"""

import json
from pathlib import Path

FILES = Path(__file__).with_name("assets")
SHARED = ("guess.js", "exercises.js", "page.css")  # with site and decks


def lab_html() -> str:
    """Style and scripts for JupyterLab, as one output that shows nothing and may be shown again and again."""
    style, scripts = (
        "\n".join((FILES / name).read_text("utf-8") for name in names)
        for names in (("page.css", "lab.css"), ("guess.js", "lab.js"))
    )
    # in the head, since an output leaves the document when it scrolls away
    put = (
        'const style = document.getElementById("course-page") || document.createElement("style");\n'
        f'style.id = "course-page"; style.textContent = {json.dumps(style)}; document.head.append(style);'
    )
    return f'<div class="course-lab" hidden><script>{{\n{put}\n}}\n{scripts}</script></div>'
