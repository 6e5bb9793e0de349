"""Plain Dart, run without its SDK: ``translate`` is the way in, ``syntax`` reads trees, ``runtime`` is its library."""
