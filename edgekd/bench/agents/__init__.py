"""What launches a model on a device.

protocol         what every agent does                     choose        which agent a device gets
python_agent     device_agent.py in a fresh process        device_agent  copied to the device; needs nothing of edgekd
device_end_to_end   copied beside it where photos are timed from end to end, with the modules in photo_archive
android_app      the Android demo app                      benchmark_model   Google's own tool
android_install  getting its APK onto a phone
reply            an agent's reply, parsed as untrusted input
"""
