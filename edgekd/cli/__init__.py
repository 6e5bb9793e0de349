"""The command line: a file a command, loaded when it is called, so that ``--help`` answers at once.

commands                    the table of commands, and the ways one can end
failures                    every failure as one line
console                     the way out to the terminal: every text that is not ours is printed as it is
fitting                     tables in a narrow terminal
quickstart_command          the main job on embedded photos
run_command, train_command, distill_command
                            a recipe's stages, up to one of them: recipe_stages is their shared part, run_shared prints
                            the run
init_command                looks at photos and writes a recipe for them
fit_command                 looks at photos, and runs a recipe whose student a budget decides: fit_settings puts the
                            user's own keys into it
recipe_command              a recipe to start from, and its keys explained
label_command               soft targets of a recipe's photos, or of any list
sweep_command               many students of one teacher
audit_command               doubtful labels of a run, and what to label next
export_command              a .keras file to .tflite and .onnx: export_job is the work
check_command, predict_command, inspect_command
                            an exported file: scored, run on photos, looked into
golden_command              vectors that a port is tested against
demo_command                a file as a web page
android_command             a file in an Android app; shipped_tflite is the one of a run
ios_command                 a file in a Swift package for an app
js_command, dart_command    a file in a package for an app: port_packages says what was written
bench_command, compare_command, devices_command
                            measurements: bench_inputs says what is measured, bench_profile times ops,
                            bench_console prints them
report_command              reports, rendered again
doctor_command              what is installed
model_options               what another tool's file takes and gives, for every command
accelerators                ``--accelerator`` of check and bench
photos                      the photos that a command is given
ray_option                  ``--ray``
"""

from edgekd.cli.commands import COMMANDS, group, main

__all__ = ["COMMANDS", "group", "main"]
