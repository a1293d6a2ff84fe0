"""The command line: main.py hands a command to Hydra, commands/ has one file for each, text/ reads and writes lines.

Imports everything else. Begin with main.py, then the command's file.
"""
