"""Reports: what a run, a sweep or a measurement holds, as HTML, Markdown and JSON. They decide nothing.

render              a run directory's report: report.json, report.md, report.html, plots/
collect, rows, training
                    reading a run directory, into the types of model
sweep_render        a sweep's report, from sweep_text
devices_render      the report over several devices, from devices_report
headline            the one line
front               steps from a file to the next larger one that is better
end_to_end          from a photo or a frame to the answer, beside the inference alone
sentences, format   sentences and numbers
table               tables as cells of text
html, markdown      the two renderings
plots, scatter, devices_plots
                    figures, in one style, with labels that cover nothing
gains               types of what is gained: by distillation, over seeds, from file to file
distillation_gain   the student with and without its teacher
seeds               the same over several seeds
decisions           calibration, and what is rejected as none of these
teacher_heads       class words, few labels or both on an encoder, side by side
tags                each tag's scores and counts, and photos with wrong tags
search              how the student of a budget was found
quantization        how the int8 file was converted
accelerators        the same files on GPU and CPU, in the report over devices
energy, energy_plot joules of an inference, in the report over devices
demo_link           which file a page of ``edgekd demo`` runs
misclassified       thumbnails of the photos that the shipped file misclassifies
"""

from edgekd.report.model import Headline, Report
from edgekd.report.render import render

__all__ = ["Headline", "Report", "render"]
