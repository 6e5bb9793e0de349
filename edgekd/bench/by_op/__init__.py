"""Time by op: which layers of a file take it, and where float and int8 differ.

profile        a file's ops and their times, measured in a child process     child   what runs there
side_by_side   several files, by kind of op and by layer
"""
