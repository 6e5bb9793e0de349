"""Where a model can be measured: one protocol, one file a transport."""
