"""A web page that runs a file: one HTML file, which needs no network and no server.

runtimes    LiteRT.js and onnxruntime-web: their pinned packages, fetched by npm into the user's cache
vectors     golden vectors as the page carries them
page        the page: a file, its runtime and its vectors in one; page.html, page.css and js/ are its parts

The photo's way to the input tensor and the decision are those of ``edgekd/js``.
"""

from edgekd.demo.page import Demo, write_demo
from edgekd.demo.runtimes import RUNTIMES, fetch_runtime, has_runtime

__all__ = ["RUNTIMES", "Demo", "fetch_runtime", "has_runtime", "write_demo"]
