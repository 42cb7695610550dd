"""The command line: one thin file per group of commands.

In: words. Out: text for people, or JSON with `--json`; exit code 0 for done, 1 for a run that failed, 2 for a request
that cannot be carried out. Commands import what they need when they run, so `--help` is quick.
"""
