"""The command line: a file a command, loaded when called."""
