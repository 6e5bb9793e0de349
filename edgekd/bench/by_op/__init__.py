"""What each op of a file takes, and where float and int8 differ: time on this machine, instructions on emulated cores.

profile   a file's ops and their times, measured in a child process    child         what runs there
count     a file's ops and their instructions on an emulated core      count_agent   what runs there
cuts      files cut behind each op                                     side_by_side  several files, by kind and layer
"""
