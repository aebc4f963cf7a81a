"""Functions that read the HTML of a page."""

import base64
import json
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from isthmus.web import asset

VOID = {"meta", "img", "br", "link", "input", "path", "use", "image"}
node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


class Page(HTMLParser):
    """The elements of a page with their attributes, its texts, and whether its elements are closed in order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.open, self.ids = [], [], [], []
        self.scripts, self.data = [], {}
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if "id" in dict(attrs):
            self.ids.append(dict(attrs)["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attributes = self.elements[-1][1]
            if attributes.get("type") == "application/json":
                self.data[attributes["id"]] = json.loads(data)
            else:
                self.scripts.append(data)
        elif not (self.open and self.open[-1] == "style"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def array_of(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def decoded_by_node(decoder, codes):
    """Return the rows and the cells that the page's decoder makes of codes."""
    program = (
        asset("decoder.js")
        + """
const [data, codes] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const one = isthmus.decoder(data);
const rows = codes.map((code) => Array.from(one.decode(Float32Array.from(code))));
console.log(JSON.stringify({ rows, cells: rows.map((row) => one.cells(row).map((cell) => cell.text)) }));
"""
    )
    text = json.dumps([decoder, np.asarray(codes).tolist()])
    done = subprocess.run(["node", "-e", program], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return np.array(found["rows"]), found["cells"]
