"""Small notebooks for the tests of publishing."""

import nbformat

HEADER = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""


def write_source(root, body, name="03_probe"):
    """A percent notebook in root/notebooks/1_foundations."""
    source = root / "notebooks" / "1_foundations" / f"{name}.py"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(HEADER + body, encoding="utf-8")
    return source


def markdown(text, slide=None):
    metadata = {"slideshow": {"slide_type": slide}} if slide else {}
    return nbformat.v4.new_markdown_cell(text, metadata=metadata)


def code(text, *outputs, tags=(), slide=None):
    metadata = ({"slideshow": {"slide_type": slide}} if slide else {}) | ({"tags": list(tags)} if tags else {})
    return nbformat.v4.new_code_cell(text, outputs=list(outputs), metadata=metadata)


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(metadata=None, **data):
    return nbformat.v4.new_output(
        "display_data", data={mime.replace("_", "/"): value for mime, value in data.items()}, metadata=metadata or {}
    )
