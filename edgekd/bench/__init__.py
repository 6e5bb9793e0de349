"""Plans, launches, statistics of latency; never imports TensorFlow."""
