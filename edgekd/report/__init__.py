"""Reports: what a run, a sweep or a measurement holds, as HTML, Markdown and JSON; they decide nothing.

``render``          a run directory's report          ``collect``, ``rows``    reading it, typed by ``model``
``sweep_render``    a sweep's report                  ``devices_render``       several devices' (``devices_report``)
``headline``        the one line                      ``sentences``, ``format``    words and numbers
``table``           tables as cells of text           ``html``, ``markdown``   the two renderings
``plots``, ``devices_plots``    figures, in one ``style``, with ``labels`` that cover nothing
``distillation_gain``, ``seeds``    the student with and without its teacher, once and over several seeds
``quantization``    how the int8 file was converted   ``misclassified``        thumbnails of photos that it gets wrong
"""

from edgekd.report.model import Headline, Report
from edgekd.report.render import render

__all__ = ["Headline", "Report", "render"]
