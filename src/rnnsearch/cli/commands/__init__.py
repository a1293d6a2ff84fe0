"""What each command does, one file for each, named as the command; sweep.py trains one point, wherever it is launched.

Imports everything below `cli`, and `text`. Begin with the command that you want to change.
"""
