"""Running a table: command line, plan, one worker a row, protocols, progress."""
