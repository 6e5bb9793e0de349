"""What launches a model on a device: the Python agent, the Android demo app, Google's benchmark_model."""
